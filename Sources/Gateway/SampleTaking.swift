import JSON
import JSONRPC
import PushCore
import Store

/// `pushTransfer` with `sample_data`: the records are checked and shown as examples, and nothing is sent (D32).
final class SampleTaking {
    private static let problemCeiling = 100

    private let server: Server
    private let session: Sessions.Session
    private let plan: SessionPlan
    private let intake: Intake
    private var row: TransferRow
    private var problems: [ParamProblem] = []
    private var examples: [String: Examples] = [:]
    /// Records that were taken in and not looked at, last first.
    private var waiting: [RecordRow] = []
    private var isFilled = false

    init(
        _ server: Server, _ session: Sessions.Session, _ plan: SessionPlan, _ intake: Intake, _ row: TransferRow
    ) {
        self.plan = plan
        self.server = server
        self.session = session
        self.intake = intake
        self.row = row
        (self.row.records, self.row.allRecords, self.row.life.isSample) = (0, 0, true)
    }

    /// Calls back with the transfer that is on disk, which holds no record, or with what is wrong with the records.
    func run(_ done: @escaping (TransferRow?, [ParamProblem]) -> Void) {
        server.slices.addUnlessDone { [self] deadline in
            while let next = waiting.popLast() {
                look(at: next)
                if waiting.count & 7 == 0 && Clock.monotonic() > deadline { return false }
            }
            guard isFilled else {
                (isFilled, _) = intake.fill(until: deadline)
                waiting = intake.takePart().reversed()
                return false
            }
            if problems.isEmpty { keep(done) } else { done(nil, problems) }
            return true
        }
    }

    private func look(at record: RecordRow) {
        guard !record.data.isEmpty else { return }
        let prepared = PreparedRecord(record, plan: plan, disablesUpsert: false)
        for failure in prepared.refusals where problems.count < Self.problemCeiling {
            problems.append(ParamProblem(path: "/transfer_data/\(record.index)", message: failure.text))
        }
        if let data = try? JSONDocument(parsing: record.data).root {
            examples[prepared.schema.key, default: Examples()].note(data)
        }
    }

    private func keep(_ done: @escaping (TransferRow?, [ParamProblem]) -> Void) {
        server.store.read(.examples(session: row.session)) { [self] answer in
            guard case .examples(let known) = answer else { return done(nil, []) }
            server.lastTransfer += 1
            row.sequence = server.lastTransfer
            var changes: [Change] = [.transferBegun(row)]
            for (key, later) in examples.sorted(by: { $0.key < $1.key }) where !later.isEmpty {
                var all = known[key].map { Examples(text: $0) } ?? Examples()
                all.merge(later)
                changes.append(.examples(session: row.session, schemaKey: key, all.text))
            }
            changes.append(.transferAccepted(sequence: row.sequence))
            server.turn.commit(changes) { [row] in done(row, []) }
        }
    }
}
