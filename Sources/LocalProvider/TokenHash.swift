import CSodium
import PushCore

/// SHA-256 of a bearer token. Settings hold this instead of the token, so that it lies nowhere but where credentials do.
package struct TokenHash: Equatable, Sendable {
    private let bytes: [UInt8]

    /// - Parameter hexadecimal: 64 digits; nil otherwise.
    package init?(hexadecimal: String) {
        let digits = hexadecimal.compactMap(\.hexDigitValue)
        guard digits.count == 64, hexadecimal.count == 64 else { return nil }
        bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// True when the headers show the token, as RFC 6750 section 2.1 wants it.
    func accepts(_ headers: [Exchange.Header]) -> Bool {
        let scheme = "Bearer "
        guard let shown = headers.first(where: { $0.name == "authorization" })?.value, shown.hasPrefix(scheme) else {
            return false
        }
        let token = Array(shown.dropFirst(scheme.count).utf8)
        var hash = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_BYTES))
        crypto_hash_sha256(&hash, token, UInt64(token.count))
        return hash == bytes
    }
}
