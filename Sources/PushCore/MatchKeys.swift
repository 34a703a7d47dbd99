import JSON

/// One way to recognise a record: a field of the provider and how its values compare.
package struct MatchRule: Equatable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Trimmed, case folded.
        case email
        /// Digits only, at least five of them.
        case phone
        /// Case folded, white space collapsed. Weak: never overrules a differing e-mail or phone.
        case name
        /// Host without scheme, `www.`, port and path, case folded.
        case domain
    }

    /// The provider's field; the rule is known by this name to callers (`match: ["email"]`).
    package var field: String
    package var kind: Kind
    /// Fields that make the value when the record has none of its own, joined by a blank (`first_name`, `last_name`).
    package var parts: [String]

    package init(field: String, kind: Kind, parts: [String] = []) {
        self.field = field
        self.kind = kind
        self.parts = parts
    }
}

/// The normalised values by which one record can be recognised.
package struct MatchKeys: Equatable, Sendable {
    /// One entry a rule of the resource, nil where the record has no value.
    package var values: [String?]

    package init(values: [String?]) { self.values = values }

    /// - Parameter value: the text of a field, nil when absent, null, empty or no string.
    package init(rules: [MatchRule], value: (String) -> String?) {
        values = rules.map { rule in
            if let own = value(rule.field), let key = Self.normalise(own, as: rule.kind) { return key }
            guard !rule.parts.isEmpty else { return nil }
            let parts = rule.parts.compactMap(value)
            guard parts.count == rule.parts.count else { return nil }
            return Self.normalise(parts.joined(separator: " "), as: rule.kind)
        }
    }

    /// The form in which values are compared (D5), or nil when nothing is left to compare.
    package static func normalise(_ text: String, as kind: MatchRule.Kind) -> String? {
        let result: String
        switch kind {
        case .email, .name:
            result = folded(text)
        case .phone:
            let digits = text.unicodeScalars.filter { ("0"..."9").contains($0) }
            guard digits.count >= 5 else { return nil }
            result = String(String.UnicodeScalarView(digits))
        case .domain:
            result = host(text)
        }
        return result.isEmpty ? nil : result
    }

    /// Case folded, trimmed, white space collapsed. Most values are ASCII, or Latin or Cyrillic letters of two bytes, for
    /// which bytes are enough.
    private static func folded(_ text: String) -> String {
        var text = text
        let short: String? = text.withUTF8 { bytes in
            guard TwoByteLetter.suffices(for: bytes) else { return nil }
            return String(unsafeUninitializedCapacity: bytes.count) { folded in
                var count = 0
                var blankIsDue = false
                for byte in bytes {
                    if byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) {
                        blankIsDue = count > 0
                        continue
                    }
                    if blankIsDue {
                        folded[count] = 0x20
                        count += 1
                        blankIsDue = false
                    }
                    folded[count] = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
                    count += 1
                    if byte & 0xC0 == 0x80 { TwoByteLetter.fold(folded, endingAt: count) }
                }
                return count
            }
        }
        return short ?? words(text).joined(separator: " ").lowercased()
    }

    /// Parted at white space, by scalars: a character with an accent is not taken apart, for no accent is white space.
    private static func words(_ text: String) -> [Substring] {
        let scalars = text.unicodeScalars
        return scalars.split {
            $0.value < 0x80 ? $0.value == 0x20 || (0x09...0x0D).contains($0.value) : $0.properties.isWhitespace
        }
        .map(Substring.init)
    }

    private static func host(_ text: String) -> String {
        var rest = Substring(text.lowercased()).drop { $0.isWhitespace }
        if let colon = rest.firstIndex(of: ":"), rest[colon...].hasPrefix("://") {
            rest = rest[rest.index(colon, offsetBy: 3)...]
        }
        rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" && $0 != ":" && !$0.isWhitespace }
        if rest.hasPrefix("www.") { rest = rest.dropFirst(4) }
        while rest.last == "." { rest = rest.dropLast() }
        return String(rest)
    }

    /// True when both records have a strong value (not a name) of some rule and the values differ.
    package func contradicts(_ other: MatchKeys, rules: [MatchRule]) -> Bool {
        for (place, rule) in rules.enumerated() where rule.kind != .name {
            if let mine = values[place], let theirs = other.values[place], mine != theirs { return true }
        }
        return false
    }
}
