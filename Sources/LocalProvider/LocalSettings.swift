import EventLoop

/// How the embedded provider behaves for one account: what makes it a sandbox (K19).
package struct LocalSettings: Equatable, Sendable {
    /// An answer comes no sooner than this many milliseconds after its exchange was handed over. The work itself is
    /// done at once and its thread never sleeps, so slow accounts do not slow others. Below 0 counts as 0.
    package var latencyMilliseconds: Int
    /// False: results of writes carry no `record`, as with a provider that only says "done".
    package var returnsData: Bool
    /// False: records have no `associations`, and every link is refused.
    package var supportsAssociations: Bool
    /// Resource to fields whose match key must be unique in it. A field without a match rule has no key and is not
    /// checked.
    package var uniqueFields: [String: [String]]
    /// False: a write that is repeated under its key is done again, as at a provider that knows no such keys.
    package var recognisesRepeats: Bool
    /// True: a write carries creates only or updates only.
    package var takesWritesApart = false
    /// True: links are made by updates without fields only.
    package var takesLinksApart = false
    /// True: one bad input of a write sinks all of it, and the answer does not say which it was.
    package var isAllOrNothing = false
    /// Nil: any number of exchanges.
    package var budget: LocalBudget?
    package var faults: [LocalFault]
    /// The hash of the only bearer token that is accepted; nil: none is needed.
    package var acceptedToken: TokenHash?

    package init(
        latencyMilliseconds: Int = 0, returnsData: Bool = true, supportsAssociations: Bool = true,
        uniqueFields: [String: [String]] = [:], recognisesRepeats: Bool = true, budget: LocalBudget? = nil,
        faults: [LocalFault] = []
    ) {
        self.latencyMilliseconds = latencyMilliseconds
        self.returnsData = returnsData
        self.supportsAssociations = supportsAssociations
        self.uniqueFields = uniqueFields
        self.recognisesRepeats = recognisesRepeats
        self.budget = budget
        self.faults = faults
    }
}

/// Why the embedded provider could not be started. What goes wrong later is the outcome of an exchange.
package struct LocalFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the loop said about its thread.
    package let cause: LoopFailure

    package var description: String { "embedded provider: \(cause)" }
}
