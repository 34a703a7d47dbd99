/// What nobody may see. It describes itself as nothing, so that no log line, error text or dump of a value can show it.
package struct Secret: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Longest secret that is taken, in bytes.
    package static let ceiling = 8_192

    private let bytes: [UInt8]

    /// A secret that can stand in a header: 1 to `ceiling` visible characters of ASCII, without blanks. Nil otherwise.
    package init?(_ bytes: some Collection<UInt8>) {
        guard (1...Self.ceiling).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        self.bytes = Array(bytes)
    }

    /// For the one place that shows it to a provider, and the one that seals it.
    func withBytes<Result>(_ body: ([UInt8]) -> Result) -> Result { body(bytes) }

    package var description: String { "***" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A credential that the operator defined with `--credential`: callers know it by its name only.
package struct CredentialSource: Equatable, Sendable {
    package enum Place: Equatable, Sendable {
        /// From a variable of the environment, taken at the start.
        case value(Secret)
        /// A file, which is read whenever the secret is needed: who rotates it does not restart the gateway.
        case file(String)
    }

    package var name: String
    package var place: Place

    package init(name: String, place: Place) {
        self.name = name
        self.place = place
    }

    /// 1 to 64 of `A-Z a-z 0-9 . _ -`.
    package static func isValid(name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
