// Theory of operation.
//
// What makes an account behave badly, in the order asked for, so that a bad day can be rehearsed. Each exchange passes
// the list from the top: an entry that does not concern it, or that has been used up, is passed by; one that still has
// to skip counts it and is passed by; the first that is left strikes. How often an entry has struck is kept in memory
// only: it begins anew when the settings change and when the process starts.

/// One thing that goes wrong, and when.
package struct LocalFault: Equatable, Sendable {
    /// What goes wrong. Each is what a caller far away would see of it, and what has then really happened.
    package enum Kind: String, Sendable, CaseIterable {
        /// Nobody listens: failed in phase `connect`. Nothing happened.
        case refuseConnection = "refuse_connection"
        /// The request is lost on its way: failed in phase `receive`. Nothing happened.
        case loseRequest = "lose_request"
        /// The answer is lost on its way: failed in phase `receive`. All of it happened.
        case loseAnswer = "lose_answer"
        /// 503. Nothing happened.
        case unavailable
        /// 429 with `Retry-After`. Nothing happened.
        case throttle
        /// 200 with a body that cannot be read. All of it happened.
        case badAnswer = "bad_answer"
        /// The caller gives up waiting: failed in phase `receive`. All of it happens `LocalFault.lateness` later.
        case lateAnswer = "late_answer"
        /// The first input of a write is answered with VALIDATION; the others happened.
        case refuseRecord = "refuse_record"
        /// 401. Nothing happened.
        case unauthorized

        /// True when it can only befall a write.
        package var needsWrite: Bool { self == .refuseRecord || self == .lateAnswer }
    }

    /// Milliseconds after which a write whose caller has given up is done (`Kind.lateAnswer`).
    package static let lateness: Int64 = 200

    package enum Operation: String, Sendable, CaseIterable {
        case read, write
    }

    package var kind: Kind
    /// Nil: any.
    package var resource: String?
    /// Nil: both.
    package var operation: Operation?
    /// Exchanges that it concerns and lets pass before it strikes.
    package var skip: Int
    /// How often it strikes.
    package var times: Int

    package init(
        _ kind: Kind, resource: String? = nil, operation: Operation? = nil, skip: Int = 0, times: Int = 1
    ) {
        self.kind = kind
        self.resource = resource
        self.operation = operation
        self.skip = skip
        self.times = times
    }

    func concerns(_ resource: String, _ operation: Operation) -> Bool {
        (self.resource ?? resource) == resource && (self.operation ?? operation) == operation
            && (!kind.needsWrite || operation == .write)
    }
}

/// The faults of one account with their counters.
struct FaultPlan {
    private var faults: [LocalFault]

    init(_ faults: [LocalFault]) { self.faults = faults }

    /// What befalls an exchange; nil when it goes well. Counts it.
    mutating func strike(_ resource: String, _ operation: LocalFault.Operation) -> LocalFault.Kind? {
        for place in faults.indices where faults[place].concerns(resource, operation) {
            if faults[place].skip > 0 {
                faults[place].skip -= 1
            } else if faults[place].times > 0 {
                faults[place].times -= 1
                return faults[place].kind
            }
        }
        return nil
    }
}

/// How many exchanges an account takes.
package struct LocalBudget: Equatable, Sendable {
    /// More than 0.
    package var perSecond: Double
    /// Exchanges that may come at once after a pause; at least 1.
    package var burst: Int

    package init(perSecond: Double, burst: Int) {
        self.perSecond = perSecond
        self.burst = burst
    }
}

/// A token bucket. Full at first.
struct BudgetMeter {
    private let budget: LocalBudget
    private var tokens: Double
    /// Milliseconds of the wall clock.
    private var counted: Int64?

    init(_ budget: LocalBudget) {
        self.budget = budget
        tokens = Double(budget.burst)
    }

    /// Nil when the exchange is within the budget, else the milliseconds after which the next one will be.
    mutating func take(at time: Int64) -> Int64? {
        // A clock that was set back gives nothing and takes nothing.
        let passed = max(0, time - (counted ?? time))
        counted = time
        tokens = min(Double(budget.burst), tokens + Double(passed) / 1_000 * budget.perSecond)
        guard tokens < 1 else {
            tokens -= 1
            return nil
        }
        return Int64(((1 - tokens) / budget.perSecond * 1_000).rounded(.up))
    }
}
