// Theory of operation.
//
// Whether an account may be spoken to. After five exchanges in a row that came to nothing it is paused: nothing of it
// leaves but one probe at a time, and the first probe that is answered ends the pause (K32). Credentials that are not
// accepted pause it at once; then only new credentials bring a probe, because the old ones will not get better by being
// shown again.
//
// Only the probe is believed while an account is paused. Exchanges that were under way when it paused are answered from
// before, and whoever resumes on each of them pauses again with the next.

/// Why an account is not spoken to. Raw values are stored: append only.
package enum PauseReason: UInt8, Sendable, CaseIterable {
    /// It does not answer, or answers that it cannot.
    case unavailable = 1
    /// It does not accept the credentials, or there are none.
    case authentication = 2

    /// The word on the wire.
    package var name: String {
        switch self {
        case .unavailable: "unavailable"
        case .authentication: "authentication"
        }
    }
}

/// A pause as it is kept: a start finds the account paused, and asks once whether it still has to be.
package struct PauseRow: Equatable, Sendable {
    package var account: AccountKey
    package var reason: PauseReason
    /// Milliseconds since 1970.
    package var since: Int64
    /// Sessions that were told, and are to be told when it is over; in order.
    package var told: [Identifier]

    package init(account: AccountKey, reason: PauseReason, since: Int64, told: [Identifier]) {
        self.account = account
        self.reason = reason
        self.since = since
        self.told = told
    }
}

/// A pause as callers see it.
package struct AccountPause: Equatable, Sendable {
    package var reason: PauseReason
    /// Milliseconds since 1970, both.
    package var since: Int64
    /// When the provider is asked again; nil: when there are new credentials.
    package var until: Int64?
}

/// What an exchange says of its account.
enum ExchangeNews: Equatable, Sendable {
    /// Whatever it was: somebody is there.
    case answered
    case failed
    case unauthorized
    /// Somebody is there and asks to wait.
    case throttled(milliseconds: Int64)
}

extension Reply {
    var news: ExchangeNews {
        switch self {
        case .answered, .refusedTogether: .answered
        case .notSent, .unknown: .failed
        case .throttled(let milliseconds): .throttled(milliseconds: milliseconds)
        case .refused(let failure): failure.kind == .authentication ? .unauthorized : .answered
        }
    }
}

/// Judgement about one account. Times are nanoseconds of the monotonic clock unless said otherwise.
struct Breaker: Sendable {
    /// Failures in a row that pause an account.
    static let failureCeiling = 5

    /// What follows from an exchange.
    enum Verdict: Equatable, Sendable {
        case nothing
        /// It is paused from now on, or for another reason than before.
        case paused(PauseReason)
        case resumed(Pause)
    }

    struct Pause: Equatable, Sendable {
        var reason: PauseReason
        /// Milliseconds since 1970.
        var since: Int64
        /// Signed, because the pause may have begun before the clock did.
        var began: Int64
        /// Nil: nothing is asked before there are new credentials.
        var nextProbe: UInt64?
        /// The batch that asks.
        var probe: Int64?
        var told: Set<Identifier> = []
        /// When the first of the transfers that wait has waited for long enough; nil: none does.
        var giveUpAt: UInt64?
    }

    private(set) var failures = 0
    private(set) var pause: Pause?
    /// Counts the credentials that the account has had.
    private(set) var credentials = 0

    var isPaused: Bool { pause != nil }

    /// True when an exchange of a batch may leave.
    func admits(_ batch: Int64) -> Bool { pause.map { $0.probe == batch } ?? true }

    /// True when a batch may begin that is going to be the probe.
    func isProbeDue(at time: UInt64) -> Bool {
        guard let pause, pause.probe == nil, let next = pause.nextProbe else { return false }
        return next <= time
    }

    mutating func beginProbe(_ batch: Int64) { pause?.probe = batch }

    /// A batch is over. One that had nothing to ask was no probe: the next one is.
    mutating func ended(_ batch: Int64) {
        if pause?.probe == batch { pause?.probe = nil }
    }

    /// - Returns: false when it had been told before.
    mutating func tell(_ session: Identifier) -> Bool { pause?.told.insert(session).inserted ?? false }
    mutating func forget(_ session: Identifier) { pause?.told.remove(session) }
    mutating func giveUp(at time: UInt64?) { pause?.giveUpAt = time }

    // MARK: News

    /// - Parameters:
    ///   - shown: `credentials` when the exchange left.
    ///   - wait: nanoseconds between probes.
    mutating func note(_ news: ExchangeNews, of batch: Int64, shown: Int, wait: UInt64, at now: Moment) -> Verdict {
        guard var current = pause else { return noteRunning(news, shown: shown, wait: wait, at: now) }
        guard current.probe == batch else { return .nothing }
        current.probe = nil
        var verdict = Verdict.nothing
        switch news {
        case .throttled(let milliseconds) where current.reason == .authentication:
            // It says nothing about the credentials.
            current.nextProbe = now.monotonic + max(wait, UInt64(max(0, milliseconds)) * 1_000_000)
        case .answered, .throttled:
            (pause, failures) = (nil, 0)
            return .resumed(current)
        case .failed: current.nextProbe = now.monotonic + wait
        case .unauthorized:
            current.nextProbe = shown == credentials ? nil : now.monotonic
            if current.reason != .authentication { verdict = .paused(.authentication) }
            current.reason = .authentication
        }
        pause = current
        return verdict
    }

    private mutating func noteRunning(
        _ news: ExchangeNews, shown: Int, wait: UInt64, at now: Moment
    ) -> Verdict {
        switch news {
        case .answered, .throttled:
            failures = 0
            return .nothing
        case .failed:
            failures += 1
            guard failures >= Self.failureCeiling else { return .nothing }
            begin(.unavailable, nextProbe: now.monotonic + wait, at: now)
            return .paused(.unavailable)
        case .unauthorized:
            // Those that were shown have been replaced meanwhile.
            guard shown == credentials else { return .nothing }
            begin(.authentication, nextProbe: nil, at: now)
            return .paused(.authentication)
        }
    }

    private mutating func begin(_ reason: PauseReason, nextProbe: UInt64?, at now: Moment) {
        pause = Pause(
            reason: reason, since: now.wall, began: Int64(clamping: now.monotonic), nextProbe: nextProbe, probe: nil)
    }

    /// There are other credentials, or the same may have become good.
    mutating func credentialsGiven(at time: UInt64) {
        credentials += 1
        if pause != nil { pause?.nextProbe = time }
    }

    /// Found paused at a start: one probe finds out whether it still has to be.
    mutating func restore(_ row: PauseRow, at now: Moment) {
        let passed = max(0, now.wall - row.since)
        let nanoseconds = passed.multipliedReportingOverflow(by: 1_000_000)
        let began = nanoseconds.overflow ? Int64.min : Int64(clamping: now.monotonic) - nanoseconds.partialValue
        pause = Pause(
            reason: row.reason, since: row.since, began: began, nextProbe: now.monotonic, probe: nil,
            told: Set(row.told))
    }

    /// What is kept of it.
    func row(of account: AccountKey) -> PauseRow? {
        pause.map { PauseRow(account: account, reason: $0.reason, since: $0.since, told: $0.told.sorted()) }
    }

    /// As callers see it.
    func shown(at now: Moment) -> AccountPause? {
        pause.map { pause in
            let left = pause.nextProbe.map { Int64(clamping: ($0 - min($0, now.monotonic)) / 1_000_000) }
            return AccountPause(reason: pause.reason, since: pause.since, until: left.map { now.wall + $0 })
        }
    }

    /// How long a record of a transfer has been kept waiting by the pause, in nanoseconds.
    func waited(since accepted: Int64, at now: Moment) -> Int64 {
        guard let pause else { return 0 }
        let sincePause = Int64(clamping: now.monotonic) - pause.began
        // The transfer came later: then by the wall clock, which may have been set; never more than the pause itself.
        guard accepted > pause.since else { return max(0, sincePause) }
        let (own, isOver) = max(0, now.wall - accepted).multipliedReportingOverflow(by: 1_000_000)
        return max(0, min(sincePause, isOver ? .max : own))
    }
}
