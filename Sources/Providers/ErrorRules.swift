import JSON
import PushCore

/// What statuses mean. The first rule that fits is taken.
struct ErrorRules: Equatable, Sendable {
    enum Meaning: String, Sendable, CaseIterable {
        /// It had no effect; the same may be asked again after a while.
        case throttled
        /// It may have had an effect.
        case unknown
        /// Something in it is bad; what, is not said.
        case content
        /// The request as such is refused, whatever is in it.
        case request
        case authentication
        /// The one record that it is about is not there. Never by itself: a path that is wrong answers in the same way.
        case missing
    }

    enum Wait: Equatable, Sendable {
        /// Seconds in a header, or a time when there is none.
        case header(String, standard: Int64)
        case milliseconds(Int64)
        /// Until the day is over (UTC), but at most so many milliseconds: the vendor's day may end earlier.
        case midnight(atMost: Int64)
    }

    struct Rule: Equatable, Sendable {
        var statuses: [Int]
        /// Values that the answer must have.
        var conditions: [Condition] = []
        var meaning: Meaning
        var wait: Wait?
    }

    struct Condition: Equatable, Sendable {
        var way: ValueWay
        var value: String
    }

    var rules: [Rule] = []
    /// Where an answer says in words what is wrong.
    var message = ValueWay("message")

    /// Milliseconds that a throttled request waits when nothing is said.
    static let usualWait: Int64 = 1_000
    static let longestWait: Int64 = 3_600_000
    /// Characters of a provider's message that are passed on.
    private static let messageCeiling = 500

    func meaning(
        of status: Int, _ body: JSONView?, _ headers: [Exchange.Header], at moment: Moment
    ) -> (Meaning, milliseconds: Int64) {
        for rule in rules where rule.statuses.contains(status) {
            let fits = rule.conditions.allSatisfy { body?.at($0.way)?.string == $0.value }
            if fits { return (rule.meaning, Self.wait(rule.wait, headers, moment)) }
        }
        switch status {
        case 429: return (.throttled, Self.wait(.header("retry-after", standard: Self.usualWait), headers, moment))
        case 401, 403: return (.authentication, 0)
        case 400, 409, 413, 422: return (.content, 0)
        case 400..<500: return (.request, 0)
        default: return (.unknown, 0)
        }
    }

    private static func wait(_ wait: Wait?, _ headers: [Exchange.Header], _ moment: Moment) -> Int64 {
        let milliseconds: Int64
        switch wait {
        case nil: milliseconds = usualWait
        case .milliseconds(let given): milliseconds = given
        case .header(let name, let standard):
            let given = headers.first { $0.name == name }.flatMap { Int64($0.value) }
            milliseconds = given.map { min(max($0, 0), longestWait / 1_000) * 1_000 } ?? standard
        case .midnight(let most):
            let day: Int64 = 86_400_000
            milliseconds = min(day - moment.wall % day, most)
        }
        return min(max(milliseconds, 0), longestWait)
    }

    /// What the provider says in words.
    func text(of body: JSONView?, status: Int) -> String {
        guard let text = body?.at(message)?.string, !text.isEmpty else { return "status \(status)" }
        return Self.shortened(text)
    }

    static func shortened(_ text: String) -> String {
        text.unicodeScalars.count > messageCeiling ? String(text.prefix(messageCeiling)) + "…" : text
    }
}

/// How an exchange ended, as far as that can be told without knowing what was asked.
enum Verdict: Sendable {
    /// An answer to be read for results.
    case accepted(JSONView)
    case throttled(milliseconds: Int64)
    case notSent(String)
    case unknown(String)
    /// Something in it is bad.
    case badContent(Failure)
    case refused(Failure)
    /// The one record that it is about is not there; what the provider says of it.
    case missing(String)
    /// All was done, by the status alone.
    case done
}

extension HTTPProvider {
    func verdict(_ outcome: ExchangeOutcome, of operation: Operation, at moment: Moment) -> Verdict {
        switch outcome {
        case .failed(let phase, let reason): return phase.isBeforeSending ? .notSent(reason) : .unknown(reason)
        case .answered(let status, let headers, let body):
            if operation.done.contains(status) { return .done }
            let root = try? JSONDocument(parsing: body).root
            if operation.accepted.contains(status) {
                guard let root else { return .unknown("an answer that cannot be read") }
                return .accepted(root)
            }
            let (meaning, milliseconds) = errors.meaning(of: status, root, headers, at: moment)
            let text = errors.text(of: root, status: status)
            switch meaning {
            case .throttled: return .throttled(milliseconds: milliseconds)
            case .unknown: return .unknown("status \(status)")
            case .content: return .badContent(Failure(.upstream, .refusedUpstream, text))
            case .missing: return .missing(text)
            case .request: return .refused(Failure(.upstream, .refusedUpstream, text))
            case .authentication: return .refused(Failure(.authentication, .unauthorizedUpstream, text))
            }
        }
    }
}
