/// An IPv4 or IPv6 address.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(UInt128)

    /// Reads the usual spellings: four decimal numbers without leading zeros, or RFC 4291 section 2.2 including `::` and an
    /// IPv4 tail. No zone, no brackets; nil for anything else.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        if bytes.contains(UInt8(ascii: ":")) {
            guard let value = Self.parseV6(bytes) else { return nil }
            self = .v6(value)
        } else {
            guard let value = Self.parseV4(bytes[...]) else { return nil }
            self = .v4(value)
        }
    }

    /// 32 or 128.
    package var width: Int {
        switch self {
        case .v4: 32
        case .v6: 128
        }
    }

    private static func parseV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let first = part.first, part.count <= 3, part.count == 1 || first != UInt8(ascii: "0") else {
                return nil
            }
            var number: UInt32 = 0
            for byte in part {
                guard (0x30...0x39).contains(byte) else { return nil }
                number = number * 10 + UInt32(byte - 0x30)
            }
            guard number <= 255 else { return nil }
            value = value << 8 | number
        }
        return value
    }

    private static func parseV6(_ bytes: [UInt8]) -> UInt128? {
        let colon = UInt8(ascii: ":")
        guard let gap = bytes.indices.dropLast().first(where: { bytes[$0] == colon && bytes[$0 + 1] == colon }) else {
            guard let groups = groups(bytes[...]), groups.count == 8 else { return nil }
            return join(groups)
        }
        guard let head = groups(bytes[..<gap]), let tail = groups(bytes[(gap + 2)...]),
            head.count + tail.count <= 7, !(head.count > 0 && isDotted(bytes[..<gap]))
        else { return nil }
        return join(head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    private static func isDotted(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.contains(UInt8(ascii: ".")) }

    /// Groups of 16 bits between single colons; the last part may be an IPv4 address and is then two.
    private static func groups(_ bytes: ArraySlice<UInt8>) -> [UInt16]? {
        guard !bytes.isEmpty else { return [] }
        let parts = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (place, part) in parts.enumerated() {
            if place == parts.count - 1, isDotted(part) {
                guard let value = parseV4(part) else { return nil }
                groups += [UInt16(value >> 16), UInt16(value & 0xFFFF)]
            } else {
                guard (1...4).contains(part.count), let value = hexadecimal(part) else { return nil }
                groups.append(value)
            }
        }
        return groups.count <= 8 ? groups : nil
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        for byte in bytes {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt16(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt16(byte - 0x37)
            case 0x61...0x66: value = value << 4 | UInt16(byte - 0x57)
            default: return nil
            }
        }
        return value
    }

    private static func join(_ groups: [UInt16]) -> UInt128 { groups.reduce(0) { $0 << 16 | UInt128($1) } }
}

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or a single address.
package struct AddressRange: Hashable, Sendable {
    /// The lowest address.
    package let base: IPAddress
    /// Leading bits that are fixed: 0 to 32 or 128.
    package let prefix: Int

    /// Nil when `text` is no address, or the prefix is too long, or bits are set that the prefix leaves free: such a range
    /// usually is a slip, and an allow-list must not be wider than was meant.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = IPAddress(String(parts[0])) else { return nil }
        var prefix = base.width
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                digits.count == 1 || digits.first != 0x30, let number = Int(parts[1]), number <= base.width
            else { return nil }
            prefix = number
        }
        self.base = base
        self.prefix = prefix
        guard Self.cut(base, prefix) == base else { return nil }
    }

    package func contains(_ address: IPAddress) -> Bool {
        address.width == base.width && Self.cut(address, prefix) == base
    }

    private static func cut(_ address: IPAddress, _ prefix: Int) -> IPAddress {
        switch address {
        case .v4(let value): .v4(prefix == 0 ? 0 : value & (UInt32.max << UInt32(32 - prefix)))
        case .v6(let value): .v6(prefix == 0 ? 0 : value & (UInt128.max << UInt128(128 - prefix)))
        }
    }
}
