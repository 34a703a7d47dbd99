import JSON
import JSONRPC
import PushCore

/// `credentials` of a call.
enum GivenCredential: Equatable {
    case value(Secret)
    case named(String)
    case removed

    /// What is wrong with `credentials` of a call beyond what the schema of the params says. No text shows a value.
    static func problems(_ view: JSONView?) -> [ParamProblem] {
        guard let view, !view.isNull else { return [] }
        let path = "/credentials"
        guard view.count == 1 else {
            return [ParamProblem(path: path, message: "must have one of `token` and `name`, and not both")]
        }
        if let name = view["name"]?.string, !CredentialSource.isValid(name: name) {
            return [
                ParamProblem(
                    path: path + "/name", message: "must be letters, digits, dots, hyphens and underscores, 64 at most")
            ]
        }
        if let token = view["token"]?.string, Secret(token.utf8) == nil {
            return [
                ParamProblem(
                    path: path + "/token",
                    message: "must be \(Secret.ceiling) visible ASCII characters at most, without blanks")
            ]
        }
        return []
    }

    /// Nil when the call says nothing. What it says was checked.
    init?(_ view: JSONView?) {
        guard let view else { return nil }
        if view.isNull {
            self = .removed
        } else if let name = view["name"]?.string {
            self = .named(name)
        } else if let secret = view["token"]?.string.flatMap({ Secret($0.utf8) }) {
            self = .value(secret)
        } else {
            return nil
        }
    }
}

extension Server {
    /// What a session lacks before anything can be pushed, by the names of the members of `initiateSession`; a sentence
    /// with it.
    func missing(_ session: Sessions.Session) -> (members: [String], text: String)? {
        guard session.plan.provider.needsCredentials,
            let problem = credentials.problem(of: session.row.account)
        else { return nil }
        return (["credentials"], problem)
    }

    /// Answers `session_not_configured` if the session lacks something; true then.
    func refuseUnconfigured(_ session: Sessions.Session, _ responder: Responder) -> Bool {
        guard let missing = missing(session) else { return false }
        responder.error(.sessionNotConfigured, "Session not yet configured. \(missing.text)") { writer in
            writer.key("missing")
            writer.value(.array(missing.members.map { .string($0) }))
        }
        return true
    }

    /// `configured`, and `missing` where it is false.
    func writeConfigured(_ session: Sessions.Session, into writer: inout JSONWriter) {
        let missing = missing(session)
        writer.key("configured")
        writer.bool(missing == nil)
        guard let missing else { return }
        writer.key("missing")
        writer.value(.array(missing.members.map { .string($0) }))
    }

    var wall: Int64 { loop.wallClockMilliseconds() }

    /// The account has this credential from now on; nil: none. Gives what is to be stored.
    func keep(_ row: CredentialRow?, of account: AccountKey) -> Change {
        guard let row else {
            credentials.remove(of: account)
            return .credentialRemoved(account)
        }
        credentials.keep(row)
        return .credential(row)
    }

    /// With its last session an account's credentials go.
    func credentialsRemoved(with account: AccountKey) -> [Change] {
        guard credentials.has(account), !sessions.byID.values.contains(where: { $0.row.account == account }) else {
            return []
        }
        credentials.remove(of: account)
        return [.credentialRemoved(account)]
    }
}

extension Responder {
    /// The name is not said again: it may be a secret that was put in the wrong place.
    func credentialUnknown(didYouMean meant: String?) {
        error(.credentialUnknown, "The operator has defined no credential of this name.") { writer in
            guard let meant else { return }
            writer.key("did_you_mean")
            writer.string(meant)
        }
    }
}
