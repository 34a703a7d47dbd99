import PushCore

/// A position in the event log of one store (K26): its random name, a sequence, and a check of the event that stands
/// there, so that the log of a restored backup is not taken for the one that a client has seen.
struct Cursor: Equatable {
    var store: UInt64
    var sequence: Int64
    /// 16 bits; 0 when the event is not there any more and nothing can be checked.
    var check: UInt16

    /// Before the first event.
    static func start(of store: UInt64) -> Cursor { Cursor(store: store, sequence: 0, check: 0) }

    init(store: UInt64, sequence: Int64, check: UInt16) {
        self.store = store
        self.sequence = sequence
        self.check = check
    }

    init(store: UInt64, event: EventRow) {
        self.init(store: store, sequence: event.sequence, check: Self.check(event))
    }

    /// Sequence and check in one number, as a transfer keeps it.
    var packed: Int64 { sequence << 16 | Int64(check) }

    init(store: UInt64, packed: Int64) {
        self.init(store: store, sequence: packed >> 16, check: UInt16(truncatingIfNeeded: packed))
    }

    /// Nil when the text is no cursor.
    init?(text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        let store = text.prefix(16)
        let sequence = text.dropFirst(16).prefix(12)
        let check = text.suffix(4)
        guard let name = UInt64(store, radix: 16), let place = Int64(sequence, radix: 16),
            let sum = UInt16(check, radix: 16), !text.contains("+"), !text.contains("-")
        else { return nil }
        self.init(store: name, sequence: place, check: sum)
    }

    var text: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the text: 32 lower-case hexadecimal digits.
    func append(to bytes: inout [UInt8]) {
        Self.append(store, 16, to: &bytes)
        Self.append(UInt64(bitPattern: sequence), 12, to: &bytes)
        Self.append(UInt64(check), 4, to: &bytes)
    }

    private static func append(_ value: UInt64, _ width: Int, to bytes: inout [UInt8]) {
        for place in 1...width {
            let digit = UInt8(value >> UInt64(4 * (width - place)) & 15)
            bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }

    /// Never 0: that means unchecked.
    static func check(_ event: EventRow) -> UInt16 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for value in [
            UInt64(bitPattern: event.sequence), UInt64(bitPattern: event.time), event.transferID.high,
            UInt64(event.transferID.low), UInt64(event.kind.rawValue),
        ] {
            hash = (hash ^ value) &* 0x100_0000_01B3
            hash ^= hash >> 32
        }
        return max(1, UInt16(truncatingIfNeeded: hash ^ hash >> 16))
    }
}
