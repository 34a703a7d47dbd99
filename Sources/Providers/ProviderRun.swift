import JSON
import PushCore

/// One request of the core on its way: it takes one exchange or several. Nothing is sent here: calls come out, how they
/// ended goes in, until there is a reply.
package protocol ProviderRun<Answer>: Sendable {
    associatedtype Answer: Sendable

    /// To be called once, first.
    mutating func begin() -> RunStep<Answer>

    /// - Parameter number: of the call that ended.
    mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<Answer>
}

/// What follows: calls to be made, in any order and at once, or the reply, after which nothing follows.
package struct RunStep<Answer: Sendable>: Sendable {
    package var calls: [ProviderCall] = []
    package var reply: Reply<Answer>?

    package init(calls: [ProviderCall] = [], reply: Reply<Answer>? = nil) {
        self.calls = calls
        self.reply = reply
    }
}

/// An exchange of a run.
package struct ProviderCall: Equatable, Sendable {
    /// Unique in its run.
    package var number: Int
    package var operation: Operation.Kind
    package var exchange: Exchange
    /// Milliseconds that have to pass before: the provider asked for it, of this account, when it refused the same call.
    package var wait: Int64 = 0
    /// What of the request it is about.
    package var about = ExchangeSubject.all
    /// Which try in its run it is, from 1.
    package var attempt: Int32 = 1
}

/// Calls of a run that are under way, each with what it is about.
struct CallBook<Subject: Sendable>: Sendable {
    /// Waits that are longer go back to the core, which can then let go of what was cancelled.
    static var longestWait: Int64 { 10_000 }

    private var open: [Int: (subject: Subject, call: ProviderCall)] = [:]
    private var last = 0

    var isEmpty: Bool { open.isEmpty }

    mutating func add(
        _ subject: Subject, _ operation: Operation.Kind, _ exchange: Exchange, about: ExchangeSubject
    ) -> ProviderCall {
        last += 1
        let call = ProviderCall(number: last, operation: operation, exchange: exchange, about: about)
        open[last] = (subject, call)
        return call
    }

    /// The same once more: it had no effect.
    mutating func repeated(_ subject: Subject, _ call: ProviderCall, after milliseconds: Int64) -> ProviderCall {
        var call = call
        last += 1
        call.number = last
        call.wait = milliseconds
        call.attempt += 1
        open[last] = (subject, call)
        return call
    }

    /// Nil for a number that is not under way.
    mutating func close(_ number: Int) -> (subject: Subject, call: ProviderCall)? { open.removeValue(forKey: number) }
}

/// Several replies that a request of many exchanges got become one: the one that says most about what has to follow.
struct Setback<Answer: Sendable>: Sendable {
    private(set) var reply: Reply<Answer>?

    mutating func note(_ other: Reply<Answer>) {
        if let reply, Self.weight(reply) >= Self.weight(other) { return }
        reply = other
    }

    private static func weight(_ reply: Reply<Answer>) -> Int {
        switch reply {
        case .answered: 0
        case .notSent: 1
        case .throttled: 2
        case .unknown: 3
        case .refused, .refusedTogether: 4
        }
    }
}

extension Operation.Kind {
    /// It has no effect, and may be repeated or left.
    package var isRead: Bool {
        switch self {
        case .read, .search, .linkRead, .account: true
        case .create, .update, .link: false
        }
    }
}

/// An answer in the gateway's own words, where the provider was not even asked.
package enum ProviderText {
    package static func message(_ text: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("message")
        writer.string(text)
        writer.endObject()
        return writer.bytes
    }
}
