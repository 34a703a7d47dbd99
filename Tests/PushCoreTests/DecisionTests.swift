import JSON
import Testing

@testable import PushCore

/// A decision in a form that can be compared.
enum Decided: Equatable {
    case create([String])
    case update(String, [String])
    case unchanged(String)
    case refuse([Failure.Code])
    case search
    case skip

    init(_ decision: Decision, _ record: PreparedRecord) {
        switch decision {
        case .create(let fields): self = .create(fields.map { record.fields[$0].name })
        case .update(let id, let fields): self = .update(id, fields.map { record.fields[$0].name })
        case .unchanged(let known): self = .unchanged(known.id)
        case .refuse(let failures): self = .refuse(failures.map(\.code))
        case .search: self = .search
        case .skip: self = .skip
        }
    }
}

@Suite struct DecisionTests {
    private func decide(
        _ row: RecordRow, _ answer: LookupAnswer = LookupAnswer(), plan: SessionPlan? = nil, remembered: String? = nil,
        links: [LinkTarget] = [], hasSearched: Bool = false, disablesUpsert: Bool = false
    ) throws -> Decided {
        let record = PreparedRecord(row, plan: try plan ?? Scene.plan(), disablesUpsert: disablesUpsert)
        let input = DecisionInput(
            record: record, remembered: remembered, answer: answer, links: links, hasSearched: hasSearched)
        return Decided(input.decide(), record)
    }

    private let a = #"{"email":"a@example.org","note":"new"}"#

    // MARK: D1–D4: ids

    @Test func anIDGoesBeforeTheMemoryAndTheMemoryBeforeMatchKeys() throws {
        let answer = Scene.answer(
            [try Scene.known("1", "{}"), try Scene.known("2", "{}"), try Scene.known("3", "{}")],
            ["email=a@example.org": ["3"]])
        #expect(try decide(Scene.row(a, id: "1"), answer) == .update("1", ["email", "note"]))
        #expect(try decide(Scene.row(a, internalID: "x"), answer, remembered: "2") == .update("2", ["email", "note"]))
        #expect(try decide(Scene.row(a), answer) == .update("3", ["email", "note"]))
        #expect(try decide(Scene.row(a)) == .create(["email", "note"]))
    }

    @Test func anIDAndAMemoryMustNameTheSameRecord() throws {
        let answer = Scene.answer([try Scene.known("1", "{}"), try Scene.known("2", "{}")])
        let row = Scene.row(a, id: "1", internalID: "x")
        #expect(try decide(row, answer) == .update("1", ["email", "note"]), "nothing is remembered yet")
        #expect(try decide(row, answer, remembered: "1") == .update("1", ["email", "note"]))
        #expect(try decide(row, answer, remembered: "2") == .refuse([.identityConflict]))
    }

    @Test func anUnknownIDIsNeverACreate() throws {
        let answer = Scene.answer([try Scene.known("3", "{}")], ["email=a@example.org": ["3"]])
        #expect(try decide(Scene.row(a, id: "1"), answer) == .refuse([.notFoundUpstream]))
    }

    @Test func aRememberedRecordThatIsGoneIsSearchedForOnce() throws {
        let row = Scene.row(a, internalID: "x")
        #expect(try decide(row, remembered: "2") == .search)
        #expect(try decide(row, remembered: "2", hasSearched: true) == .create(["email", "note"]))
        let answer = Scene.answer([try Scene.known("3", "{}")], ["email=a@example.org": ["3"]])
        #expect(
            try decide(row, answer, remembered: "2", hasSearched: true) == .update("3", ["email", "note"]))
        let keyless = Scene.row(#"{"note":"n"}"#, internalID: "x")
        #expect(try decide(keyless, remembered: "2") == .create(["note"]), "there is nothing to search by")
    }

    @Test func whatHappensToARememberedRecordThatIsGoneIsAnOption() throws {
        let row = Scene.row(a, internalID: "x")
        let found = Scene.answer([try Scene.known("3", "{}")], ["email=a@example.org": ["3"]])
        for answer in [LookupAnswer(), found] {
            let recreating = try Scene.plan(#""on_deleted":"recreate","#)
            #expect(try decide(row, answer, plan: recreating, remembered: "2") == .search)
            #expect(try decide(row, answer, plan: Scene.plan(#""on_deleted":"skip","#), remembered: "2") == .skip)
            #expect(
                try decide(row, answer, plan: Scene.plan(#""on_deleted":"error","#), remembered: "2")
                    == .refuse([.notFoundUpstream]))
        }
        // It is about what is remembered: an unknown id is an error whatever the option, and who is there is updated.
        let skipping = try Scene.plan(#""on_deleted":"skip","#)
        #expect(try decide(Scene.row(a, id: "2"), plan: skipping) == .refuse([.notFoundUpstream]))
        #expect(try decide(row, found, plan: skipping) == .update("3", ["email", "note"]))
        #expect(try decide(row, found, plan: skipping, remembered: "3") == .update("3", ["email", "note"]))
    }

    // MARK: D5, D6: match keys

    @Test func theFirstKeyThatFindsOneRecordWins() throws {
        let data = #"{"email":" A@Example.ORG","phone":"+49 30 1234","full_name":"Bob  SMITH"}"#
        let records = [
            try Scene.known("1", #"{"email":"a@example.org"}"#), try Scene.known("2", #"{"phone":"49301234"}"#),
            try Scene.known("3", #"{"full_name":"bob smith"}"#),
        ]
        let all = ["email=a@example.org": ["1"], "phone=49301234": ["2"], "full_name=bob smith": ["3"]]
        let fields = ["email", "phone", "full_name"]
        #expect(try decide(Scene.row(data), Scene.answer(records, all)) == .update("1", fields))
        let withoutMail = all.filter { !$0.key.hasPrefix("email") }
        #expect(try decide(Scene.row(data), Scene.answer(records, withoutMail)) == .update("2", fields))
        let nameOnly = all.filter { $0.key.hasPrefix("full") }
        #expect(
            try decide(Scene.row(data), Scene.answer(records, nameOnly))
                == .update("3", ["email", "phone", "full_name"]))
    }

    @Test(arguments: [
        (#"{"email":"other@example.org"}"#, false), (#"{"email":"A@EXAMPLE.ORG"}"#, true), ("{}", true),
        (#"{"phone":"99999"}"#, false), (#"{"email":"a@example.org","phone":"99999"}"#, false),
        (#"{"email":null,"phone":""}"#, true), (#"{"phone":12345}"#, true),
    ])
    func aNameNeverOverrulesAnotherEmailOrPhone(known: String, isSame: Bool) throws {
        let row = Scene.row(#"{"email":"a@example.org","phone":"12345","full_name":"Bob Smith"}"#)
        let answer = Scene.answer([try Scene.known("1", known)], ["full_name=bob smith": ["1"]])
        let decided = try decide(row, answer)
        if isSame {
            guard case .update("1", _) = decided else { throw Unexpected(decided: decided) }
        } else {
            #expect(decided == .create(["email", "phone", "full_name"]))
        }
    }

    private struct Unexpected: Error { var decided: Decided }

    @Test func aNameIsMadeOfItsParts() throws {
        let answer = Scene.answer([try Scene.known("1", "{}")], ["full_name=bob smith": ["1"]])
        let row = Scene.row(#"{"first_name":"Bob","last_name":"Smith"}"#)
        #expect(try decide(row, answer) == .update("1", ["first_name", "last_name"]))
        #expect(try decide(Scene.row(#"{"first_name":"Bob"}"#), answer) == .create(["first_name"]))
    }

    @Test func severalCandidatesAreNarrowedByLaterKeys() throws {
        let records = [try Scene.known("1", "{}"), try Scene.known("2", "{}"), try Scene.known("3", "{}")]
        let row = Scene.row(#"{"email":"a@example.org","phone":"12345"}"#)
        let narrowed = ["email=a@example.org": ["1", "2"], "phone=12345": ["2", "3"]]
        #expect(try decide(row, Scene.answer(records, narrowed)) == .update("2", ["email", "phone"]))
        let several = ["email=a@example.org": ["2", "1"], "phone=12345": ["3"]]
        #expect(
            try decide(row, Scene.answer(records, several)) == .refuse([.ambiguousMatch]),
            "a later key that finds another record does not choose")
    }

    @Test func anAmbiguousMatchListsItsCandidatesInOrder() throws {
        let record = PreparedRecord(Scene.row(a), plan: try Scene.plan(), disablesUpsert: false)
        let answer = Scene.answer(
            [try Scene.known("9", "{}"), try Scene.known("10", "{}")], ["email=a@example.org": ["9", "10"]])
        let input = DecisionInput(record: record, remembered: nil, answer: answer, links: [], hasSearched: false)
        guard case .refuse(let failures) = input.decide() else {
            Issue.record("It was not refused.")
            return
        }
        #expect(failures.map(\.kind) == [.transferData])
        #expect(failures[0].text.contains("10, 9"))
    }

    @Test func whatASearchNamesButNobodyReturnedIsNoCandidate() throws {
        let answer = Scene.answer([try Scene.known("2", "{}")], ["email=a@example.org": ["1", "2"]])
        #expect(try decide(Scene.row(a), answer) == .update("2", ["email", "note"]))
    }

    // MARK: D7–D9

    @Test func disablingUpsertLeavesIDsAlone() throws {
        let answer = Scene.answer([try Scene.known("1", "{}")], ["email=a@example.org": ["1"]])
        #expect(try decide(Scene.row(a), answer, disablesUpsert: true) == .create(["email", "note"]))
        #expect(try decide(Scene.row(a, id: "1"), answer, disablesUpsert: true) == .update("1", ["email", "note"]))
        let remembered = try decide(Scene.row(a, internalID: "x"), answer, remembered: "1", disablesUpsert: true)
        #expect(remembered == .update("1", ["email", "note"]))
        let gone = try decide(Scene.row(a, internalID: "x"), answer, remembered: "5", disablesUpsert: true)
        #expect(gone == .create(["email", "note"]), "nothing is searched for")
    }

    @Test func theMemoryIsAskedWithinAccountNamespaceAndResource() throws {
        var machine = PushMachine()
        let plan = try Scene.plan(#""namespace":"eu","#)
        let moment = Moment(wall: 1, monotonic: 1, chance: 1)
        _ = machine.handle(.started, at: moment)
        let record = PreparedRecord(Scene.row(a, internalID: "x"), plan: plan, disablesUpsert: false)
        let effects = machine.handle(.accepted(Scene.transfer(records: 1), records: [record]), at: moment)
        guard case .readLedger(_, let scope, let resource, let ids)? = effects.first else {
            Issue.record("The memory is not asked.")
            return
        }
        #expect(scope == LedgerScope(account: Scene.account, namespace: "eu"))
        #expect(resource == "contacts" && ids == ["x"])
    }

    @Test func aTypeWithoutRulesIsCreated() throws {
        let plan = try Scene.plan(provider: Scene.provider(rules: []))
        let answer = Scene.answer([try Scene.known("1", "{}")], ["email=a@example.org": ["1"]])
        #expect(try decide(Scene.row(a), answer, plan: plan) == .create(["email", "note"]))
        #expect(try decide(Scene.row(a, id: "1"), answer, plan: plan) == .update("1", ["email", "note"]))
    }

    @Test func aSessionNarrowsItsMatchKeys() throws {
        let plan = try Scene.plan(#""match":["phone"],"#)
        let answer = Scene.answer([try Scene.known("1", "{}")], ["email=a@example.org": ["1"]])
        #expect(try decide(Scene.row(a), answer, plan: plan) == .create(["email", "note"]))
    }

    // MARK: D13, D18, D19: what is written

    @Test(arguments: [
        ("OVERWRITE", #"{"note":"new"}"#, #"{"note":"old"}"#, true), ("OVERWRITE", #"{"note":"new"}"#, "{}", true),
        ("OVERWRITE", #"{"note":"new"}"#, #"{"note":"new"}"#, false),
        ("OVERWRITE", #"{"note":null}"#, #"{"note":"old"}"#, true),
        ("OVERWRITE", #"{"note":null}"#, "{}", false), ("OVERWRITE", #"{"note":null}"#, #"{"note":null}"#, false),
        ("OVERWRITE", #"{"age":1.10}"#, #"{"age":1.1}"#, false),
        ("OVERWRITE", #"{"tags":["a"]}"#, #"{"tags":["a","b"]}"#, true),
        ("DO_NOT_UPDATE", #"{"note":"new"}"#, #"{"note":"old"}"#, false),
        ("DO_NOT_UPDATE", #"{"note":"new"}"#, "{}", false),
        ("SET_IF_NOT_SET", #"{"note":"new"}"#, #"{"note":"old"}"#, false),
        ("SET_IF_NOT_SET", #"{"note":"new"}"#, "{}", true),
        ("SET_IF_NOT_SET", #"{"note":"new"}"#, #"{"note":null}"#, true),
        ("SET_IF_NOT_SET", #"{"note":"new"}"#, #"{"note":""}"#, true),
        ("SET_IF_NOT_SET", #"{"tags":["a"]}"#, #"{"tags":[]}"#, true),
        ("SET_IF_NOT_SET", #"{"tags":["a"]}"#, #"{"tags":{}}"#, true),
        ("SET_IF_NOT_SET", #"{"tags":["a"]}"#, #"{"tags":[0]}"#, false),
        ("SET_IF_NOT_SET", #"{"age":2}"#, #"{"age":0}"#, false),
        ("SET_IF_NOT_SET", #"{"age":2}"#, #"{"age":false}"#, false),
        ("SET_IF_NOT_SET", #"{"note":null}"#, "{}", false),
    ])
    func theModeSaysWhatIsWrittenOnAnUpdate(mode: String, data: String, current: String, isWritten: Bool) throws {
        let plan = try Scene.plan(#""default_upsert":"\#(mode)","#)
        let decided = try decide(Scene.row(data, id: "1"), Scene.answer([try Scene.known("1", current)]), plan: plan)
        let name = data.contains("note") ? "note" : data.contains("age") ? "age" : "tags"
        #expect(decided == (isWritten ? .update("1", [name]) : .unchanged("1")))
    }

    @Test func creationIgnoresTheModeAndOmitsNulls() throws {
        for mode in UpsertMode.allCases {
            let plan = try Scene.plan(#""default_upsert":"\#(mode.rawValue)","#)
            #expect(try decide(Scene.row(#"{"note":"n","age":null}"#), plan: plan) == .create(["note"]))
        }
        #expect(try decide(Scene.row(#"{"note":null}"#)) == .refuse([.nothingToWrite]), "it would be blank")
        #expect(try decide(Scene.row("{}")) == .refuse([.nothingToWrite]))
    }

    @Test func forceWritesWhatIsEqual() throws {
        let plan = try Scene.plan(#""freshness":"force","#)
        let answer = Scene.answer([try Scene.known("1", #"{"note":"n"}"#)])
        #expect(try decide(Scene.row(#"{"note":"n"}"#, id: "1"), answer, plan: plan) == .update("1", ["note"]))
        #expect(try decide(Scene.row(#"{"note":"n"}"#, id: "1"), answer) == .unchanged("1"))
    }

    @Test func anItemWithoutDataOnlyLinks() throws {
        let known = try Scene.known("1", #"{"note":"n"}"#, links: ["companies": ["7"]])
        let answer = Scene.answer([known])
        let seven = LinkTarget(resource: "companies", id: "7")
        let eight = LinkTarget(resource: "companies", id: "8")
        #expect(try decide(Scene.row(id: "1"), answer) == .unchanged("1"))
        #expect(try decide(Scene.row(id: "1"), answer, links: [seven]) == .unchanged("1"), "the link is there")
        #expect(try decide(Scene.row(id: "1"), answer, links: [seven, eight]) == .update("1", []))
        #expect(try decide(Scene.row(internalID: "x")) == .refuse([.nothingToWrite]), "nobody knows it")
    }

    @Test func requiredCountsOnlyWhenARecordIsCreated() throws {
        let plan = try Scene.plan(required: #"["email","phone"]"#)
        let row = Scene.row(#"{"note":"n"}"#)
        #expect(try decide(row, plan: plan) == .refuse([.missingRequired, .missingRequired]))
        let update = Scene.row(#"{"note":"n"}"#, id: "1")
        #expect(try decide(update, Scene.answer([try Scene.known("1", "{}")]), plan: plan) == .update("1", ["note"]))
    }

    @Test func whatBreaksItsSchemaIsRefusedBeforeAnythingElse() throws {
        let row = Scene.row(#"{"email":7,"nothing":1}"#, id: "1")
        let answer = Scene.answer([try Scene.known("1", "{}")])
        #expect(try decide(row, answer) == .refuse([.schemaViolation, .unknownProperty]))
        #expect(try decide(Scene.row("{")) == .refuse([.fault]), "the store gave back what is no JSON")
    }
}
