import JSON
import Testing

@testable import PushCore

@Suite struct PayloadTests {
    private func render(_ options: String = "", _ body: (Payloads, inout JSONWriter) -> Void) throws -> JSONValue {
        let plan = try Scene.plan(options, provider: Scene.provider(fieldsMember: "fields"))
        var writer = JSONWriter()
        body(Payloads(plan: plan), &writer)
        return try JSONValue(parsing: writer.bytes)
    }

    private func result(
        _ kind: OutcomeKind?, data: String = "", id: String? = "9", internalID: String? = "x",
        children: [ResultRow.Child] = []
    ) -> ResultRow {
        let record = Scene.row(internalID: internalID)
        let outcome = kind.map {
            OutcomeRow(place: record.place, kind: $0, providerID: id, data: Array(data.utf8), finished: 1)
        }
        return ResultRow(record: record, outcome: outcome, children: children)
    }

    private let returned = #"{"id":"9","fields":{"email":"a@b.c","age":1.10,"hidden":1}}"#

    @Test func aPushSessionGetsWhatTheProviderReturned() throws {
        let row = try render { $0.row(result(.created, data: returned), into: &$1) }
        #expect(
            row == [
                "id": "9", "internal_id": "x",
                "data": ["id": "9", "fields": ["email": "a@b.c", "age": .number("1.10"), "hidden": 1]],
                "associations": [:], "outcome": "created",
            ])
    }

    @Test func aPushAndPullSessionGetsItsOwnSchema() throws {
        let pull = #""method":"push+pull","#
        let row = try render(pull) { $0.row(result(.updated, data: returned), into: &$1) }
        #expect(row["data"] == ["email": "a@b.c", "age": .number("1.10")])
        let flat = try render(pull) { $0.row(result(.updated, data: #"{"note":"n","zzz":1}"#), into: &$1) }
        #expect(flat["data"] == ["note": "n"], "a record without that member is taken as it is")
    }

    @Test(arguments: [OutcomeKind.refused, .uncertain, .unsent])
    func whatWasNotWrittenKeepsItsPlaceWithoutIDAndData(kind: OutcomeKind) throws {
        let row = try render { $0.row(result(kind, data: returned), into: &$1) }
        #expect(
            row == [
                "id": .null, "internal_id": "x", "data": [:], "associations": [:], "outcome": .string(kind.name),
            ])
    }

    @Test func anUnfinishedRecordHasNoOutcome() throws {
        let row = try render { $0.row(result(nil, internalID: nil), into: &$1) }
        #expect(row == ["id": .null, "data": [:], "associations": [:]])
    }

    @Test func basisAndWarningsAreShownWhereThereAreAny() throws {
        var result = result(.unchanged)
        result.outcome?.basis = OutcomeRow.Basis(.verify, asOf: 0)
        result.outcome?.warnings = Warning.text([Warning(.linkSkipped, "m", path: "/p")])
        let row = try render { $0.row(result, into: &$1) }
        #expect(row["basis"] == "verify" && row["data"] == [:])
        #expect(row["warnings"] == [["name": "link_skipped", "message": "m", "path": "/p"]])
    }

    @Test func associationsAreIDsBySchemaInTheOrderPushed() throws {
        func child(_ schema: Int16, _ kind: OutcomeKind?, _ id: String?) -> ResultRow.Child {
            ResultRow.Child(ordinal: 0, schema: schema, kind: kind, providerID: id)
        }
        let children = [
            child(1, .created, "c2"), child(0, .refused, nil), child(1, .unchanged, "c1"), child(1, .uncertain, "c3"),
            child(1, nil, nil),
        ]
        let row = try render { $0.row(result(.created, children: children), into: &$1) }
        #expect(row["associations"] == ["Firm": ["c2", "c1"], "crm-contact": []])
    }

    private func event(_ kind: EventRow.Kind, completed: Bool, errors: Bool, counts: TransferCounts? = nil) -> EventRow
    {
        EventRow(
            sequence: 1, time: 0, kind: kind, session: Identifier(high: 1, low: 1), transfer: 1,
            transferID: Identifier(high: 2, low: 3), schemaKey: "crm-contact", isCompleted: completed,
            hasErrors: errors,
            counts: counts)
    }

    private let ids: (transfer: JSONValue, session: JSONValue) = (
        "000000000000000200000003", "000000000000000100000001"
    )

    @Test func aDataEventHoldsItsRowsAndWhatWasTrueThen() throws {
        let logged = LoggedEvent(
            event: event(.data, completed: true, errors: true), results: [result(.created), result(.refused)])
        let payload = try render { $0.payload(logged, into: &$1) }
        #expect(payload["success"] == true && payload["completed"] == true && payload["transfer_errors"] == true)
        #expect(payload["transfer_id"] == ids.transfer && payload["session_id"] == ids.session)
        #expect(payload["endgrate"] == ["endgrate_type": "crm-contact"])
        #expect(payload["transfer_data"]?.elements?.map { $0["id"] } == ["9", .null])
        #expect(payload["summary"] == nil)
    }

    @Test func aCompletedEventHoldsTheSummary() throws {
        var counts = TransferCounts()
        counts[.created] = 2
        counts[.uncertain] = 1
        let logged = LoggedEvent(event: event(.completed, completed: true, errors: true, counts: counts))
        let payload = try render { $0.payload(logged, into: &$1) }
        #expect(
            payload["summary"] == [
                "created": 2, "updated": 0, "unchanged": 0, "refused": 0, "uncertain": 1, "unsent": 0,
            ])
        #expect(payload["transfer_data"] == nil && payload["transfer_errors"] == nil)
        let bare = LoggedEvent(event: event(.completed, completed: true, errors: false))
        #expect(try render { $0.payload(bare, into: &$1) }["summary"] == nil)
    }

    private func entry(internalID: String?) -> ErrorRow {
        ErrorRow(
            sequence: 1, id: Identifier(high: 5, low: 6), session: Identifier(high: 1, low: 1), transfer: 1,
            transferID: Identifier(high: 2, low: 3), ordinal: 4, index: 3, internalID: internalID, schemaKey: "Firm",
            failure: Failure(.upstream, .refusedUpstream, "no"), time: 951_782_400_000)
    }

    @Test func anErrorSaysWhereWhyAndWhatToDo() throws {
        let logged = LoggedEvent(event: event(.error, completed: false, errors: true), error: entry(internalID: "x"))
        let payload = try render { $0.payload(logged, into: &$1) }
        #expect(payload["success"] == true && payload["pk"] == "000000000000000500000006")
        #expect(payload["transfer_id"] == ids.transfer && payload["session_id"] == ids.session)
        #expect(payload["timestamp"] == "2000-02-29T00:00:00.000Z" && payload["error_type"] == "upstream")
        #expect(payload["error_resolve_text"] == "no" && payload["resolved"] == false)
        #expect(payload["index"] == 3 && payload["internal_id"] == "x" && payload["transfer_errors"] == true)
        let integration = payload["endgrate"]?["integration_info"]
        #expect(integration?["name"] == "push-companies" && integration?["endgrate_type"] == "crm-company")
        #expect(payload["endgrate"]?["provider_info"]?["name"] == "sim")
    }

    @Test func anEntryOfTheLogHasNoSuccess() throws {
        let row = try render {
            $0.error(entry(internalID: nil), transferErrors: false, success: false, into: &$1)
        }
        #expect(row["success"] == nil && row["internal_id"] == nil && row["transfer_errors"] == false)
    }
}
