// Theory of operation.
//
// An account has one credential (K21): a value that a caller gave, sealed in the store, or the name of one that the
// operator defined at the start. Callers choose among the operator's names and can name nothing else: no file, no
// variable. Nothing here is shown again: `headers` is the only way out, to be called right before an exchange leaves.
//
// What was given counts from the moment at which it was handed over, before it is on disk: calls that follow on a
// connection see what those before them did. The caller hears of it when it is on disk.

import EventLoop
import JSONSchema
import PushCore

/// How a provider wants to be shown a secret.
struct CredentialForm: Equatable {
    /// In lower case.
    var header = "authorization"
    /// Before the secret.
    var prefix = "Bearer "

    static let bearer = CredentialForm()
}

/// What the accounts show to their providers.
final class Credentials {
    /// What an exchange of an account is to carry.
    enum Headers: Equatable {
        /// To be added last, and kept nowhere: no stored row, no log line, no text for callers.
        case ready([Exchange.Header])
        /// There is none: the exchange cannot leave. A sentence for callers.
        case missing(String)
        /// A file is being read; `withHeaders` calls back.
        case pending
    }

    /// What a call says about the credential of its account.
    enum Given {
        case nothing
        /// What the account has already.
        case same
        /// The account is to have this from now on; nil: none.
        case other(CredentialRow?)
        /// The operator defined no such name.
        case unknown(didYouMean: String?)
    }

    private enum Held: Equatable {
        case value(Secret)
        case named(String)
        /// It was sealed under another key.
        case unopened
    }

    private struct KnownFile {
        var result: Result<Secret, CredentialFileProblem>?
        /// When it was read, on the loop's clock.
        var readAt: UInt64 = 0
        var isBeingRead = false
        var waiting: [() -> Void] = []
    }

    /// Nanoseconds for which what a file said is taken as what it says.
    private static let fileAge: UInt64 = 1_000_000_000

    private let loop: Loop
    private let log: Log
    private let sealer: Sealer
    private let sources: [String: CredentialSource.Place]
    private var held: [AccountKey: Held] = [:]
    private var files: [String: KnownFile] = [:]
    private var reader: CredentialReader?
    /// When accounts were last asked whether the operator's credentials are accepted now, on the loop's clock.
    var lastAsked: UInt64 = 0

    /// - Parameter rows: of the store.
    /// - Throws: `LoopFailure` when the process is out of threads or descriptors.
    init(
        loop: Loop, log: Log, sealer: Sealer, sources: [CredentialSource], rows: [CredentialRow]
    ) throws(LoopFailure) {
        self.loop = loop
        self.log = log
        self.sealer = sealer
        self.sources = Dictionary(sources.map { ($0.name, $0.place) }) { $1 }
        for row in rows { take(row) }
        guard sources.contains(where: { if case .file = $0.place { true } else { false } }) else { return }
        reader = try CredentialReader(loop: loop) { [unowned self] report in didRead(report) }
    }

    private func take(_ row: CredentialRow) {
        if let name = row.name {
            held[row.account] = .named(name)
            if sources[name] == nil {
                log.warning("an account goes by a credential that is not defined", ("credential", name))
            }
        } else if let secret = sealer.open(row.sealed, Self.binding(row.account)).flatMap({ Secret($0) }) {
            held[row.account] = .value(secret)
        } else {
            held[row.account] = .unopened
            log.warning(
                "a sealed credential in the store does not open with this key: it has to be given again",
                ("provider", row.account.provider), ("account", row.account.name))
        }
    }

    /// So that a sealed value that is copied to another account does not open there.
    private static func binding(_ account: AccountKey) -> [UInt8] {
        Array(account.provider.utf8) + [0] + Array(account.name.utf8)
    }

    // MARK: Giving

    /// What `credentials` of a call would change. Its form was checked with the call's params.
    func given(_ view: GivenCredential?, for account: AccountKey, at time: Int64) -> Given {
        switch view {
        case nil: return .nothing
        case .removed: return held[account] == nil ? .same : .other(nil)
        case .named(let name):
            guard sources[name] != nil else {
                return .unknown(didYouMean: DidYouMean.nearest(name, among: sources.keys.sorted()))
            }
            guard held[account] != .named(name) else { return .same }
            return .other(CredentialRow(account: account, name: name, sealed: [], changed: time))
        case .value(let secret):
            guard held[account] != .value(secret) else { return .same }
            let sealed = secret.withBytes { sealer.seal($0, Self.binding(account)) }
            return .other(CredentialRow(account: account, name: nil, sealed: sealed, changed: time))
        }
    }

    /// The account has this from now on.
    func keep(_ row: CredentialRow) { take(row) }
    func remove(of account: AccountKey) { held[account] = nil }
    func has(_ account: AccountKey) -> Bool { held[account] != nil }
    /// They may change without a call.
    func isDefinedByOperator(_ account: AccountKey) -> Bool {
        if case .named = held[account] { true } else { false }
    }

    /// Why exchanges of an account cannot carry what its provider asks for; nil when they can, as far as is known without
    /// asking the provider or a file.
    func problem(of account: AccountKey) -> String? {
        switch held[account] {
        case .value: nil
        case .named(let name) where sources[name] != nil: nil
        case .named(let name): "The operator does not define the credential \"\(name)\" any more."
        case .unopened: "The credentials do not open with the gateway's key. Give them again."
        case nil: "No credentials were given."
        }
    }

    // MARK: Showing

    func headers(for account: AccountKey, form: CredentialForm = .bearer) -> Headers {
        guard let held = held[account] else { return .missing(problem(of: account) ?? "") }
        switch held {
        case .value(let secret): return .ready([Self.header(secret, form)])
        case .unopened: return .missing(problem(of: account) ?? "")
        case .named(let name):
            switch sources[name] {
            case .value(let secret): return .ready([Self.header(secret, form)])
            case .file(let path): return headers(name, path, form)
            case nil: return .missing(problem(of: account) ?? "")
            }
        }
    }

    /// The same, but waits for a file that has to be read; never `pending`. Calls back at once where nothing is read.
    func withHeaders(for account: AccountKey, form: CredentialForm = .bearer, _ done: @escaping (Headers) -> Void) {
        let found = headers(for: account, form: form)
        guard found == .pending, case .named(let name) = held[account], case .file(let path) = sources[name] else {
            return done(found)
        }
        files[path, default: KnownFile()].waiting.append { [unowned self] in
            // Its account may go by another one by now.
            withHeaders(for: account, form: form, done)
        }
    }

    private static func header(_ secret: Secret, _ form: CredentialForm) -> Exchange.Header {
        secret.withBytes { Exchange.Header(form.header, form.prefix + String(decoding: $0, as: UTF8.self)) }
    }

    // MARK: Files

    private func headers(_ name: String, _ path: String, _ form: CredentialForm) -> Headers {
        let known = files[path, default: KnownFile()]
        if let result = known.result, loop.now - known.readAt < Self.fileAge {
            switch result {
            case .success(let secret): return .ready([Self.header(secret, form)])
            case .failure:
                return .missing("The credential \"\(name)\" cannot be read now. The gateway's log says why.")
            }
        }
        if !known.isBeingRead {
            files[path, default: KnownFile()].isBeingRead = true
            reader?.read(path)
        }
        return .pending
    }

    private func didRead(_ report: CredentialReader.Report) {
        let before = files[report.path, default: KnownFile()]
        files[report.path] = KnownFile(result: report.result, readAt: loop.now)
        if case .failure(let problem) = report.result, before.result != report.result {
            log.warning("a credential cannot be read", ("reason", problem.text))
        }
        for waiting in before.waiting { waiting() }
    }

    /// A file that is being read is not waited for: a disk that hangs must not keep the process from ending.
    func close(_ done: @escaping () -> Void) {
        guard let reader, !files.values.contains(where: \.isBeingRead) else { return done() }
        reader.close(done)
    }
}
