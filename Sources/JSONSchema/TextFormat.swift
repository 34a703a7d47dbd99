/// The formats that assert. Others are ignored, as the specification allows.
enum TextFormat: String, Sendable, CaseIterable {
    case date
    case dateTime = "date-time"
    case email
    case hostname
    case ipv4
    case ipv6
    case regex
    case time
    case uri
    case uriReference = "uri-reference"
    case uuid

    func accepts(_ text: UnsafeRawBufferPointer, _ program: SchemaProgram) -> Bool {
        switch self {
        case .date: TimeText.isDate(text)
        case .dateTime: TimeText.isDateTime(text, isLenient: program.options.lenientDateTime)
        case .email: AddressText.isEmail(text)
        case .hostname: AddressText.isHostname(text)
        case .ipv4: AddressText.isIPv4(text)
        case .ipv6: AddressText.isIPv6(text)
        case .regex: (try? program.patterns.compile(String(decoding: text, as: UTF8.self))) != nil
        case .time: TimeText.isTime(text, needsOffset: !program.options.lenientDateTime)
        case .uri: URIText.isURI(text, needsScheme: true)
        case .uriReference: URIText.isURI(text, needsScheme: false)
        case .uuid: AddressText.isUUID(text)
        }
    }

    var phrase: String {
        switch self {
        case .date: "a date such as 2026-01-31"
        case .dateTime: "a date and time such as 2026-01-31T09:30:00Z"
        case .email: "an e-mail address"
        case .hostname: "a host name"
        case .ipv4: "an IPv4 address"
        case .ipv6: "an IPv6 address"
        case .regex: "a regular expression"
        case .time: "a time such as 09:30:00Z"
        case .uri: "an absolute URI"
        case .uriReference: "a URI or a relative reference"
        case .uuid: "a UUID"
        }
    }
}

/// Bytes by the classes of the grammars.
enum ASCII {
    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    @inline(__always)
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    @inline(__always)
    static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) }
    @inline(__always)
    static func isHex(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) &- 0x61 < 6 }

    static func contains(_ set: StaticString, _ byte: UInt8) -> Bool {
        for index in 0..<set.utf8CodeUnitCount where set.utf8Start[index] == byte { return true }
        return false
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }
}

// MARK: - Dates and times, RFC 3339 section 5.6

package enum TimeText {
    package static func isDate(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == 10, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
            let century = two(text, 0), let years = two(text, 2), let month = two(text, 5), let day = two(text, 8)
        else { return false }
        let year = century * 100 + years
        guard (1...12).contains(month), day >= 1 else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let last = month == 2 ? (isLeap ? 29 : 28) : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
        return day <= last
    }

    package static func isDateTime(_ text: UnsafeRawBufferPointer, isLenient: Bool) -> Bool {
        guard text.count > 11, isDate(text.part(0..<10)) else { return false }
        let time = text.part(11..<text.count)
        if text[10] | 0x20 == UInt8(ascii: "t") { return isTime(time, needsOffset: true) }
        return isLenient && text[10] == UInt8(ascii: " ") && isTime(time, needsOffset: false)
    }

    static func isTime(_ text: UnsafeRawBufferPointer, needsOffset: Bool) -> Bool {
        guard text.count >= 8, text[2] == UInt8(ascii: ":"), text[5] == UInt8(ascii: ":"),
            let hour = two(text, 0), let minute = two(text, 3), let second = two(text, 6),
            hour < 24, minute < 60, second <= 60
        else { return false }
        var at = 8
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at += 1
            let first = at
            while at < text.count, ASCII.isDigit(text[at]) { at += 1 }
            guard at > first else { return false }
        }
        guard let offset = offset(text.part(at..<text.count), isNeeded: needsOffset) else { return false }
        // A leap second is the last one of a day in UTC.
        return second < 60 || (hour * 60 + minute - offset + 2 * 1440) % 1440 == 1439
    }

    /// Minutes east of UTC; nil if malformed.
    private static func offset(_ text: UnsafeRawBufferPointer, isNeeded: Bool) -> Int? {
        if text.isEmpty { return isNeeded ? nil : 0 }
        if text.count == 1 { return text[0] | 0x20 == UInt8(ascii: "z") ? 0 : nil }
        guard text.count == 6, text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-"),
            text[3] == UInt8(ascii: ":"), let hours = two(text, 1), let minutes = two(text, 4), hours < 24, minutes < 60
        else { return nil }
        return (hours * 60 + minutes) * (text[0] == UInt8(ascii: "-") ? -1 : 1)
    }

    @inline(__always)
    private static func two(_ text: UnsafeRawBufferPointer, _ at: Int) -> Int? {
        guard ASCII.isDigit(text[at]), ASCII.isDigit(text[at + 1]) else { return nil }
        return Int(text[at] &- 0x30) * 10 + Int(text[at + 1] &- 0x30)
    }
}

// MARK: - Names and addresses

enum AddressText {
    /// RFC 1123 section 2.1: labels of 1 to 63 letters, digits and inner hyphens; 253 bytes in all, no final dot.
    static func isHostname(_ text: UnsafeRawBufferPointer) -> Bool {
        guard !text.isEmpty, text.count <= 253 else { return false }
        var start = 0
        for at in 0...text.count where at == text.count || text[at] == UInt8(ascii: ".") {
            guard at > start, at - start <= 63, text[start] != UInt8(ascii: "-"), text[at - 1] != UInt8(ascii: "-")
            else { return false }
            for index in start..<at {
                guard ASCII.isAlphanumeric(text[index]) || text[index] == UInt8(ascii: "-") else { return false }
            }
            start = at + 1
        }
        return true
    }

    /// RFC 5321 section 4.1.2, with the ceilings of 4.5.3.1: 64 bytes before the `@`, 254 in all.
    static func isEmail(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count <= 254, let at = text.lastIndex(of: UInt8(ascii: "@")), at > 0, at <= 64, at + 1 < text.count
        else { return false }
        let local = text.part(0..<at)
        let domain = text.part(at + 1..<text.count)
        guard local[0] == UInt8(ascii: "\"") ? isQuoted(local) : isDotString(local) else { return false }
        return domain[0] == UInt8(ascii: "[") ? isLiteral(domain) : isHostname(domain)
    }

    private static func isDotString(_ text: UnsafeRawBufferPointer) -> Bool {
        var previous = UInt8(ascii: ".")
        for byte in text {
            if byte == UInt8(ascii: ".") {
                if previous == byte { return false }
            } else if !ASCII.isAlphanumeric(byte) && !ASCII.contains("!#$%&'*+-/=?^_`{|}~", byte) {
                return false
            }
            previous = byte
        }
        return previous != UInt8(ascii: ".")
    }

    private static func isQuoted(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count >= 2, text[text.count - 1] == UInt8(ascii: "\"") else { return false }
        var at = 1
        let end = text.count - 1
        while at < end {
            if text[at] == UInt8(ascii: "\\") { at += 1 } else if text[at] == UInt8(ascii: "\"") { return false }
            guard at < end, text[at] >= 0x20, text[at] < 0x7F else { return false }
            at += 1
        }
        return true
    }

    private static func isLiteral(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count > 2, text[text.count - 1] == UInt8(ascii: "]") else { return false }
        let inner = text.part(1..<text.count - 1)
        if isIPv4(inner) { return true }
        guard inner.count > 5 else { return false }
        for (index, byte) in "ipv6:".utf8.enumerated() {
            guard inner[index] == byte || inner[index] | 0x20 == byte else { return false }
        }
        return isIPv6(inner.part(5..<inner.count))
    }

    /// RFC 2673 section 3.2: four decimals without leading zeros.
    static func isIPv4(_ text: UnsafeRawBufferPointer) -> Bool {
        var parts = 0
        var start = 0
        for at in 0...text.count where at == text.count || text[at] == UInt8(ascii: ".") {
            guard at > start, at - start <= 3, at - start == 1 || text[start] != 0x30 else { return false }
            var value = 0
            for index in start..<at {
                guard ASCII.isDigit(text[index]) else { return false }
                value = value * 10 + Int(text[index] &- 0x30)
            }
            guard value < 256 else { return false }
            parts += 1
            start = at + 1
        }
        return parts == 4
    }

    /// RFC 4291 section 2.2; no zone.
    static func isIPv6(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count >= 2, text.count <= 45 else { return false }
        var groups = 0
        var isShortened = false
        var at = 0
        if text[0] == UInt8(ascii: ":") {
            guard text[1] == UInt8(ascii: ":") else { return false }
            isShortened = true
            at = 2
        }
        while at < text.count {
            let start = at
            while at < text.count, ASCII.isHex(text[at]) { at += 1 }
            if at < text.count, text[at] == UInt8(ascii: ".") {
                guard isIPv4(text.part(start..<text.count)) else { return false }
                groups += 2
                at = text.count
                break
            }
            guard at > start, at - start <= 4 else { return false }
            groups += 1
            guard at < text.count else { break }
            guard text[at] == UInt8(ascii: ":"), at + 1 < text.count else { return false }
            at += 1
            if text[at] == UInt8(ascii: ":") {
                if isShortened { return false }
                isShortened = true
                at += 1
            }
        }
        return isShortened ? groups <= 7 : groups == 8
    }

    /// RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits.
    static func isUUID(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == 36 else { return false }
        for at in 0..<36 {
            let isHyphen = at == 8 || at == 13 || at == 18 || at == 23
            guard isHyphen ? text[at] == UInt8(ascii: "-") : ASCII.isHex(text[at]) else { return false }
        }
        return true
    }
}

// MARK: - URIs, RFC 3986

enum URIText {
    static func isURI(_ text: UnsafeRawBufferPointer, needsScheme: Bool) -> Bool {
        var rest = text
        var hasScheme = false
        if let colon = rest.firstIndex(where: { ASCII.contains(":/?#", $0) }), rest[colon] == UInt8(ascii: ":") {
            guard isScheme(rest.part(0..<colon)) else { return false }
            hasScheme = true
            rest = rest.part(colon + 1..<rest.count)
        }
        guard hasScheme || !needsScheme else { return false }
        if let hash = rest.firstIndex(of: UInt8(ascii: "#")) {
            guard isMadeOf(rest.part(hash + 1..<rest.count), "/?:@") else { return false }
            rest = rest.part(0..<hash)
        }
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            guard isMadeOf(rest.part(mark + 1..<rest.count), "/?:@") else { return false }
            rest = rest.part(0..<mark)
        }
        if rest.count >= 2, rest[0] == UInt8(ascii: "/"), rest[1] == UInt8(ascii: "/") {
            let end = rest[2...].firstIndex(of: UInt8(ascii: "/")) ?? rest.count
            guard isAuthority(rest.part(2..<end)) else { return false }
            rest = rest.part(end..<rest.count)
        }
        return isMadeOf(rest, "/:@")
    }

    private static func isScheme(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let first = text.first, ASCII.isLetter(first) else { return false }
        return text.allSatisfy { ASCII.isAlphanumeric($0) || ASCII.contains("+-.", $0) }
    }

    private static func isAuthority(_ text: UnsafeRawBufferPointer) -> Bool {
        var rest = text
        if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
            guard isMadeOf(rest.part(0..<at), ":") else { return false }
            rest = rest.part(at + 1..<rest.count)
        }
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")), isLiteral(rest.part(1..<end)) else { return false }
            let port = rest.part(end + 1..<rest.count)
            return port.isEmpty || (port[0] == UInt8(ascii: ":") && port.dropFirst().allSatisfy(ASCII.isDigit))
        }
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")) {
            guard rest[(colon + 1)...].allSatisfy(ASCII.isDigit) else { return false }
            rest = rest.part(0..<colon)
        }
        return isMadeOf(rest, "")
    }

    /// An IPv6 address, or `v1.…` for what may come after it.
    private static func isLiteral(_ text: UnsafeRawBufferPointer) -> Bool {
        if AddressText.isIPv6(text) { return true }
        guard text.count > 3, text[0] | 0x20 == UInt8(ascii: "v"), let dot = text.firstIndex(of: UInt8(ascii: ".")),
            dot > 1, dot + 1 < text.count
        else { return false }
        return text[1..<dot].allSatisfy(ASCII.isHex)
            && text[(dot + 1)...].allSatisfy { $0 != UInt8(ascii: "%") && isPlain($0, ":") }
    }

    /// Unreserved characters, sub-delimiters, and those of `more`.
    private static func isPlain(_ byte: UInt8, _ more: StaticString) -> Bool {
        ASCII.isAlphanumeric(byte) || ASCII.contains("-._~!$&'()*+,;=", byte) || ASCII.contains(more, byte)
    }

    private static func isMadeOf(_ text: UnsafeRawBufferPointer, _ more: StaticString) -> Bool {
        var at = 0
        while at < text.count {
            if text[at] == UInt8(ascii: "%") {
                guard at + 2 < text.count, ASCII.isHex(text[at + 1]), ASCII.isHex(text[at + 2]) else { return false }
                at += 3
            } else {
                guard isPlain(text[at], more) else { return false }
                at += 1
            }
        }
        return true
    }
}
