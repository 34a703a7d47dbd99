import PushCore

// What the exchange log says of an exchange: in words of the gateway, and never with a word of the provider's, which may
// hold values of records.

/// How an exchange is told in the log.
package struct ExchangeSummary: Equatable, Sendable {
    package var meaning: ExchangeRow.Meaning
    package var status: Int?
    package var phase: ExchangeOutcome.Phase?
    package var reason = ""

    /// - Parameters:
    ///   - provider: nil for the embedded one.
    ///   - isDoubted: the run has taken the answer for none.
    package init(
        _ outcome: ExchangeOutcome, _ call: ProviderCall, resource: String, _ provider: HTTPProvider?,
        isDoubted: Bool, at moment: Moment
    ) {
        switch outcome {
        case .failed(let phase, let reason):
            self.phase = phase
            self.reason = reason
            meaning = phase.isBeforeSending ? .notSent : .unknown
        case .answered(let status, _, _):
            self.status = status
            guard let provider, let operation = provider.resources[resource]?.operations[call.operation] else {
                meaning = Self.meaning(of: status)
                break
            }
            switch provider.verdict(outcome, of: operation, at: moment) {
            case .accepted, .done, .missing: meaning = .answered
            case .throttled: meaning = .throttled
            case .notSent: meaning = .notSent
            case .unknown(let reason): (meaning, self.reason) = (.unknown, reason)
            case .badContent, .refused: meaning = .refused
            }
        }
        if isDoubted && meaning == .answered {
            (meaning, reason) = (.unknown, "the answer does not say what it should")
        }
    }

    /// At the embedded provider.
    private static func meaning(of status: Int) -> ExchangeRow.Meaning {
        switch status {
        case 200, 207: .answered
        case 429: .throttled
        case 400..<500: .refused
        default: .unknown
        }
    }
}

extension HTTPProvider {
    /// The path of an operation without values of records: only which resources it is about. As it was sent where nothing
    /// is known of it.
    package func loggedPath(of call: ProviderCall, resource name: String) -> String {
        guard let resource = resources[name], let operation = resource.operations[call.operation] else { return "" }
        return operation.path.shown(keeping: call.exchange.path, resource: name)
    }

    /// The longest window that is counted, milliseconds.
    package var longestWindow: Int64 { budgets.map(\.window).max() ?? 0 }
}

extension PathTemplate {
    /// What was sent, with the names of its places where values stood, but for the resource and what it is linked to.
    func shown(keeping path: String, resource: String) -> String {
        guard names.contains(where: { $0 != "resource" && $0 != "to" }) else { return Self.withoutQuery(path) }
        var values = ["resource": resource]
        for name in names where name != "resource" { values[name] = "{\(name)}" }
        return Self.withoutQuery(plain(values))
    }

    private static func withoutQuery(_ path: String) -> String {
        String(path.prefix { $0 != "?" })
    }
}
