// Theory of operation.
//
// Exchanges are noted down when they end, and the notes go to the store with the next commit that the gateway makes
// anyway: an exchange must not cost a flush. What a kill takes with it are the notes since the last commit; the budgets of
// the accounts make up for that at the next start (`RateBudget.reserve`). A stop in good order leaves none behind.

import Providers
import PushCore
import Store

/// Notes down the exchanges with providers.
final class ExchangeLog {
    private let store: DurableStore
    private let turn: Turn
    private let exchanges: Exchanges

    /// - Parameter exchanges: they will know what an earlier run has used of the budgets.
    init(store: DurableStore, turn: Turn, _ exchanges: Exchanges) {
        self.store = store
        self.turn = turn
        self.exchanges = exchanges
        // A store without a transfer has no earlier run that counts.
        guard store.state.lastTransfer > 0 else { return }
        exchanges.recall = { [unowned self] in counts(of: $0, since: $1, $2) }
    }

    /// - Parameter matter: whom it was for; asked only now.
    func note(_ ended: EndedCall, _ matter: ExchangeMatter) {
        let (call, account) = (ended.call, ended.call.exchange.account)
        let provider = exchanges.provider(of: account)
        let summary = ExchangeSummary(
            ended.outcome, call, resource: matter.resource, provider, isDoubted: ended.isDoubted, at: ended.ended)
        let duration = ended.ended.monotonic - min(ended.left.monotonic, ended.ended.monotonic)
        let isWrite = !call.operation.isRead
        turn.note(
            ExchangeRow(
                account: account, ended: ended.ended.wall, duration: Int64(duration / 1_000_000),
                operation: provider == nil && call.operation == .create ? "write" : call.operation.rawValue,
                resource: matter.resource, method: call.exchange.method,
                path: provider?.loggedPath(of: call, resource: matter.resource) ?? call.exchange.path,
                attempt: matter.attempt + call.attempt - 1, intent: isWrite ? matter.intent : 0,
                places: matter.places(of: call.about), status: summary.status, phase: summary.phase,
                reason: summary.reason, meaning: summary.meaning))
    }

    /// How many exchanges of an account the log has, of those that ended at or after a time of the wall clock.
    func counts(of account: AccountKey, since: Int64, _ done: @escaping ([ExchangeCount]) -> Void) {
        var counts: [ExchangeCount] = []
        func read(_ after: Int64) {
            store.read(.exchangeCounts(account, since: since, after: after)) { answer in
                guard case .exchangeCounts(let more, let through, let isLast) = answer else { return done(counts) }
                counts += more
                if isLast { done(counts) } else { read(through) }
            }
        }
        read(0)
    }

    /// Exchanges that were for a record: the newest `limit` of them, oldest first, and how many there were in all.
    func exchanges(
        of place: RecordPlace, _ account: AccountKey, since: Int64, until: Int64, limit: Int,
        _ done: @escaping ([ExchangeRow], Int) -> Void
    ) {
        var rows: [ExchangeRow] = []
        var total = 0
        func read(_ after: Int64) {
            store.read(.exchanges(place, account, since: since, until: until, after: after)) { answer in
                guard case .exchanges(let more, let through, let isLast) = answer else { return done(rows, total) }
                total += more.count
                rows = Array((rows + more).suffix(limit))
                if isLast { done(rows, total) } else { read(through) }
            }
        }
        read(0)
    }
}
