import CSodium
import EventLoop
import Glibc
import PushCore

/// Seals what must not lie in the store in the clear, under the gateway's key: XChaCha20-Poly1305, with a random nonce
/// before each sealed text, and bound to the place where it belongs.
final class Sealer {
    private static let nonceBytes = Int(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
    private static let tagBytes = Int(crypto_aead_xchacha20poly1305_ietf_ABYTES)

    private let usedKey: [UInt8]
    /// Sealed texts that this key does not open.
    private(set) var unopened = 0

    /// What is sealed: each has a key of its own. The words are part of the stored data's meaning and never change; eight
    /// bytes each.
    enum Use: String {
        case confirmedStates = "pgstate1"
        case credentials = "pgcreds1"
        case webhookSecrets = "pghooks1"
    }

    /// - Parameter key: the gateway's, 32 bytes.
    init(key: [UInt8], for use: Use) {
        _ = sodium_init()
        var derived = [UInt8](repeating: 0, count: Int(crypto_aead_xchacha20poly1305_ietf_KEYBYTES))
        _ = use.rawValue.withCString { context in
            crypto_kdf_derive_from_key(&derived, derived.count, 1, context, key)
        }
        usedKey = derived
    }

    /// Changes as the store may see them.
    func sealed(_ changes: [Change]) -> [Change] {
        guard changes.contains(where: { if case .confirmed = $0 { true } else { false } }) else { return changes }
        return changes.map { change in
            guard case .confirmed(let rows) = change else { return change }
            return .confirmed(
                rows.map { row in
                    var row = row
                    row.state = seal(row.state, Self.binding(row))
                    return row
                })
        }
    }

    /// What the store answered, in the clear. A state that this key does not open is as if it were not there.
    func opened(_ answer: ConfirmedAnswer) -> ConfirmedAnswer {
        var answer = answer
        answer.rows = answer.rows.compactMap { row in
            guard let state = open(row.state, Self.binding(row)) else {
                unopened += 1
                return nil
            }
            var row = row
            row.state = state
            return row
        }
        return answer
    }

    func seal(_ text: [UInt8], _ binding: [UInt8]) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: Self.nonceBytes + text.count + Self.tagBytes)
        sealed.withUnsafeMutableBufferPointer { sealed in
            guard let start = sealed.baseAddress else { return }
            randombytes_buf(start, Self.nonceBytes)
            crypto_aead_xchacha20poly1305_ietf_encrypt(
                start + Self.nonceBytes, nil, text, UInt64(text.count), binding, UInt64(binding.count), nil, start,
                usedKey)
        }
        return sealed
    }

    /// Nil when it was sealed under another key or for another place, or was changed since.
    func open(_ sealed: [UInt8], _ binding: [UInt8]) -> [UInt8]? {
        guard sealed.count >= Self.nonceBytes + Self.tagBytes else { return nil }
        var text = [UInt8](repeating: 0, count: sealed.count - Self.nonceBytes - Self.tagBytes)
        let code = sealed.withUnsafeBufferPointer { sealed -> Int32 in
            guard let start = sealed.baseAddress else { return -1 }
            return text.withUnsafeMutableBufferPointer { text in
                // An empty text has no address, but the library wants one.
                var nothing: UInt8 = 0
                return withUnsafeMutablePointer(to: &nothing) { nothing in
                    crypto_aead_xchacha20poly1305_ietf_decrypt(
                        text.baseAddress ?? nothing, nil, nil, start + Self.nonceBytes,
                        UInt64(sealed.count - Self.nonceBytes), binding, UInt64(binding.count), start, usedKey)
                }
            }
        }
        return code == 0 ? text : nil
    }

    /// Where a state belongs, so that a row copied to another place does not open there.
    private static func binding(_ row: ConfirmedRow) -> [UInt8] {
        var bytes: [UInt8] = []
        for text in [row.account.provider, row.account.name, row.resource, row.providerID] {
            withUnsafeBytes(of: UInt32(text.utf8.count).bigEndian) { bytes += $0 }
            bytes += text.utf8
        }
        withUnsafeBytes(of: row.confirmed.bigEndian) { bytes += $0 }
        return bytes
    }
}
