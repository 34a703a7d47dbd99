import JSON
import JSONRPC
import JSONSchema
import PushCore

// Theory of operation.
//
// `transfer_data` may hold a hundred thousand records, so an intake works in slices (K4). It goes over the items
// twice: first it looks for structural faults, all of them, because one fault refuses the call as a whole (D17); then it
// makes rows. Rows go to the store in parts of at most 1,000 rows or 1 MiB (K6), each part after the one before is on
// disk, so that a large push never holds the replies of small ones. The transfer exists from its last part on.

/// Takes the items of one `pushTransfer` or `appendTransfer` in.
final class Intake {
    /// Rows of one commit.
    static let partRows = 1_000
    /// Bytes of record data in one commit.
    static let partBytes = 1 << 20
    /// Items inside each other: associations of associations.
    static let depthCeiling = 4
    /// Bytes of `id` and `internal_id`.
    private static let idCeiling = 512
    private static let problemCeiling = 100

    private let server: Server
    private let plan: SessionPlan
    private let schemaPlace: Int
    private var items: JSONView.Elements
    private var checking: JSONView.Elements
    private(set) var problems: [ParamProblem] = []
    private(set) var unknownAssociations: [ParamProblem] = []
    private var checked = 0
    private(set) var rows: [RecordRow] = []
    private var partSize = 0
    private var nextOrdinal: Int32
    private var nextIndex: Int32
    /// Known when the first part is about to be kept.
    var sequence: Int64 = 0
    private(set) var count = 0

    /// - Parameter start: what of the transfer has arrived before, if it comes in parts.
    init(
        server: Server, plan: SessionPlan, schemaPlace: Int, data: JSONView,
        start: (records: Int32, allRecords: Int32) = (0, 0)
    ) {
        nextIndex = start.records
        nextOrdinal = start.allRecords
        self.server = server
        self.plan = plan
        self.schemaPlace = schemaPlace
        items = data.elements
        checking = data.elements
    }

    // MARK: First pass: structure

    /// Looks at items until the deadline; true when all were looked at. Counts records of all levels.
    func check(until deadline: UInt64) -> Bool {
        while let item = checking.next() {
            if !server.methods.item.isValid(item) {
                for violation in server.methods.item.violations(of: item, limit: Self.problemCeiling) {
                    add("/transfer_data/\(checked)" + violation.pointer, violation.message, violation.suggestion)
                }
            }
            if item.kind == .object { check(item, "/transfer_data/\(checked)", depth: 0) }
            checked += 1
            if checked & 7 == 0 && Clock.monotonic() > deadline { return false }
        }
        return true
    }

    private func check(_ item: JSONView, _ pointer: @autoclosure () -> String, depth: Int) {
        count += 1
        for (name, key) in [("id", item["id"]), ("internal_id", item["internal_id"])] {
            if let key, key.kind == .string, key.stringBytes > Self.idCeiling {
                add(pointer() + "/" + name, "must have at most \(Self.idCeiling) bytes of UTF-8")
            }
        }
        guard let associations = item["associations"], associations.kind == .object else { return }
        let base = pointer()
        for (key, list) in associations.members {
            let type = key.string ?? ""
            let path = base + "/associations/" + type
            if depth >= Self.depthCeiling {
                add(path, "associations may be nested \(Self.depthCeiling) deep")
                continue
            }
            if plan.schemaPlace(for: type) == nil, unknownAssociations.count < Self.problemCeiling {
                let meant = DidYouMean.nearest(type, among: plan.schemas.map(\.key))
                unknownAssociations.append(
                    ParamProblem(path: path, message: "the session has no schema for this type", suggestion: meant))
            }
            for (place, child) in list.elements.enumerated() where child.kind == .object {
                check(child, path + "/\(place)", depth: depth + 1)
            }
        }
    }

    private func add(_ path: String, _ message: String, _ suggestion: String? = nil) {
        guard problems.count < Self.problemCeiling else { return }
        problems.append(ParamProblem(path: path, message: message, suggestion: suggestion))
    }

    // MARK: Second pass: rows

    /// Makes rows until the deadline or until a part is full; true when there are no more items.
    func fill(until deadline: UInt64) -> (done: Bool, partIsFull: Bool) {
        while let item = items.next() {
            add(item, schema: schemaPlace, index: nextIndex)
            nextIndex += 1
            if rows.count >= Self.partRows || partSize >= Self.partBytes { return (false, true) }
            if nextIndex & 15 == 0 && Clock.monotonic() > deadline { return (false, false) }
        }
        return (true, !rows.isEmpty)
    }

    func takePart() -> [RecordRow] {
        partSize = 0
        defer { rows = [] }
        return rows
    }

    /// Children first: a parent's ordinal follows those of everything below it.
    private func add(_ item: JSONView, schema: Int, index: Int32) {
        _ = append(item, schema: schema, index: index)
        // The last one appended is the top-level item.
        rows[rows.count - 1].parent = -1
    }

    private func append(_ item: JSONView, schema: Int, index: Int32) -> Int32 {
        let first = nextOrdinal
        var children: [Int32] = []
        for (key, list) in item["associations"]?.members.map({ ($0.key, $0.value) }) ?? [] {
            guard let place = plan.schemaPlace(for: key.string ?? "") else { continue }
            for child in list.elements { children.append(append(child, schema: place, index: index)) }
        }
        let ordinal = nextOrdinal
        nextOrdinal += 1
        let data = item["data"].map { $0.kind == .object ? $0.compactText : [] } ?? []
        partSize += data.count + 64
        let base = rows.count - Int(ordinal - first)
        for child in children { rows[base + Int(child - first)].parent = ordinal }
        rows.append(
            RecordRow(
                place: RecordPlace(transfer: sequence, ordinal: ordinal), index: index, parent: -1,
                children: Int32(children.count), descendants: ordinal - first, schema: Int16(schema),
                givenID: item["id"]?.string, internalID: item["internal_id"]?.string, data: data))
        return ordinal
    }
}
