import CSodium
import JSON

/// Hash of the params of a call (BLAKE2b, 32 bytes), in slices. Members are taken in the order of their names, so that
/// a client that orders them anew repeats the same call; white space does not count.
final class BodyHash {
    /// libsodium's state: opaque, and aligned to 64 bytes.
    private let state = UnsafeMutableRawPointer.allocate(byteCount: crypto_generichash_statebytes(), alignment: 64)
    private var members: [(key: String, value: JSONView)]
    private var elements: JSONView.Elements?

    init(_ params: JSONView, without excluded: Set<String>) {
        members = params.members.map { ($0.key.string ?? "", $0.value) }
            .filter { !excluded.contains($0.key) }
            .sorted { $0.key > $1.key }
        crypto_generichash_init(OpaquePointer(state), nil, 0, 32)
    }

    deinit { state.deallocate() }

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
                update([0])
            }
            guard let (key, value) = members.popLast() else { return true }
            update(Array(key.utf8) + [0])
            if value.kind == .array { elements = value.elements } else { update(value.compactText + [0]) }
        }
    }

    func finish() -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: 32)
        crypto_generichash_final(OpaquePointer(state), &hash, 32)
        return hash
    }

    private func update(_ bytes: [UInt8]) {
        crypto_generichash_update(OpaquePointer(state), bytes, UInt64(bytes.count))
    }
}
