import PushCore

/// Executes exchanges with providers over HTTP: the sibling of `LocalExecutor` (K2). Used on the loop thread.
package final class HTTPExecutor {
    private struct Account {
        var origin: HTTPOrigin
        /// Goes before the exchange's path; without a slash at the end.
        var basePath: String
        var deadlines: HTTPDeadlines
    }

    private let pool: HTTPPool
    private var accounts: [AccountKey: Account] = [:]

    /// The executor closes the pool.
    package init(pool: HTTPPool) {
        self.pool = pool
    }

    /// Makes an account known, or changes where it is. False when `base` is no `https://host[:port][/path]`, or `http:`
    /// where the pool's policy allows it.
    package func open(account: AccountKey, base: String, deadlines: HTTPDeadlines = HTTPDeadlines()) -> Bool {
        guard let target = HTTPOrigin.target(base), !target.path.utf8.contains(UInt8(ascii: "?")) else { return false }
        var path = target.path
        while path.hasSuffix("/") { path.removeLast() }
        accounts[account] = Account(origin: target.origin, basePath: path, deadlines: deadlines)
        return true
    }

    /// Nothing more is asked of it; what is under way is still answered.
    package func forget(account: AccountKey) { accounts[account] = nil }

    /// Executes an exchange. `answer` is called once, on the loop thread, never before this returns. An account that is not
    /// open gives a failure before sending. The idempotency key is sent where the codec has put it.
    package func perform(_ exchange: Exchange, _ answer: @escaping (ExchangeOutcome) -> Void) {
        // An unknown account takes the pool's own way to refuse: no origin, no request.
        guard let account = accounts[exchange.account], exchange.path.hasPrefix("/") else {
            return pool.refuse("The account is not open, or the path is not from the base.") {
                answer($0.exchangeOutcome)
            }
        }
        let request = HTTPRequest(
            method: exchange.method, origin: account.origin, path: account.basePath + exchange.path,
            headers: exchange.headers, body: exchange.body, deadlines: account.deadlines)
        pool.perform(request) { answer($0.exchangeOutcome) }
    }

    /// Takes no more exchanges and breaks off those under way; each is answered, then `done` is called.
    package func close(_ done: @escaping () -> Void) { pool.close(done) }
}

extension HTTPOutcome {
    /// As the core sees it.
    package var exchangeOutcome: ExchangeOutcome {
        switch self {
        case .success(let answer): .answered(status: answer.status, headers: answer.headers, body: answer.body)
        case .failure(let failure): .failed(phase: failure.phase, reason: failure.reason)
        }
    }
}
