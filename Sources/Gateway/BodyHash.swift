import CSodium
import JSON

/// Hash of the params of a call (BLAKE2b, 32 bytes), in slices. Members are taken in the order of their names, so that
/// a client that orders them anew repeats the same call; white space does not count.
final class BodyHash {
    private var state = crypto_generichash_state()
    private var members: [(key: String, value: JSONView)]
    private var elements: JSONView.Elements?

    init(_ params: JSONView, without excluded: Set<String>) {
        crypto_generichash_init(&state, nil, 0, 32)
        members = params.members.map { ($0.key.string ?? "", $0.value) }
            .filter { !excluded.contains($0.key) }
            .sorted { $0.key > $1.key }
    }

    /// True when everything was hashed.
    func advance(until deadline: UInt64) -> Bool {
        while true {
            if elements != nil {
                var count = 0
                while let element = elements?.next() {
                    update(element.compactText + [UInt8(ascii: ",")])
                    count += 1
                    if count & 15 == 0 && Clock.monotonic() > deadline { return false }
                }
                elements = nil
            }
            guard let (key, value) = members.popLast() else { return true }
            update(Array(key.utf8) + [0])
            if value.kind == .array { elements = value.elements } else { update(value.compactText + [0]) }
        }
    }

    func finish() -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: 32)
        crypto_generichash_final(&state, &hash, 32)
        return hash
    }

    private func update(_ bytes: [UInt8]) { crypto_generichash_update(&state, bytes, UInt64(bytes.count)) }
}
