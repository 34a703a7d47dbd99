import EventLoop
import HTTPClient
import LocalProvider
import Providers
import PushCore

// Theory of operation.
//
// Exchanges of an account over HTTP stand in one line and leave as the account's budget has room. One that has to wait
// lets those pass that other rates count: a search that has used up its second does not hold up a write. libcurl is begun
// with the first account that needs it. The credential is added when an exchange leaves, after all waiting, and is kept in
// nothing that outlives the call.

/// Carries exchanges to the embedded provider and to those over HTTP.
final class Exchanges {
    private struct Waiting {
        var call: ProviderCall
        var leaving: () -> Void
        var answer: (ExchangeOutcome) -> Void
        var drop: () -> Void
    }

    private final class Account {
        let provider: HTTPProvider
        var budget: RateBudget
        var waiting: [Waiting] = []
        /// What an earlier run has used of the budget is being read: nothing leaves before.
        var isRecalling = true
        let timer: Timer

        init(_ provider: HTTPProvider, _ loop: Loop) {
            self.provider = provider
            budget = RateBudget(provider.budgets, concurrency: provider.concurrency)
            timer = Timer(loop: loop)
            timer.keepsLoopAlive = false
        }
    }

    private let loop: Loop
    private let local: LocalExecutor
    private let credentials: Credentials
    private let catalogue: Catalogue
    private let origins: ProviderOrigins
    private let log: Log
    private var http: HTTPExecutor?
    private var accounts: [AccountKey: Account] = [:]
    /// Since the start.
    private(set) var count = 0
    /// Of an earlier run: which exchanges of an account have ended, at or after a time of the wall clock. Nil: there was
    /// none.
    var recall: ((AccountKey, Int64, @escaping ([ExchangeCount]) -> Void) -> Void)?
    private let started: Int64

    init(
        loop: Loop, local: LocalExecutor, credentials: Credentials, catalogue: Catalogue, origins: ProviderOrigins,
        log: Log
    ) {
        self.loop = loop
        self.local = local
        self.credentials = credentials
        self.catalogue = catalogue
        self.origins = origins
        self.log = log
        started = Int64(loop.now / 1_000_000)
    }

    func provider(of account: AccountKey) -> HTTPProvider? { catalogue.http[account.provider] }

    func prices(of account: AccountKey) -> any ExchangePrices { provider(of: account) ?? OneExchangeEach() }

    /// - Parameters:
    ///   - leaving: called when the exchange leaves.
    ///   - answer: called once, later, unless the call is dropped.
    ///   - drop: called instead when the call has not left when the gateway stops.
    func perform(
        _ call: ProviderCall, leaving: @escaping () -> Void = {}, answer: @escaping (ExchangeOutcome) -> Void,
        drop: @escaping () -> Void
    ) {
        let key = call.exchange.account
        guard let provider = provider(of: key) else {
            leaving()
            return performLocally(call.exchange, answer)
        }
        let account = accounts[key] ?? open(key, provider)
        if call.wait > 0 { account.budget.pause(call.operation, until: now + call.wait) }
        account.waiting.append(Waiting(call: call, leaving: leaving, answer: answer, drop: drop))
        begin(key, account)
    }

    /// Nothing more is asked of it.
    func forget(_ key: AccountKey) {
        accounts.removeValue(forKey: key)?.timer.close()
        http?.forget(account: key)
    }

    private func performLocally(_ exchange: Exchange, _ answer: @escaping (ExchangeOutcome) -> Void) {
        count += 1
        credentials.withHeaders(for: exchange.account) { [self] headers in
            var exchange = exchange
            // The embedded provider asks for credentials only where its settings say so, and then says itself that they
            // are missing.
            if case .ready(let shown) = headers { exchange.headers += shown }
            local.perform(exchange, answer)
        }
    }

    private var now: Int64 { Int64(loop.now / 1_000_000) }

    // MARK: Over HTTP

    /// Takes an account up, with what an earlier run has used of its budget.
    private func open(_ key: AccountKey, _ provider: HTTPProvider) -> Account {
        let account = Account(provider, loop)
        accounts[key] = account
        guard let recall else {
            account.isRecalling = false
            return account
        }
        let wall = loop.wallClockMilliseconds()
        recall(key, wall - provider.longestWindow) { [self] counts in
            guard accounts[key] === account else { return }
            for count in counts {
                guard let kind = Operation.Kind(rawValue: count.operation) else { continue }
                // The clock may have been set back meanwhile.
                account.budget.recall(kind, ended: min(now, now - (wall - count.ended)), count: count.count)
            }
            account.budget.reserve(until: started)
            account.isRecalling = false
            begin(key, account)
        }
        return account
    }

    /// Begins what there is room for.
    private func begin(_ key: AccountKey, _ account: Account) {
        guard !account.isRecalling else { return }
        var next: Int64?
        var place = 0
        while place < account.waiting.count {
            let kind = account.waiting[place].call.operation
            switch account.budget.room(for: kind, at: now) {
            case .now:
                let waiting = account.waiting.remove(at: place)
                account.budget.begin(kind)
                leave(waiting, key, account)
            case .at(let time):
                next = min(next ?? time, time)
                place += 1
            case .later: place += 1
            }
        }
        guard let next else { return account.timer.stop() }
        account.timer.start(after: UInt64(max(1, next - now)) * 1_000_000) { [self] in begin(key, account) }
    }

    private func leave(_ waiting: Waiting, _ key: AccountKey, _ account: Account) {
        count += 1
        waiting.leaving()
        let form = CredentialForm(account.provider.authorization)
        let answer: (ExchangeOutcome) -> Void = { [self] outcome in
            account.budget.end(waiting.call.operation, at: now)
            begin(key, account)
            waiting.answer(outcome)
        }
        credentials.withHeaders(for: key, form: form) { [self] headers in
            guard case .ready(let shown) = headers else { return loop.soon { answer(Self.missing(headers)) } }
            guard let http = executor(for: key, account.provider) else {
                return loop.soon { answer(.failed(phase: .connect, reason: "The HTTP client cannot be made.")) }
            }
            var exchange = waiting.call.exchange
            exchange.headers += shown
            http.perform(exchange, answer)
        }
    }

    /// What the provider would say.
    private static func missing(_ headers: Credentials.Headers) -> ExchangeOutcome {
        var text = "No credentials."
        if case .missing(let why) = headers { text = why }
        return .answered(status: 401, headers: [], body: ProviderText.message(text))
    }

    private func executor(for key: AccountKey, _ provider: HTTPProvider) -> HTTPExecutor? {
        if http == nil {
            do {
                http = HTTPExecutor(pool: try HTTPPool(loop: loop, policy: origins.policy))
            } catch {
                log.error("the HTTP client cannot be made", ("reason", "\(error)"))
            }
        }
        guard let http,
            http.open(account: key, base: origins.base(of: provider), deadlines: HTTPDeadlines(provider.deadlines))
        else { return nil }
        return http
    }

    // MARK: The end

    /// Lets go of reads that have not left: they have no effect, and nobody will act on their answers.
    func dropReads() {
        for key in accounts.keys.sorted() {
            guard let account = accounts[key] else { continue }
            let reads = account.waiting.filter { $0.call.operation.isRead }
            account.waiting.removeAll { $0.call.operation.isRead }
            for read in reads { read.drop() }
        }
    }

    func close(_ done: @escaping () -> Void) {
        for account in accounts.values { account.timer.close() }
        accounts = [:]
        guard let http else { return done() }
        self.http = nil
        http.close(done)
    }
}

/// Where providers over HTTP are: as their manifests say, unless the operator says otherwise. A caller has no say.
package struct ProviderOrigins: Equatable, Sendable {
    /// By the name of the provider.
    package var bases: [String: String] = [:]
    /// Addresses that are not public, and may be connected to.
    package var allowed: [AddressRange] = []
    /// A file of further certificates that vouch for providers.
    package var certificateFile: String?

    package init() {}

    /// Takes `NAME=URL`, such as `hubspot=http://127.0.0.1:8080`. False when it is none.
    package mutating func take(origin text: String) -> Bool {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, let target = HTTPOrigin.target(parts[1]), !target.path.contains("?") else {
            return false
        }
        bases[parts[0]] = parts[1]
        return true
    }

    /// Takes an address or a range such as `10.0.0.0/8`. False when it is none.
    package mutating func take(allowed text: String) -> Bool {
        guard let range = AddressRange(text) else { return false }
        allowed.append(range)
        return true
    }

    func base(of provider: HTTPProvider) -> String { bases[provider.name] ?? provider.base }

    /// Without TLS go only requests to an origin that the operator named with `http:`.
    var policy: PoolPolicy {
        var policy = PoolPolicy(filter: AddressFilter(allowed: allowed))
        policy.plainOrigins = Set(bases.values.compactMap { HTTPOrigin.target($0)?.origin }.filter { !$0.isSecure })
        policy.certificateFile = certificateFile
        return policy
    }
}

extension HTTPDeadlines {
    init(_ deadlines: HTTPProvider.Deadlines) {
        func nanoseconds(_ milliseconds: Int64) -> UInt64 { UInt64(milliseconds) * 1_000_000 }
        self.init(
            connect: nanoseconds(deadlines.connect), firstByte: nanoseconds(deadlines.firstByte),
            total: nanoseconds(deadlines.total))
    }
}

extension CredentialForm {
    init(_ authorization: HTTPProvider.Authorization) {
        header = authorization.header.lowercased()
        prefix = authorization.scheme.isEmpty ? "" : authorization.scheme + " "
    }
}
