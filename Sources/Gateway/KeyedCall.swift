import JSON
import JSONRPC
import PushCore
import Store

/// A key that was given with a call that makes a transfer (K22).
struct PendingKey: Hashable {
    var session: Identifier
    var key: String
}

// Theory of operation.
//
// A key belongs to the first call that brings it, from the moment its body was hashed until it is refused or its transfer
// is on disk. Whoever brings the same key meanwhile waits, and then sees in the store what the first one made of it: a
// transfer with the same body is answered again, one with another body is a conflict, and if there is none the next one
// takes the key.

/// The way of one call past its idempotency key.
final class KeyedCall {
    static let ceiling = 255

    private let server: Server
    private let params: JSONView
    private let responder: Responder
    let key: PendingKey?
    private var holdsKey = false
    /// Hash of the params (K22); empty without a key, and before `begin` has called back.
    private(set) var hash: [UInt8] = []

    init(_ server: Server, _ params: JSONView, session: Identifier, _ responder: Responder) {
        self.server = server
        self.params = params
        self.responder = responder
        key = params["idempotency_key"]?.string.map { PendingKey(session: session, key: $0) }
    }

    /// What is wrong with the key of a call; nil: nothing.
    static func problem(_ params: JSONView) -> ParamProblem? {
        guard let key = params["idempotency_key"], key.stringBytes > ceiling else { return nil }
        return ParamProblem(path: "/idempotency_key", message: "must have at most \(ceiling) bytes of UTF-8")
    }

    /// Calls back once, unless the key was used for something else, which is answered here.
    ///
    /// - Parameters:
    ///   - stepAside: the call waits for another, or makes nothing; may come more than once.
    ///   - found: the transfer that was made with this key.
    ///   - new: nobody has the key, or there is none.
    func begin(
        stepAside: @escaping () -> Void, found: @escaping (TransferRow) -> Void, new: @escaping () -> Void
    ) {
        guard let key else { return new() }
        let hasher = BodyHash(params, without: ["idempotency_key", "progress_token", "synchronous"])
        let look: () -> Void = { [self] in self.compare(key, stepAside, found, new) }
        server.slices.addUnlessDone { [self] deadline in
            guard hasher.advance(until: deadline) else { return false }
            hash = hasher.finish()
            if server.pendingKeys[key] != nil {
                // The same key is being committed: whoever comes second sees what the first one made of it.
                stepAside()
                server.pendingKeys[key]?.append(look)
            } else {
                take(key)
                look()
            }
            return true
        }
    }

    private func take(_ key: PendingKey) {
        server.pendingKeys[key] = []
        holdsKey = true
    }

    private func compare(
        _ key: PendingKey, _ stepAside: @escaping () -> Void, _ found: @escaping (TransferRow) -> Void,
        _ new: @escaping () -> Void
    ) {
        server.store.read(.transferByKey(session: key.session, idempotencyKey: key.key)) { [self] answer in
            guard case .transfer(let row) = answer, let row else {
                // Whoever waited behind a call that was refused takes its place; the others wait behind it.
                if !holdsKey && server.pendingKeys[key] != nil {
                    server.pendingKeys[key]?.append { [self] in compare(key, stepAside, found, new) }
                    return
                }
                if !holdsKey { take(key) }
                return new()
            }
            release()
            stepAside()
            guard row.bodyHash == hash else {
                return responder.error(.idempotencyConflict) { writer in
                    writer.key("transfer_id")
                    writer.string(row.id.text)
                }
            }
            found(row)
        }
    }

    /// The call was refused, or its transfer is on disk.
    func release() {
        guard holdsKey, let key, let waiting = server.pendingKeys.removeValue(forKey: key) else { return }
        holdsKey = false
        for next in waiting { next() }
    }
}
