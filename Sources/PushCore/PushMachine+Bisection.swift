// A write was refused because one or more of its records are bad, and the provider does not say which. Nothing of it was
// done, so it is made again in halves, each under its own intent, until the bad ones stand alone. One bad record among n
// costs 2 log2(n) calls more. Many bad ones are better sent one by one than halved: a write is halved a bounded number of
// times, and what is refused after that is sent record by record, so that all calls together are fewer than n + n/4 plus
// a few.

extension PushMachine {
    /// How much a write that was refused together may still be halved.
    struct Bisection: Sendable {
        var halvings: Int
        /// Parts of it that are under way.
        var parts: Int
    }

    mutating func bisect(_ id: Int64, _ failure: Failure) {
        guard let batch = batches[id] else { return }
        release(id)
        let members = batch.writing.map { batch.members[$0] }
        let over = members.filter(isOver)
        let rest = members.filter { !isOver($0) }
        guard members.count > 1 else {
            return goOn(batch, members.map { ($0, .refused([failure])) }, [])
        }
        var root = batch
        if root.bisection == 0 {
            root.bisection = batch.intent
            let depth = Int.bitWidth - (members.count - 1).leadingZeroBitCount
            bisections[root.bisection] = Bisection(halvings: max(depth, members.count / 8), parts: 1)
        }
        let pieces = pieces(rest, root.bisection)
        bisections[root.bisection]?.parts += pieces.count
        let parts = pieces.map { piece in
            var part = part(of: root, piece, .write)
            part.bisection = root.bisection
            return part
        }
        goOn(root, over.map { ($0, .unsent) }, parts)
    }

    private mutating func pieces(_ members: [Batch.Member], _ bisection: Int64) -> [[Batch.Member]] {
        guard members.count > 1 else { return members.isEmpty ? [] : [members] }
        guard let left = bisections[bisection]?.halvings, left > 0 else { return members.map { [$0] } }
        bisections[bisection]?.halvings = left - 1
        let half = (members.count + 1) / 2
        return [Array(members[..<half]), Array(members[half...])]
    }

    /// A part of a bisected write was answered.
    mutating func endPart(_ batch: Batch) {
        guard batch.bisection != 0, let parts = bisections[batch.bisection]?.parts else { return }
        bisections[batch.bisection]?.parts = parts - 1
        if parts <= 1 { bisections[batch.bisection] = nil }
    }
}
