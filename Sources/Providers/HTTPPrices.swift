import PushCore

// What requests cost, told by the very runs that make them, as far as it depends on the request; what a search finds is
// given. Not counted is what only the provider can bring about: a second page of a search, a value that an answer does not
// account for, a repetition.

extension HTTPProvider: ExchangePrices {
    private static let nobody = AccountKey(provider: "", name: "")

    package func tally(of request: LookupRequest, finding answer: LookupAnswer) -> ExchangeTally {
        LookupRun(request, Self.nobody, self)?.tally(finding: answer) ?? ExchangeTally()
    }

    package func tally(of request: WriteRequest) -> ExchangeTally {
        WriteRun(request, Self.nobody, self)?.tally ?? ExchangeTally()
    }

    package func tally(of request: LinkRequest) -> ExchangeTally {
        ExchangeTally(writes: LinkRun(request, Self.nobody, self)?.parts.count ?? 0)
    }

    package func milliseconds(for tally: ExchangeTally) -> Int64 {
        var longest: Int64 = 0
        for rule in budgets {
            var count = 0
            if rule.counts(.read) { count += tally.reads }
            if rule.counts(.search) { count += tally.searches }
            if rule.counts(.update) { count += tally.writes }
            guard count > rule.max else { continue }
            // A full window may go at once; what is over it, at the rate.
            longest = max(longest, Int64(Double(count - rule.max) / Double(rule.max) * Double(rule.window)))
        }
        return longest
    }
}
