/// Finds the known name that an unknown one was probably meant to be.
package enum DidYouMean {
    /// Longer names are not compared: the table would be large, and nobody mistypes a text of that length.
    static let longest = 64

    /// The nearest of `names`, if it is near enough to be worth saying: an edit for every three characters, at least one
    /// and at most four. Case, `_`, `-` and spaces count for nothing, so `firstName` is near `first_name`. Of equally
    /// near names the first one.
    package static func nearest(_ name: String, among names: [String]) -> String? {
        let wanted = folded(name)
        guard !wanted.isEmpty, wanted.count <= longest else { return nil }
        var best: String?
        var bound = min(4, max(1, wanted.count / 3))
        for candidate in names {
            let scalars = folded(candidate)
            guard scalars.count <= longest, abs(scalars.count - wanted.count) <= bound else { continue }
            let found = distance(wanted, scalars)
            // A distance as large as the name itself means that nothing of it is left.
            guard found <= bound, found < max(wanted.count, scalars.count) else { continue }
            best = candidate
            if found == 0 { break }
            bound = found - 1
        }
        return best
    }

    private static func folded(_ name: String) -> [Unicode.Scalar] {
        guard name.utf8.count <= longest * 4 else { return [] }
        return name.lowercased().unicodeScalars.filter { $0 != "_" && $0 != "-" && $0 != " " }
    }

    /// Damerau-Levenshtein distance in its restricted form: insertions, deletions, replacements and swaps of neighbours.
    static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for row in 0..<a.count {
            var current = [row + 1]
            current.reserveCapacity(b.count + 1)
            for column in 0..<b.count {
                let same = a[row] == b[column]
                var cost = min(last[column] + (same ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, a[row] == b[column - 1], a[row - 1] == b[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[b.count]
    }
}
