import Testing

@testable import Store

@Suite struct ChecksumTests {
    private func sum(_ values: [[UInt8]?]) -> Int64 {
        var checksum = Checksum()
        for value in values {
            if let value { value.withUnsafeBytes { checksum.add($0) } } else { checksum.addNothing() }
        }
        return checksum.value
    }

    @Test func everyBitOfEveryByteCounts() {
        for count in 1...40 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            let right = sum([bytes])
            #expect(right >= 0 && right <= 0xFFFF_FFFF)
            for place in 0..<count {
                for bit in 0..<8 {
                    var flipped = bytes
                    flipped[place] ^= 1 << UInt8(bit)
                    #expect(sum([flipped]) != right, "bit \(bit) of byte \(place) of \(count)")
                }
            }
        }
        var (one, other) = (Checksum(), Checksum())
        one.add(5)
        for bit in 0..<64 {
            other = Checksum()
            other.add(5 ^ Int64(bitPattern: 1 << UInt64(bit)))
            #expect(one.value != other.value)
        }
    }

    @Test func bordersOfValuesCount() {
        let all: [[[UInt8]?]] = [
            [], [nil], [[]], [[], []], [nil, []], [[], nil], [[0]], [[0, 0]], [[0], [0]], [[1, 2]], [[1], [2]],
            [[0, 0, 0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 0, 0, 0, 0]],
        ]
        #expect(Set(all.map(sum)).count == all.count)
    }

    /// Random pairs of words: as few collisions as chance brings, none of a million in 32 bits more than a few hundred.
    @Test func differentRowsSeldomMeet() {
        var seen: Set<Int64> = []
        for number in Int64(0)..<200_000 {
            var checksum = Checksum()
            checksum.add(number / 450)
            checksum.add(number % 450)
            seen.insert(checksum.value)
        }
        #expect(seen.count > 199_950)
    }
}
