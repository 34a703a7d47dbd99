/// The 32-bit checksum of a row (K12): over its values in the order of the columns, with their lengths, so that a byte
/// that flipped on disk is found when the row is read. No protection against intent; that is what file modes are for.
///
/// Eight bytes a step: xor, then multiply by an odd number, then fold the high bits down. Each step is a bijection of
/// the state, so two rows that differ in one word never meet before the final cut to 32 bits.
struct Checksum {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The upper half of one more step: in a product, every bit of a factor reaches up, none reaches down.
    var value: Int64 { Int64(((state ^ state >> 29) &* 0x9FB2_1C65_1E98_DF25) >> 32) }

    private mutating func mix(_ word: UInt64) {
        state = (state ^ word) &* 0x9FB2_1C65_1E98_DF25
        state ^= state >> 32
    }

    mutating func add(_ number: Int64) { mix(UInt64(bitPattern: number)) }

    /// A value that is absent; differs from every length.
    mutating func addNothing() { mix(.max) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        mix(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        guard offset < bytes.count else { return }
        var last: UInt64 = 0
        for byte in bytes[offset...] { last = last << 8 | UInt64(byte) }
        mix(last)
    }
}
