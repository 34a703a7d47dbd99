import JSON
import Testing

@testable import PushCore

@Suite struct ExplanationTests {
    private func place(_ transfer: Int64, _ ordinal: Int32) -> RecordPlace {
        RecordPlace(transfer: transfer, ordinal: ordinal)
    }

    @Test func placesAreAShortText() {
        let places = [place(9, 3), place(7, 0), place(7, 1), place(7, 2), place(7, 120), place(9, 5)]
        let text = PlaceList.text(places)
        #expect(text == "7:0-2,120;9:3,5")
        #expect(PlaceList.places(text) == places.sorted())
        #expect(PlaceList.text([]) == "" && PlaceList.places("") == [])
        #expect(PlaceList.text((0..<100).map { place(1, $0) }) == "1:0-99")
        for wrong in ["7", "7:", "7:a", "7:3-1", "x:1", "7:1;8", "7:0-2000000000", "1-9000000000:0", "1-2:0,a"] {
            #expect(PlaceList.places(wrong)?.isEmpty ?? true, "\(wrong)")
        }
        let singles = (1...100).map { place(Int64($0), 0) }
        #expect(PlaceList.text(singles) == "1-100:0" && PlaceList.places("1-100:0") == singles)
        #expect(PlaceList.text([place(1, 0), place(2, 1), place(3, 1)]) == "1:0;2-3:1")
    }

    @Test func reasonsAreShortTexts() {
        for (reason, text) in [
            (DecisionReason(.givenID), "g"), (DecisionReason(.remembered), "r"), (DecisionReason(.new), "n"),
            (DecisionReason(.matched(2)), "m2"), (DecisionReason(.matched(0), fields: [1, 4]), "m0 1,4"),
            (DecisionReason(.remembered, fields: []), "r "),
        ] {
            #expect(reason.text == text)
            #expect(DecisionReason(text: text) == reason)
        }
        for wrong in ["", "x", "m", "m-1", "g 1,a"] { #expect(DecisionReason(text: wrong) == nil, "\(wrong)") }
    }

    @Test func anExchangeConcernsThoseItAskedFor() {
        var matter = ExchangeMatter(resource: "contacts")
        let search = LookupRequest.Search(field: "email", value: "a@x.org")
        matter.records = [
            ExchangeMatter.Record(place: place(1, 0), trace: 0, id: "5"),
            ExchangeMatter.Record(place: place(1, 1), trace: 2, searches: [search]),
        ]
        #expect(matter.places(of: .all) == [place(1, 0), place(1, 1)])
        #expect(matter.places(of: .traces([2])) == [place(1, 1)])
        #expect(matter.places(of: .ids(["5", "6"])) == [place(1, 0)])
        #expect(matter.places(of: .searches([search])) == [place(1, 1)])
        #expect(matter.places(of: .searches([LookupRequest.Search(field: "phone", value: "a@x.org")])) == [])
    }

    private func record(_ data: String, _ options: String = "") throws -> PreparedRecord {
        PreparedRecord(Scene.row(data), plan: try Scene.plan(options), disablesUpsert: false)
    }

    @Test func eachFieldNamesItsProperty() throws {
        let applied = try record(#"{"email":"a@x.org","note":null,"other":1}"#, #""passthrough_fields":true,"#)
            .appliedFields
        #expect(applied.map(\.from) == ["email", "note"] || applied.map(\.from) == ["email", "note", "other"])
        #expect(applied[0].rule?.how == .exact && applied[0].field.name == "email")
        #expect(applied.last?.field.name == applied.last?.from)
    }

    @Test func whatWasWrittenFollowsFromTheReason() throws {
        let record = try record(#"{"email":"a@x.org","note":null,"age":3}"#)
        #expect(record.writtenFields(DecisionReason(.new), kind: .created) == [0, 2], "null is not sent on create")
        #expect(record.writtenFields(DecisionReason(.remembered), kind: .updated) == [0, 1, 2])
        #expect(record.writtenFields(DecisionReason(.remembered, fields: [1, 9]), kind: .updated) == [1])
        #expect(record.writtenFields(DecisionReason(.remembered), kind: .unchanged) == [])
    }

    @Test func aLinkIsToldByBothEndsAndTheWarnings() throws {
        let provider = Scene.provider(links: [
            ResourceDescription.Link(endgrateType: "crm-company", resource: "companies")
        ])
        let plan = try Scene.plan(provider: provider)
        func child(_ id: String?, _ kind: OutcomeKind?) -> ResultRow.Child {
            ResultRow.Child(ordinal: 0, schema: 1, kind: kind, providerID: id)
        }
        func outcome(_ kind: OutcomeKind, _ warnings: [Warning] = []) -> OutcomeRow {
            OutcomeRow(
                place: place(1, 1), kind: kind, providerID: "1", data: [], warnings: Warning.text(warnings), finished: 1
            )
        }
        let record = PreparedRecord(Scene.row("{}", children: 1), plan: plan, disablesUpsert: false)
        func state(_ child: ResultRow.Child, _ outcome: OutcomeRow?) -> LinkState {
            LinkState(
                child, of: record, outcome, Set(record.linkTargets([child])), outcome?.listedWarnings ?? [])
        }
        #expect(state(child("5", .created), outcome(.created)) == .linked)
        #expect(state(child("5", .created), nil) == .pending)
        #expect(state(child(nil, nil), outcome(.created)) == .pending)
        #expect(state(child(nil, .refused), outcome(.created)) == .skipped)
        #expect(state(child("5", .created), outcome(.refused)) == .skipped)
        let refusal = Warning(.linkSkipped, "The provider refused to link it to companies 5.")
        #expect(state(child("5", .created), outcome(.created, [refusal])) == .refused)
        let unmade = Warning(.linkSkipped, "It was not linked to companies 5: its transfer was cancelled before")
        #expect(state(child("5", .created), outcome(.created, [unmade])) == .refused)
        #expect(state(child("55", .created), outcome(.created, [refusal])) == .linked)
    }
}
