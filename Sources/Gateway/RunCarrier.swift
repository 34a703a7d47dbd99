import Providers
import PushCore

/// Carries one request of the core from its first exchange to its reply.
final class RunCarrier<Answer: Sendable> {
    private var run: any ProviderRun<Answer>
    private let exchanges: Exchanges
    private let moment: () -> Moment
    private let note: (EndedCall) -> Void
    /// Nil: the gateway stops, and the request was let go.
    private var answer: ((Reply<Answer>?) -> Void)?

    init(
        _ run: any ProviderRun<Answer>, _ exchanges: Exchanges, moment: @escaping () -> Moment,
        note: @escaping (EndedCall) -> Void = { _ in }, answer: @escaping (Reply<Answer>?) -> Void
    ) {
        self.run = run
        self.exchanges = exchanges
        self.moment = moment
        self.note = note
        self.answer = answer
    }

    func begin() { follow(run.begin()) }

    private func follow(_ step: RunStep<Answer>) {
        for call in step.calls {
            var left = moment()
            exchanges.perform(call) { [self] in
                left = moment()
            } answer: { [self] outcome in
                let now = moment()
                // Of a request that was let go the exchange counts all the same.
                let step = answer == nil ? RunStep() : run.take(outcome, of: call.number, at: now)
                note(EndedCall(call: call, outcome: outcome, left: left, ended: now, isDoubted: step.isDoubted))
                follow(step)
            } drop: { [self] in
                end(nil)
            }
        }
        if let reply = step.reply { end(reply) }
    }

    private func end(_ reply: Reply<Answer>?) {
        let answer = answer
        self.answer = nil
        answer?(reply)
    }
}

/// A call of a run that has ended.
struct EndedCall {
    var call: ProviderCall
    var outcome: ExchangeOutcome
    /// When its exchange left; that it waited for room before does not count.
    var left: Moment
    var ended: Moment
    /// The run ends with it, and in doubt.
    var isDoubted: Bool
}

extension RunStep {
    fileprivate var isDoubted: Bool {
        if case .unknown = reply { true } else { false }
    }
}
