/// Twelve bytes that name a session, a transfer or an error: 48 bits of milliseconds, 16 of a counter, 32 of chance.
///
/// Written as 24 lower-case hexadecimal digits, the published form, so that the text sorts by time of making.
package struct Identifier: Hashable, Sendable, Comparable {
    package let high: UInt64
    package let low: UInt32

    package init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    /// Nil unless `text` is 24 lower-case hexadecimal digits.
    package init?(text: String) {
        var high: UInt64 = 0
        var low: UInt32 = 0
        guard text.utf8.count == 24 else { return nil }
        for (place, byte) in text.utf8.enumerated() {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - 0x30
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - 0x57
            default: return nil
            }
            if place < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt32(digit) }
        }
        self.init(high: high, low: low)
    }

    package var text: String {
        String(unsafeUninitializedCapacity: 24) { buffer in
            for place in 0..<24 {
                let digit =
                    place < 16 ? UInt8(high >> UInt64(60 - 4 * place) & 15) : UInt8(low >> UInt32(92 - 4 * place) & 15)
                buffer[place] = digit < 10 ? 0x30 + digit : 0x57 + digit
            }
            return 24
        }
    }

    package static func < (a: Identifier, b: Identifier) -> Bool {
        a.high != b.high ? a.high < b.high : a.low < b.low
    }
}

/// Makes identifiers that grow with time, also within one millisecond and across a clock that steps back.
package struct IdentifierSource: Sendable {
    private var last: UInt64 = 0

    package init() {}

    /// - Parameters:
    ///   - milliseconds: wall clock since 1970; a time before that counts as 1970.
    ///   - chance: 32 random bits.
    package mutating func next(milliseconds: Int64, chance: UInt32) -> Identifier {
        last = max(UInt64(max(milliseconds, 0)) << 16, last &+ 1)
        return Identifier(high: last, low: chance)
    }
}

/// An account: one customer's account at one provider. Owns the ledger and the order of versions.
package struct AccountKey: Hashable, Sendable, Comparable {
    /// Name of the provider's manifest, such as `local`.
    package var provider: String
    /// As the provider names it, else as the caller does.
    package var name: String

    package init(provider: String, name: String) {
        self.provider = provider
        self.name = name
    }

    package static func < (a: AccountKey, b: AccountKey) -> Bool {
        (a.provider, a.name) < (b.provider, b.name)
    }
}

/// Where a record stands: its transfer's place in the order of acceptance, and its own place in the transfer.
///
/// Ordinals count all items of a transfer, associated ones included, children before their parent, so that the natural
/// order of places is an order in which records can be written.
package struct RecordPlace: Hashable, Sendable, Comparable {
    package var transfer: Int64
    package var ordinal: Int32

    package init(transfer: Int64, ordinal: Int32) {
        self.transfer = transfer
        self.ordinal = ordinal
    }

    package static func < (a: RecordPlace, b: RecordPlace) -> Bool {
        a.transfer != b.transfer ? a.transfer < b.transfer : a.ordinal < b.ordinal
    }
}
