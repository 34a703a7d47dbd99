import Providers
import PushCore

/// Carries one request of the core from its first exchange to its reply.
final class RunCarrier<Answer: Sendable> {
    private var run: any ProviderRun<Answer>
    private let exchanges: Exchanges
    private let moment: () -> Moment
    /// Nil: the gateway stops, and the request was let go.
    private var answer: ((Reply<Answer>?) -> Void)?

    init(
        _ run: any ProviderRun<Answer>, _ exchanges: Exchanges, moment: @escaping () -> Moment,
        answer: @escaping (Reply<Answer>?) -> Void
    ) {
        self.run = run
        self.exchanges = exchanges
        self.moment = moment
        self.answer = answer
    }

    func begin() { follow(run.begin()) }

    private func follow(_ step: RunStep<Answer>) {
        for call in step.calls {
            exchanges.perform(call) { [self] outcome in
                guard answer != nil else { return }
                follow(run.take(outcome, of: call.number, at: moment()))
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
