import Testing

@testable import Gateway

@Suite struct ClockWatchTests {
    private static let hour: Int64 = 3_600_000
    private static let start: Int64 = 1_700_000_000_000

    /// Looks once a second; `jumps` are added to the wall clock before the look of that number.
    private func watch(_ seconds: Int, jumps: [Int: Int64]) -> (seen: [Int: Int64], mayExpire: [Bool]) {
        var clock = ClockWatch()
        var wall = Self.start
        var seen: [Int: Int64] = [:]
        var mayExpire: [Bool] = []
        for second in 0..<seconds {
            wall += 1_000 + (jumps[second] ?? 0)
            let monotonic = UInt64(second) * 1_000_000_000
            seen[second] = clock.look(wall: wall, monotonic: monotonic)
            mayExpire.append(clock.mayExpire(monotonic: monotonic))
        }
        return (seen, mayExpire)
    }

    @Test func afterAJumpForwardNothingExpiresForAnHour() {
        let (seen, mayExpire) = watch(3_700, jumps: [5: 72 * Self.hour])
        #expect(seen == [5: 72 * Self.hour])
        #expect(mayExpire[..<5].allSatisfy { $0 })
        #expect(mayExpire[5..<3_605].allSatisfy { !$0 })
        #expect(mayExpire[3_605...].allSatisfy { $0 })
    }

    @Test func aSecondJumpBeginsTheHourAnew() {
        let (seen, mayExpire) = watch(5_000, jumps: [5: 2 * Self.hour, 1_005: 2 * Self.hour])
        #expect(seen.keys.sorted() == [5, 1_005])
        #expect(mayExpire.firstIndex(of: false) == 5)
        #expect(mayExpire.lastIndex(of: false) == 4_604)
    }

    @Test func whatIsNoJumpForwardChangesNothing() {
        for jump in [Self.hour, 500, 0, -1, -72 * Self.hour] {
            let (seen, mayExpire) = watch(10, jumps: [0: 100 * Self.hour, 5: jump])
            #expect(seen.isEmpty, "\(jump) ms")
            #expect(mayExpire.allSatisfy { $0 }, "\(jump) ms")
        }
    }
}
