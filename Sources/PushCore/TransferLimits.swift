import JSON

/// When a transfer goes so wrong that the rest of it is not sent (`abort_if`, K32).
package struct AbortRule: Equatable, Sendable {
    /// Below so many finished records a share says nothing.
    package static let percentFrom: Int32 = 100

    /// Refused top-level records.
    package var rejects: Int32?
    /// The share of them among the finished ones, in hundredths of a percent.
    package var hundredths: Int32?

    /// Nil when it says nothing.
    package init?(rejects: Int32?, hundredths: Int32?) {
        guard rejects != nil || hundredths != nil else { return nil }
        self.rejects = rejects
        self.hundredths = hundredths
    }

    /// Nil when `view` says nothing. Values are those of the contract.
    package init?(_ view: JSONView) {
        let percent = view["rejects_percent"]?.numberText.flatMap(Double.init)
        self.init(
            rejects: view["rejects"]?.integer.map { Int32(clamping: $0) },
            hundredths: percent.map { Int32(max(1, min(10_000, ($0 * 100).rounded()))) })
    }

    package func strikes(_ counts: TransferCounts) -> Bool {
        let refused = counts[.refused]
        if let rejects, refused >= rejects { return true }
        let finished = counts.finished
        guard let hundredths, refused > 0, finished >= Self.percentFrom else { return false }
        return Int64(refused) * 10_000 >= Int64(hundredths) * Int64(finished)
    }
}

extension TransferRow {
    /// Keeps with the transfer what it is to be ended by, so that a start knows it without its session.
    package mutating func keepLimits(of options: PushOptions) {
        life.retryWindow = options.retryWindow == PushOptions.standardRetryWindow ? nil : options.retryWindow
        life.abortIf = options.abortIf
    }

    /// Milliseconds that its records wait for an account that is paused.
    package var retryWindow: Int64 { life.retryWindow ?? PushOptions.standardRetryWindow }
}
