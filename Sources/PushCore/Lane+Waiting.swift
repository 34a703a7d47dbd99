// Who stands in line for a conflict key, oldest first.

/// Unfinished records with one strong key. Nearly always there is one, which needs no list.
struct Holders: Sendable {
    private var first: RecordPlace?
    private var later: [RecordPlace] = []

    init(first: RecordPlace) { self.first = first }

    var isEmpty: Bool { first == nil }

    mutating func stand(_ place: RecordPlace) { later.append(place) }

    var places: [RecordPlace] { (first.map { [$0] } ?? []) + later }

    /// - Returns: the record that is the first now. One that leaves from the middle hands its blocker on to the one
    ///   behind it.
    mutating func leave(_ place: RecordPlace) -> RecordPlace? {
        guard first == place else {
            if let index = later.firstIndex(of: place) { later.remove(at: index) }
            return nil
        }
        first = later.isEmpty ? nil : later.removeFirst()
        return first
    }
}

/// Unfinished records with one name. There may be thousands that an e-mail tells apart, so how many are not told apart
/// is counted by what they have (`ConflictKeys.kinds`) and never searched for.
struct Namesakes: Sendable {
    private(set) var places: [RecordPlace] = []
    private var counts: SIMD8<Int32> = .zero

    var isEmpty: Bool { places.isEmpty }

    private func notToldApart(from kinds: Int) -> Int {
        (0..<8).reduce(0) { $1 & kinds == 0 ? $0 + Int(counts[$1]) : $0 }
    }

    /// - Returns: how many before it are not told apart from it.
    mutating func stand(_ place: RecordPlace, _ kinds: Int) -> Int {
        let blockers = notToldApart(from: kinds)
        places.append(place)
        counts[kinds] += 1
        return blockers
    }

    /// - Returns: those after it, if any of them may have waited for it.
    mutating func leave(_ place: RecordPlace, _ kinds: Int) -> ArraySlice<RecordPlace> {
        guard let index = places.firstIndex(of: place) else { return [] }
        places.remove(at: index)
        counts[kinds] -= 1
        return notToldApart(from: kinds) > 0 ? places[index...] : []
    }
}
