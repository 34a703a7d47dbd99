// At a provider where every search counts, a record is searched for by its strongest key first, and by a weaker one only
// where the stronger ones have not settled who it is. The decision is the same: it takes the first key, by rank, that has
// one record (`DecisionInput.match`).

extension Batch {
    /// Searches for a member that are to be asked next; `isLast` when nothing more can be asked after them.
    func nextSearches(for member: Member) -> (searches: [LookupRequest.Search], isLast: Bool) {
        let all = DecisionInput.searches(for: member.record)
        guard member.record.plan.provider.ranksLookups else { return (all, true) }
        guard let open = all.firstIndex(where: { !hasAsked($0) }) else { return ([], true) }
        if open > 0 && isSettled(member, by: all[..<open]) { return ([], true) }
        return ([all[open]], open == all.count - 1)
    }

    /// Others of the batch may have asked for a weaker key of the member: that does not count before the stronger ones.
    private func isSettled(_ member: Member, by searches: ArraySlice<LookupRequest.Search>) -> Bool {
        var known = LookupAnswer(records: answer.records)
        for search in searches { known.found[search] = answer.found[search] }
        let input = DecisionInput(
            record: member.record, remembered: nil, answer: known, links: [], hasSearched: member.hasSearched)
        if case .one = input.match() { return true }
        return false
    }
}
