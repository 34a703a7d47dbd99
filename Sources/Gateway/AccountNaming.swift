import JSON
import JSONRPC
import Providers
import PushCore

// Theory of operation.
//
// A session that is made without `account`, at a provider that names its accounts, is one of the account that its
// credentials lead to (K15). The provider is asked before anything is kept. Without credentials the session stands for an
// account that nobody knows yet, under a name of its own: it is not configured, so nothing is pushed, planned or
// remembered under that name, and with the first credentials it becomes a session of the account that they lead to.
// Later credentials have to lead to the same account: its memory of ids is of no use in another.

/// Finds out whose account it is, for one call.
final class AccountNaming {
    private let server: Server
    private let provider: HTTPProvider
    private let responder: Responder
    private var moment: Moment {
        Moment(wall: server.wall, monotonic: server.loop.now, chance: 0)
    }

    init(server: Server, provider: HTTPProvider, responder: Responder) {
        self.server = server
        self.provider = provider
        self.responder = responder
    }

    /// The provider that has to be asked when credentials come; nil where the caller named the account.
    static func provider(of session: Sessions.Session, _ server: Server) -> HTTPProvider? {
        guard let provider = server.catalogue.http[session.row.account.provider], provider.namesAccounts,
            let definition = try? JSONDocument(parsing: session.row.definition).root, definition["account"] == nil
        else { return nil }
        return provider
    }

    /// The account that a session is of after a call with these params; answers the error itself.
    ///
    /// - Parameter existing: the session as it is; nil: it is new.
    func find(_ params: JSONView, existing: Sessions.Session?, _ done: @escaping (AccountKey) -> Void) {
        let current =
            existing?.row.account
            ?? AccountKey(provider: provider.name, name: AccountKey.unnamed + server.newIdentifier().text)
        guard GivenCredential.problems(params["credentials"]).isEmpty,
            let given = GivenCredential(params["credentials"]), given != .removed
        else { return done(current) }
        switch server.credentials.given(given, for: current, at: server.wall) {
        case .nothing, .same: return done(current)
        case .unknown(let meant): return responder.credentialUnknown(didYouMean: meant)
        case .other: ask(given) { [self] name in found(name, current, existing, done) }
        }
    }

    private func found(
        _ name: String, _ current: AccountKey, _ existing: Sessions.Session?, _ done: (AccountKey) -> Void
    ) {
        guard current.isUnnamed || current.name == name else {
            return refuse(
                "lead to the account \(name), and the session is one of \(current.name). Make a session for each.")
        }
        if let existing, server.sessions.byID[existing.row.id] == nil { return responder.error(.sessionNotFound) }
        done(AccountKey(provider: provider.name, name: name))
    }

    private func refuse(_ text: String) {
        responder.invalid([ParamProblem(path: "/credentials", message: text)])
    }

    /// The credential is shown from an account of its own, which ends with the answer and is stored nowhere.
    private func ask(_ given: GivenCredential, _ done: @escaping (String) -> Void) {
        let account = AccountKey(provider: provider.name, name: AccountKey.unnamed + server.newIdentifier().text)
        guard case .other(let row?) = server.credentials.given(given, for: account, at: server.wall),
            let run = AccountRun(account, provider)
        else { return responder.error(.internal) }
        server.credentials.keep(row)
        RunCarrier(run, server.exchanges) { [self] in
            moment
        } answer: { [self] reply in
            server.credentials.remove(of: account)
            server.exchanges.forget(account)
            guard !responder.isAnswered else { return }
            switch reply {
            case nil: responder.error(.shuttingDown)
            case .answered(let name): done(name)
            case .refused(let failure), .refusedTogether(let failure):
                refuse("are refused by the provider: \(failure.text)")
            case .notSent(let reason), .unknown(let reason): fail(reason)
            case .throttled: fail("it asks to wait")
            }
        }.begin()
    }

    private func fail(_ reason: String) {
        let text =
            "The provider could not be asked whose account it is: \(reason). Call again, or name the `account` yourself."
        responder.error(.deadlineExceeded, text) { writer in
            writer.key("outcome")
            writer.plain("not_started")
        }
    }
}

extension AccountKey {
    /// Begins the name of an account that nobody knows yet. Callers cannot give such a name.
    static let unnamed = "?"

    var isUnnamed: Bool { name.hasPrefix(Self.unnamed) }
}
