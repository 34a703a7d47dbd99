/// By what it was decided which provider record a record is, and which of its fields were written: kept with its outcome,
/// because nothing that remains tells it.
package struct DecisionReason: Equatable, Sendable {
    package enum Way: Equatable, Sendable {
        /// It was pushed with the provider's id.
        case givenID
        /// Its internal id was remembered.
        case remembered
        /// By a match key: place of the rule in the resource's list.
        case matched(Int)
        /// It was found nowhere, or was not to be looked for.
        case new
    }

    package var way: Way
    /// Places in the prepared record's fields that were written; nil: all that could be.
    package var fields: [Int]?

    package init(_ way: Way, fields: [Int]? = nil) {
        self.way = way
        self.fields = fields
    }

    /// As it is stored: a letter with its number, and the fields behind a blank.
    package var text: String {
        let word =
            switch way {
            case .givenID: "g"
            case .remembered: "r"
            case .matched(let place): "m\(place)"
            case .new: "n"
            }
        guard let fields else { return word }
        return word + " " + fields.map { "\($0)" }.joined(separator: ",")
    }

    /// Nil when `text` is none.
    package init?(text: String) {
        let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        switch parts[0] {
        case "g": way = .givenID
        case "r": way = .remembered
        case "n": way = .new
        default:
            guard parts[0].first == "m", let place = Int(parts[0].dropFirst()), place >= 0 else { return nil }
            way = .matched(place)
        }
        guard parts.count == 2 else { return }
        let numbers = parts[1].split(separator: ",")
        fields = numbers.compactMap { Int($0) }
        if fields?.count != numbers.count { return nil }
    }
}

extension Batch {
    /// Why a member turned out to be what was decided; nil where nothing was.
    func reason(_ place: Int, _ decision: Decision) -> DecisionReason? {
        let member = members[place]
        switch decision {
        case .create: return DecisionReason(.new)
        case .refuse, .search: return nil
        case .skip: return DecisionReason(.remembered)
        case .update, .unchanged:
            guard member.record.row.givenID == nil else { return DecisionReason(.givenID) }
            guard let target = decision.target, member.remembered != target else { return DecisionReason(.remembered) }
            let input = DecisionInput(
                record: member.record, remembered: member.remembered, answer: answer, links: [],
                hasSearched: member.hasSearched)
            return DecisionReason(.matched(input.matchedPlace ?? 0))
        }
    }
}

extension Batch.Member {
    /// The reason with the fields of the write, where these are not simply all.
    var decision: DecisionReason? {
        guard var reason else { return nil }
        if let write, write.target != nil, write.fields.count != record.fields.count { reason.fields = write.fields }
        return reason
    }
}
