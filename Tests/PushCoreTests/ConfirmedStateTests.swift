import JSON
import Testing

@testable import PushCore

/// What the gateway knows of a record, and what it must not assume.
@Suite struct ConfirmedStateTests {
    private func provider(returnsData: Bool) -> ProviderDescription {
        var provider = Scene.provider()
        provider.returnsData = returnsData
        return provider
    }

    private func record(_ data: String, _ options: String = "", returnsData: Bool = true) throws -> PreparedRecord {
        let plan = try Scene.plan(
            #""freshness":"ledger","# + options, provider: provider(returnsData: returnsData))
        return PreparedRecord(Scene.row(data, internalID: "x"), plan: plan, disablesUpsert: false)
    }

    private func row(_ state: [UInt8]?) throws -> ConfirmedRow {
        ConfirmedRow(
            account: Scene.account, resource: "contacts", providerID: "7", confirmed: 5, state: try #require(state))
    }

    /// A state that was made by reading `known` for `record`.
    private func read(_ record: PreparedRecord, _ known: KnownRecord) throws -> ConfirmedState {
        let row = try row(ConfirmedState.text(read: known, record))
        return try #require(ConfirmedState(row, provider: record.plan.provider))
    }

    /// A state that was made by writing.
    private func written(
        _ record: PreparedRecord, body: String, fields: [Int], target: String?, before: KnownRecord? = nil,
        links: [LinkTarget] = []
    ) throws -> ConfirmedState {
        var member = Batch.Member(record: record)
        member.write = Batch.Member.Write(target: target, fields: fields)
        member.known = before
        member.links = links
        let row = try row(ConfirmedState.text(written: Array(body.utf8), member))
        return try #require(ConfirmedState(row, provider: record.plan.provider))
    }

    @Test(arguments: [true, false])
    func whatWasReadIsKnown(returnsData: Bool) throws {
        let known = try Scene.known("7", #"{"email":"a@x","note":"n","age":1.10}"#, links: ["companies": ["1", "2"]])
        let first = try record(#"{"email":"a@x","tags":null}"#, returnsData: returnsData)
        let state = try read(first, known)
        #expect(state.holds(first, links: [LinkTarget(resource: "companies", id: "2")]))
        #expect(!state.holds(first, links: [LinkTarget(resource: "companies", id: "3")]), "another link")
        for (data, holds) in [
            (#"{"note":"n"}"#, true), (#"{"note":"m"}"#, false), (#"{"age":1.10}"#, true), (#"{"age":2}"#, false),
            (#"{"note":null}"#, false), (#"{"tags":null}"#, true), (#"{"tags":["a"]}"#, false),
            // Pushed as null the first time now: whether it is empty was not looked at.
            (#"{"phone":null}"#, false), ("", true),
        ] {
            #expect(state.holds(try record(data, returnsData: returnsData), links: []) == holds, "\(data)")
        }
    }

    @Test func theModeSaysWhatMustBeAsPushed() throws {
        let known = try Scene.known("7", #"{"note":"n","age":0,"phone":""}"#)
        for (mode, data, holds) in [
            ("DO_NOT_UPDATE", #"{"note":"m","email":"a@x"}"#, true),
            ("SET_IF_NOT_SET", #"{"note":"m"}"#, true), ("SET_IF_NOT_SET", #"{"age":5}"#, true),
            ("SET_IF_NOT_SET", #"{"phone":"1"}"#, false), ("SET_IF_NOT_SET", #"{"email":"a@x"}"#, false),
            ("SET_IF_NOT_SET", #"{"email":null}"#, true), ("OVERWRITE", #"{"note":"m"}"#, false),
        ] {
            let record = try record(data, #""default_upsert":"\#(mode)","#)
            #expect(try read(record, known).holds(record, links: []) == holds, "\(mode) \(data)")
        }
    }

    @Test func aCreateIsKnownByWhatCameBack() throws {
        let link = LinkTarget(resource: "companies", id: "1")
        let record = try record(#"{"email":"a@x","note":null}"#)
        let state = try written(record, body: #"{"email":"a@x","age":7}"#, fields: [0], target: nil, links: [link])
        #expect(state.holds(record, links: [link]))
        #expect(state.holds(try self.record(#"{"age":7}"#), links: []))
        // The provider gave it a value of its own: a null that was pushed is not what it holds.
        let other = try written(record, body: #"{"email":"a@x","note":"by default"}"#, fields: [0], target: nil)
        #expect(!other.holds(record, links: []))
    }

    @Test func withoutABodyOnlyWhatWasSentIsKnown() throws {
        let record = try record(#"{"email":"a@x","note":null}"#, returnsData: false)
        let create = try written(record, body: "", fields: [0], target: nil)
        #expect(create.holds(try self.record(#"{"email":"a@x"}"#, returnsData: false), links: []))
        #expect(
            !create.holds(record, links: []), "a null that a create leaves out says nothing of the provider's default")
        let before = try Scene.known("7", #"{"email":"b@x","phone":"1"}"#, links: ["companies": ["1"]])
        let update = try written(record, body: "", fields: [0, 1], target: "7", before: before)
        #expect(update.holds(record, links: [LinkTarget(resource: "companies", id: "1")]))
        #expect(
            update.holds(try self.record(#"{"phone":"1"}"#, returnsData: false), links: []), "read before, not written")
        #expect(!update.holds(try self.record(#"{"email":"b@x"}"#, returnsData: false), links: []), "that was before")
        // After a restart what was read before is not known any more.
        let recovered = try written(record, body: "", fields: [0], target: "7")
        #expect(!recovered.holds(try self.record(#"{"phone":"1"}"#, returnsData: false), links: []))
    }

    @Test func aStateServesOnlySessionsThatGetWhatItHas() throws {
        let with = try record(#"{"note":"n"}"#)
        let without = try record(#"{"note":"n"}"#, returnsData: false)
        let known = try Scene.known("7", #"{"note":"n"}"#)
        let withBody = try row(ConfirmedState.text(read: known, with))
        let withoutBody = try row(ConfirmedState.text(read: known, without))
        #expect(ConfirmedState(withoutBody, provider: with.plan.provider) == nil, "there is no data to return")
        #expect(ConfirmedState(withBody, provider: without.plan.provider) == nil)
        for text in ["", "{", "{}", "[]", #"{"f":7"#] {
            #expect(ConfirmedState(try row(Array(text.utf8)), provider: with.plan.provider) == nil, "\(text)")
        }
    }

    @Test func nothingIsKeptOfWhatDidNotComeBackOrIsTooLarge() throws {
        let record = try record(#"{"note":"n"}"#)
        var member = Batch.Member(record: record)
        member.write = Batch.Member.Write(target: "7", fields: [0])
        #expect(ConfirmedState.text(written: [], member) == nil, "the provider returns data, but did not now")
        let long = String(repeating: "x", count: ConfirmedState.ceiling)
        #expect(ConfirmedState.text(written: Array(#"{"note":"\#(long)"}"#.utf8), member) == nil)
        #expect(ConfirmedState.text(read: try Scene.known("7", #"{"note":"\#(long)"}"#), record) == nil)
    }

    // MARK: Options

    @Test func aPushOverridesItsSession() throws {
        let plan = try Scene.plan(#""freshness":"force","max_age":60,"match":["phone"],"#)
        #expect(plan.options.freshness == .force && plan.options.maxAge == 60_000)
        #expect(plan.options.onDeleted == .recreate && !plan.options.skipsNull && !plan.options.warnsOfUnknown)
        #expect(plan.overridden(by: []) === plan, "without options of its own it is the session's plan")
        let params = try Scene.view(
            #"{"session_id":"s","freshness":"ledger","on_deleted":"skip","match":["email"],"skip_null":true,"max_age":1,"#
                + #""unknown_properties":"warn","transfer_data":[]}"#)
        let text = PushOptions.text(of: params)
        let own = plan.overridden(by: text)
        #expect(own.options.freshness == .ledger && own.options.maxAge == 1_000 && own.options.onDeleted == .skip)
        #expect(own.options.skipsNull && own.options.warnsOfUnknown && own.options.match == ["email"])
        #expect(own.schemas[0].matchPlaces == [0] && plan.schemas[0].matchPlaces == [1])
        #expect(own.session == plan.session && own.revision == plan.revision)
        #expect(!String(decoding: text, as: UTF8.self).contains("session_id"))
        #expect(PushOptions.text(of: try Scene.view(#"{"session_id":"s"}"#)).isEmpty)
        let huge = PushOptions().overridden(by: try Scene.view(#"{"max_age":9223372036854775807}"#))
        #expect(huge.maxAge == .max)
    }

    @Test func aNullMayMeanAbsent() throws {
        let plan = try Scene.plan(#""skip_null":true,"#)
        let record = PreparedRecord(
            Scene.row(#"{"email":null,"note":"n"}"#), plan: plan, disablesUpsert: false)
        #expect(record.fields.map(\.name) == ["note"])
    }

    @Test func aBasisIsStoredInOneText() {
        for basis in [OutcomeRow.Basis(.verify, asOf: nil), OutcomeRow.Basis(.ledger, asOf: 1_764_000_000_000)] {
            #expect(OutcomeRow.Basis(text: basis.text) == basis)
        }
        #expect(
            OutcomeRow.Basis(text: "verify") == OutcomeRow.Basis(.verify, asOf: nil), "as the first version wrote it")
        for text in ["", "verify ", "ledger x", "ledger 1 2", "hope 1"] { #expect(OutcomeRow.Basis(text: text) == nil) }
    }
}
