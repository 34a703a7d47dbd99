import JSON
import PushCore

/// Asks a provider who the account is that a credential leads to.
package struct AccountRun: ProviderRun {
    private let provider: HTTPProvider
    private let operation: Operation
    private let account: AccountKey
    private var calls = CallBook<Int>()

    /// Nil when the provider does not name its accounts.
    ///
    /// - Parameter account: that whose credential is shown.
    package init?(_ account: AccountKey, _ provider: HTTPProvider) {
        guard let operation = provider.accountQuestion else { return nil }
        self.provider = provider
        self.operation = operation
        self.account = account
    }

    package mutating func begin() -> RunStep<String> {
        RunStep(calls: [calls.add(0, .account, operation.exchange(account), about: .all)])
    }

    package mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<String> {
        guard let (_, call) = calls.close(number) else { return RunStep() }
        switch provider.verdict(outcome, of: operation, at: moment) {
        case .accepted(let root):
            let record = operation.records(in: root)?.first ?? root
            guard let name = record.at(operation.id)?.idText, name.utf8.count <= 255, !name.hasPrefix("?") else {
                return RunStep(reply: .unknown("it does not say who the account is"))
            }
            return RunStep(reply: .answered(name))
        case .throttled(let milliseconds) where milliseconds <= CallBook<Int>.longestWait:
            return RunStep(calls: [calls.repeated(0, call, after: milliseconds)])
        case .throttled(let milliseconds): return RunStep(reply: .throttled(milliseconds: milliseconds))
        case .notSent(let reason): return RunStep(reply: .notSent(reason))
        case .unknown(let reason): return RunStep(reply: .unknown(reason))
        case .badContent(let failure), .refused(let failure): return RunStep(reply: .refused(failure))
        case .missing(let text): return RunStep(reply: .unknown(text))
        case .done: return RunStep(reply: .unknown("it does not say who the account is"))
        }
    }
}

extension HTTPProvider {
    /// It says itself whose account a credential leads to.
    package var namesAccounts: Bool { accountQuestion != nil }
}
