// Theory of operation.
//
// A retry pushes whole trees again, because a parent has to be linked to what failed before. In a tree
// - what is to be tried again goes with its data,
// - what was written goes by the id that it has at the provider, without data: it is linked to, not written,
// - anything else (an uncertain record, or a refused one that was not asked for) stays out, with all that is below it:
//   pushing it again is not this call's decision.
//
// A record of the retry is found back in its origin by its ordinal: as long as nothing is left out, both count alike, so
// that one number for each stretch is enough.

/// Makes the rows of a retry from those of its origin, tree by tree, in the order of ordinals.
package struct RetryRows: Sendable {
    private let transfer: Int64
    private let selection: RetrySelection
    /// Place of each schema of the origin in the session as it is now; nil: the session has it no more.
    private let schemas: [Int16?]
    package private(set) var rows: [RecordRow] = []
    package private(set) var shifts: [RetryShift] = []
    private var lastShift: Int32?
    /// Records so far: at top level, and of any level.
    package private(set) var records: Int32 = 0
    package private(set) var allRecords: Int32 = 0
    /// Ordinals in the origin of the selected records that are pushed again; kept only for a selection by ordinals.
    package private(set) var taken: [Int32] = []
    /// Place of a schema that the session has no more.
    package private(set) var missingSchema: Int16?

    package init(transfer: Int64, selection: RetrySelection, schemas: [Int16?]) {
        self.transfer = transfer
        self.selection = selection
        self.schemas = schemas
    }

    /// Rows and shifts since the last time.
    package mutating func take() -> (rows: [RecordRow], shifts: [RetryShift]) {
        defer { (rows, shifts) = ([], []) }
        return (rows, shifts)
    }

    /// - Parameter tree: a top-level record, last, with everything below it, as `Query.retryable` gives them.
    package mutating func add(_ tree: ArraySlice<ResultRow>) {
        var kept: Set<Int32> = []
        for row in tree.reversed() {
            let (record, kind) = (row.record, row.outcome?.kind)
            guard record.parent < 0 || kept.contains(record.parent), let kind else { continue }
            if kind.isWritten || selection.takes(kind, at: record.place.ordinal) { kept.insert(record.place.ordinal) }
        }
        guard tree.contains(where: { kept.contains($0.record.place.ordinal) && $0.outcome?.kind.isWritten == false })
        else { return }
        let first = rows.count
        /// New ordinals, and what each has got below it, by the ordinal in the origin.
        var ordinals: [Int32: Int32] = [:]
        var below: [Int32: (children: Int32, descendants: Int32)] = [:]
        for row in tree where kept.contains(row.record.place.ordinal) {
            let old = row.record
            let own = below[old.place.ordinal] ?? (0, 0)
            var new = old
            new.place = RecordPlace(transfer: transfer, ordinal: allRecords)
            new.index = records
            (new.children, new.descendants) = own
            if row.outcome?.kind.isWritten == true {
                new.givenID = row.outcome?.providerID
                new.data = []
            } else if selection.ordinals != nil {
                taken.append(old.place.ordinal)
            }
            if let place = schemas[Int(old.schema)] { new.schema = place } else { missingSchema = old.schema }
            let shift = old.place.ordinal - allRecords
            if shift != lastShift { shifts.append(RetryShift(ordinal: allRecords, shift: shift)) }
            lastShift = shift
            ordinals[old.place.ordinal] = allRecords
            let parent = below[old.parent] ?? (0, 0)
            below[old.parent] = (parent.children + 1, parent.descendants + own.descendants + 1)
            rows.append(new)
            allRecords += 1
        }
        for place in first..<rows.count where rows[place].parent >= 0 {
            rows[place].parent = ordinals[rows[place].parent] ?? -1
        }
        records += 1
    }
}
