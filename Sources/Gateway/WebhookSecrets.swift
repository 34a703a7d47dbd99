import CSodium
import EventLoop
import PushCore
import Store

/// What webhooks are signed with: some secrets a session, the newest first, kept sealed and never shown again.
///
/// A secret is 24 to 64 bytes, written `whsec_` and base64, as Standard Webhooks has it.
final class WebhookSecrets {
    /// Of one session: more than two are of no use but for a rotation that goes wrong.
    static let ceiling = 5
    private static let prefix = "whsec_"
    private static let lengths = 24...64

    private let sealer: Sealer
    private var keys: [Identifier: [[UInt8]]] = [:]
    /// Sessions whose secrets this gateway's key does not open.
    private(set) var unopened: Set<Identifier> = []

    /// - Parameter stored: as they were sealed.
    init(sealer: Sealer, stored: [Identifier: [UInt8]]) {
        self.sealer = sealer
        for (session, sealed) in stored {
            if let keys = sealer.open(sealed, Self.binding(session)).flatMap(Self.unpacked) {
                self.keys[session] = keys
            } else {
                unopened.insert(session)
            }
        }
    }

    /// Nil when the session has none, or none that opens.
    subscript(session: Identifier) -> [[UInt8]]? { keys[session] }

    /// From now on these; the change is to be committed.
    func set(_ keys: [[UInt8]], of session: Identifier) -> Change {
        self.keys[session] = keys
        unopened.remove(session)
        return .webhookSecrets(session: session, sealer.seal(Self.packed(keys), Self.binding(session)))
    }

    func forget(_ session: Identifier) {
        keys[session] = nil
        unopened.remove(session)
    }

    /// The key of a written secret; nil when it is none.
    static func key(_ text: String) -> [UInt8]? {
        guard text.hasPrefix(prefix) else { return nil }
        let digits = Array(text.utf8.dropFirst(prefix.utf8.count))
        var key = [UInt8](repeating: 0, count: digits.count)
        var length = 0
        let code = digits.withUnsafeBufferPointer { digits in
            digits.withMemoryRebound(to: CChar.self) { digits in
                sodium_base642bin(
                    &key, key.count, digits.baseAddress, digits.count, nil, &length, nil,
                    sodium_base64_VARIANT_ORIGINAL)
            }
        }
        guard code == 0, lengths.contains(length) else { return nil }
        return Array(key.prefix(length))
    }

    static func text(_ key: [UInt8]) -> String { prefix + Base64.text(key) }

    private static func packed(_ keys: [[UInt8]]) -> [UInt8] { keys.flatMap { [UInt8($0.count)] + $0 } }

    private static func unpacked(_ bytes: [UInt8]) -> [[UInt8]]? {
        var keys: [[UInt8]] = []
        var rest = bytes[...]
        while let length = rest.popFirst() {
            guard rest.count >= Int(length) else { return nil }
            keys.append(Array(rest.prefix(Int(length))))
            rest = rest.dropFirst(Int(length))
        }
        return keys
    }

    /// Where they belong, so that a row copied to another session does not open there.
    private static func binding(_ session: Identifier) -> [UInt8] { Array(session.text.utf8) }
}

enum Base64 {
    /// With padding (RFC 4648 section 4).
    static func text(_ bytes: [UInt8]) -> String {
        // Room for the NUL that ends it.
        var text = [CChar](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        sodium_bin2base64(&text, text.count, bytes, bytes.count, sodium_base64_VARIANT_ORIGINAL)
        return String(decoding: text.dropLast().map(UInt8.init), as: UTF8.self)
    }
}

/// The signature of Standard Webhooks 1.0.
enum WebhookSignature {
    /// One `v1,` a key, separated by blanks: who verifies takes any.
    ///
    /// - Parameter timestamp: seconds since 1970.
    static func text(id: String, timestamp: Int64, body: [UInt8], keys: [[UInt8]]) -> String {
        let head = Array("\(id).\(timestamp).".utf8)
        return keys.map { "v1," + Base64.text(digest(head, body, key: $0)) }.joined(separator: " ")
    }

    private static func digest(_ head: [UInt8], _ body: [UInt8], key: [UInt8]) -> [UInt8] {
        var state = crypto_auth_hmacsha256_state()
        var digest = [UInt8](repeating: 0, count: Int(crypto_auth_hmacsha256_BYTES))
        crypto_auth_hmacsha256_init(&state, key, key.count)
        crypto_auth_hmacsha256_update(&state, head, UInt64(head.count))
        crypto_auth_hmacsha256_update(&state, body, UInt64(body.count))
        crypto_auth_hmacsha256_final(&state, &digest)
        return digest
    }
}
