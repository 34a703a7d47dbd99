import JSON
import Testing

@testable import PushCore

/// A session of one schema at a provider of a few fields.
private struct House {
    static let entries = ResourceDescription.Entries(list: "emails", value: "address")
    static let fields = [
        ResourceDescription.Field(name: "email", type: .string, synonyms: ["mail"], entries: entries),
        ResourceDescription.Field(name: "emails", type: .array, member: "address"),
        ResourceDescription.Field(name: "work_email", type: .string),
        ResourceDescription.Field(name: "label", type: .string),
        ResourceDescription.Field(name: "amount", type: .number),
        ResourceDescription.Field(name: "city", type: .string),
    ]
    static let properties = #"""
        {"email":{"type":"string"},"emails":{"type":"array","items":{"type":"object","properties":{"address":{"type":"string"},
        "label":{"type":"string"},"email_type":{"type":"string","enum":["WORK","HOME"]}}}},"note":{"type":"string"},
        "seat":{"type":"object","properties":{"town":{"type":"string"}}},"total":{"type":"string"},"a.b":{"type":"string"}}
        """#

    var plan: SessionPlan

    init(
        _ mapping: String, open: Bool = false, options: String = "", properties: String = House.properties,
        fields: [ResourceDescription.Field] = House.fields
    ) throws {
        let provider = ProviderDescription(
            name: "p", displayName: "P", recoveryClass: .keyed,
            resources: [
                ResourceDescription(
                    name: "r", endgrateType: "t", displayName: "Records", fields: fields, hasOpenFields: open)
            ], readBatch: 1, writeBatch: 1)
        plan = try SessionPlan(
            session: Identifier(high: 1, low: 1), revision: 1, account: Scene.account,
            definition: Scene.view(
                "{\(options)\"mapping\":\(mapping),\"schema\":[{\"endgrate_type\":\"t\",\"properties\":\(properties)}]}"
            ),
            provider: provider, defaultSchema: { _ in nil }, patterns: NoPatterns())
    }

    var rules: [String] {
        plan.schemas[0].mapping.rules.map { "\($0.path)>\($0.field) \($0.how)" }
    }

    func record(_ data: String, skipsNull: Bool? = nil) -> PreparedRecord {
        var options = plan.options
        if let skipsNull { options.skipsNull = skipsNull }
        return PreparedRecord(Scene.row(data), plan: plan.overridden(by: options), disablesUpsert: false)
    }

    /// Field and JSON text of what would be written, by name.
    func sent(_ data: String, skipsNull: Bool? = nil) -> [String] {
        record(data, skipsNull: skipsNull).fields
            .map { "\($0.name)=\(String(decoding: $0.value.compactText, as: UTF8.self))" }.sorted()
    }

    func returned(_ fields: String, passthrough: Bool = false) throws -> String {
        var writer = JSONWriter()
        plan.schemas[0].mapping.callerData(of: try Scene.view(fields), passthrough: passthrough, into: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Places of all problems of a mapping, with what was probably meant.
    static func problems(_ mapping: String, open: Bool = false, options: String = "") -> [String] {
        do throws(DefinitionProblem) {
            _ = try House.plan(mapping, open, options)
            return []
        } catch {
            return ([error] + error.further).map { "\($0.pointer)\($0.suggestion.map { " " + $0 } ?? "")" }
        }
    }

    private static func plan(_ mapping: String, _ open: Bool, _ options: String) throws(DefinitionProblem)
        -> SessionPlan
    {
        do {
            return try House(mapping, open: open, options: options).plan
        } catch let problem as DefinitionProblem {
            throw problem
        } catch {
            throw DefinitionProblem(kind: .params, pointer: "\(error)", text: "")
        }
    }
}

@Suite struct CallerRuleTests {
    @Test func propertiesBehindReferencesAndInPartsAreMapped() throws {
        let definition = #"""
            {"schema":[{"endgrate_type":"crm-contact","allOf":[{"$ref":"#/$defs/a~1b"}],
            "$defs":{"a/b":{"properties":{"email":{"$ref":"#/$defs/text"}}},"text":{"type":"string","title":"Note"},
            "more":{"properties":{"first_name":{"$ref":"#"}}}},"anyOf":[{"$ref":"#/$defs/more"}],
            "if":{"properties":{"age":{"const":1}}},"then":{"properties":{"phone":{}}},"else":{"properties":{"x":{"$ref":"#/$defs/text"}}},
            "dependentSchemas":{"age":{"properties":{"tags":{}}}}}]}
            """#
        let plan = try SessionPlan(
            session: Identifier(high: 1, low: 1), revision: 1, account: Scene.account,
            definition: Scene.view(definition), provider: Scene.provider(), defaultSchema: { _ in nil },
            patterns: NoPatterns())
        #expect(
            plan.schemas[0].mapping.rules.map { "\($0.path)>\($0.field) \($0.how)" } == [
                "email>email exact", "first_name>first_name exact", "age>age exact", "phone>phone exact",
                "x>note title", "tags>tags exact",
            ])
    }

    @Test func theCallersRuleGoesFirst() throws {
        let house = try House(#"[{"property":"note","to":"email"},{"property":"total","to":"amount"}]"#)
        #expect(
            house.rules == [
                "emails>emails exact", "note>email caller", "total>amount caller",
            ])
        #expect(house.plan.schemas[0].mapping.unmapped.map(\.path) == ["email", "seat", "a.b"])
        #expect(house.plan.schemas[0].mapping.unmapped.first?.why.contains("gets the value of note") == true)
        #expect(house.sent(#"{"note":"x","total":"12.50"}"#) == ["amount=12.50", "email=\"x\""])
        #expect(house.record(#"{"email":"y"}"#).warnings.map(\.name) == [.fieldUnmapped])
    }

    @Test func aPropertyGoesToSeveralFields() throws {
        let house = try House(#"[{"property":"note","to":"label"},{"property":"note","to":"city"}]"#)
        #expect(house.sent(#"{"note":"x"}"#) == ["city=\"x\"", "label=\"x\""])
    }

    @Test func modesAndNullsAreSetByProperty() throws {
        let house = try House(
            #"[{"property":"email","upsert":"DO_NOT_UPDATE"},{"property":"note","to":"city","skip_null":true}]"#,
            options: #""default_upsert":"SET_IF_NOT_SET","#)
        let rules = house.plan.schemas[0].mapping.rules
        #expect(rules.map(\.mode) == [.doNotUpdate, .setIfNotSet, .setIfNotSet, .setIfNotSet])
        #expect(house.sent(#"{"email":null,"note":null}"#) == ["email=null"])
        #expect(house.sent(#"{"email":null,"note":null}"#, skipsNull: true) == [])
        let skipping = try House(
            #"[{"property":"email","skip_null":false}]"#, open: true, options: #""skip_null":true,"#)
        #expect(skipping.sent(#"{"email":null,"note":null,"total":null}"#) == ["email=null"])
        #expect(
            skipping.sent(#"{"email":null,"note":null}"#, skipsNull: false) == ["email=null", "note=null"],
            "a transfer overrules the session")
        let typed = try House(#"[{"property":"total","to":"amount"}]"#, options: #""skip_null":true,"#)
        #expect(typed.sent(#"{"total":""}"#) == [], "a blank text for a number is a null")
    }

    @Test func anEntryIsChosenByKindPlaceOrMember() throws {
        let data = #"""
            {"emails":[{"address":"h","email_type":"HOME","label":"x"},{"address":"w","email_type":"WORK"},{"label":"y"}]}
            """#
        for (path, expected) in [
            ("emails[WORK].address", "w"), ("emails[HOME].address", "h"), ("emails[0].address", "h"),
            ("emails[1].address", "w"), ("emails[label=x].address", "h"), ("emails[email_type=WORK].address", "w"),
            ("emails.address", "h"), ("emails[email_type=HOME,label=x].address", "h"),
        ] {
            let house = try House("[{\"property\":\"\(path)\",\"to\":\"work_email\"}]")
            #expect(house.sent(data).contains("work_email=\"\(expected)\""), "\(path)")
        }
        for path in [
            "emails[2].address", "emails[3].address", "emails[label=z].address",
            "emails[email_type=WORK,label=x].address",
        ] {
            let house = try House("[{\"property\":\"\(path)\",\"to\":\"work_email\"}]")
            #expect(!house.sent(data).contains { $0.hasPrefix("work_email") }, "\(path)")
        }
        let apart = try House(
            #"[{"property":"emails","where":{"email_type":"WORK"},"entry":"address","to":"work_email"}]"#)
        #expect(apart.rules.contains("emails[WORK].address>work_email caller"))
        #expect(apart.sent(data).contains("work_email=\"w\""))
        #expect(apart.sent(#"{"emails":null}"#) == ["email=null", "emails=null", "work_email=null"])
        #expect(apart.sent(#"{"emails":[]}"#) == ["emails=[]"], "an entry that is not there says nothing")
        #expect(apart.sent(#"{"emails":[{"email_type":"WORK","address":null}]}"#).contains("work_email=null"))
    }

    @Test func aPartGoesBeforeTheShortFormAndTheShortFormIsNotLost() throws {
        let house = try House(#"[{"property":"emails[WORK].address","to":"email"}]"#)
        #expect(
            house.rules == [
                "email>email exact", "emails>emails exact", "emails[WORK].address>email caller",
            ])
        #expect(house.plan.schemas[0].mapping.rules[0].why.contains("emails[WORK].address"))
        #expect(house.sent(#"{"email":"s"}"#) == ["email=\"s\""])
        let both = #"{"email":"s","emails":[{"email_type":"WORK","address":"w"}]}"#
        #expect(house.sent(both).contains("email=\"w\""))
        #expect(house.sent(both).filter { $0.hasPrefix("email=") }.count == 1)
        let reversed = #"{"emails":[{"email_type":"WORK","address":"w"}],"email":"s"}"#
        #expect(house.sent(reversed) == house.sent(both))
    }

    @Test func entriesThatNoFieldTakesAreMissed() throws {
        let fields = [ResourceDescription.Field(name: "email", type: .string, entries: House.entries)]
        let house = try House("[]", properties: #"{"emails":{"type":"array"}}"#, fields: fields)
        #expect(house.plan.schemas[0].mapping.unmapped.isEmpty, "the first of them is sent")
        #expect(house.rules == ["emails[0].address>email entries"])
        #expect(house.record(#"{"emails":[{"address":"a"}]}"#).warnings.isEmpty)
        let record = house.record(#"{"emails":[{"address":"a"},{"address":"b"},{"address":"c"}]}"#)
        #expect(record.warnings.map(\.name) == [.fieldUnmapped])
        #expect(record.warnings.first?.message.hasPrefix("2 of the entries") == true)
        #expect(record.warnings.first?.path == "/emails")
        #expect(house.record(#"{"emails":null}"#).warnings.isEmpty)
    }

    @Test func whatIsWithheldIsNotSentNorMissed() throws {
        let house = try House(#"[{"property":"emails","to":null},{"property":"note","to":null}]"#)
        #expect(house.rules == ["email>email exact"])
        let record = house.record(#"{"emails":[{"address":"a"}],"note":"x"}"#)
        #expect(record.fields.isEmpty && record.warnings.isEmpty && record.refusals.isEmpty)
        let part = try House(#"[{"property":"emails[0].address","to":null}]"#)
        #expect(part.rules == ["email>email exact", "emails>emails exact"])
    }

    @Test func aMemberOfAnObjectIsAPart() throws {
        let house = try House(#"[{"property":"seat.town","to":"city"}]"#)
        #expect(house.rules.contains("seat.town>city caller"))
        #expect(!house.plan.schemas[0].mapping.unmapped.contains { $0.path == "seat" })
        #expect(house.sent(#"{"seat":{"town":"Bern"}}"#) == ["city=\"Bern\""])
        #expect(house.sent(#"{"seat":null}"#) == ["city=null"])
        #expect(try house.returned(#"{"city":"Bern"}"#) == #"{"seat":{"town":"Bern"}}"#)
    }

    @Test func aNameThatLooksLikeAPathIsAName() throws {
        #expect(try House(#"[{"property":"a.b","to":"city"}]"#).sent(#"{"a.b":"x"}"#) == ["city=\"x\""])
    }

    @Test func aValueThatCannotBeMadeFitIsTheErrorOfItsRecord() throws {
        let house = try House(#"[{"property":"total","to":"amount"},{"property":"emails[HOME].label","to":"city"}]"#)
        let record = house.record(#"{"total":"1,200","emails":[{"email_type":"HOME","label":{"a":1}}]}"#)
        #expect(record.refusals.map(\.code).contains(.valueNotConvertible))
        let refusal = try #require(record.refusals.first { $0.code == .valueNotConvertible })
        #expect(refusal.kind == .transferData && refusal.text.hasPrefix("/total: ") && !refusal.text.contains("1,200"))
    }

    @Test func rulesReachPropertiesThatPassThrough() throws {
        let house = try House(
            #"[{"property":"size","to":"shoe_size"}]"#, open: true, options: #""passthrough_fields":true,"#)
        #expect(house.sent(#"{"size":41.50,"hat":1}"#) == ["hat=1", "shoe_size=41.50"])
        #expect(try house.returned(#"{"shoe_size":41.50,"hat":1}"#, passthrough: true) == #"{"size":41.50,"hat":1}"#)
        #expect(try house.returned(#"{"shoe_size":41.50,"hat":1}"#) == #"{"size":41.50}"#)
        #expect(house.sent(#"{"shoe_size":1,"size":2}"#) == ["shoe_size=2"], "one value a field")
    }

    // MARK: Wrong rules

    @Test(arguments: [
        (#"[{"property":"emial","to":"city"}]"#, ["/mapping/0/property email"]),
        (#"[{"property":"zzz","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"emials[0].address","to":"city"}]"#, ["/mapping/0/property emails"]),
        (#"[{"property":"emails[0].adress","to":"city"}]"#, ["/mapping/0/property address"]),
        (#"[{"property":"emails","entry":"adress","to":"city"}]"#, ["/mapping/0/entry address"]),
        (#"[{"property":"emails[WROK].address","to":"city"}]"#, ["/mapping/0/property WORK"]),
        (#"[{"property":"emails[lable=x].address","to":"city"}]"#, ["/mapping/0/property label"]),
        (
            #"[{"property":"emails","entry":"address","where":{"lable":"x"},"to":"city"}]"#,
            ["/mapping/0/where/lable label"]
        ),
        (#"[{"property":"emails","where":{"label":"x"},"to":"city"}]"#, ["/mapping/0/entry"]),
        (#"[{"property":"emails[0].address","where":{"label":"x"},"to":"city"}]"#, ["/mapping/0/where"]),
        (#"[{"property":"emails[0].address","entry":"label","to":"city"}]"#, ["/mapping/0/entry"]),
        (#"[{"property":"emails[0]","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"emails[0].","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"emails[0","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"emails[0]address","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"emails[=x].address","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"seat[WORK].town","to":"city"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"note","to":"cty"}]"#, ["/mapping/0/to city"]),
        (#"[{"property":"note","to":"zzz"}]"#, ["/mapping/0/to"]),
        (#"[{"property":"note","to":"amount"},{"property":"seat","to":"city"}]"#, ["/mapping/1/to"]),
        (#"[{"property":"note","to":"city"},{"property":"total","to":"city"}]"#, ["/mapping/1/to"]),
        (#"[{"property":"note","to":"city"},{"property":"note"}]"#, ["/mapping/1/property"]),
        (#"[{"property":"note","to":null},{"property":"note","to":"city"}]"#, ["/mapping/1/property"]),
        (#"[{"property":"emails[0].address"}]"#, ["/mapping/0/property"]),
        (#"[{"property":"x","to":"city"},{"property":"y"}]"#, ["/mapping/0/property", "/mapping/1/property"]),
        (#"[{"schema":"u","property":"note","to":"city"}]"#, ["/mapping/0/schema"]),
    ])
    func aRuleThatMeansNothingIsRefused(mapping: String, expected: [String]) {
        #expect(House.problems(mapping) == expected)
    }

    @Test func whereAnyFieldIsTakenANearNameIsOnlyDoubted() throws {
        let house = try House(#"[{"property":"note","to":"cty"},{"property":"total","to":"far_away"}]"#, open: true)
        #expect(house.plan.schemas[0].mapping.doubtful.map(\.meant) == ["city"])
        #expect(house.sent(#"{"note":"x","total":"1"}"#) == ["cty=\"x\"", "far_away=\"1\""])
    }

    @Test func aRuleIsForTheSchemaThatItNames() throws {
        let definition = #"""
            {"schema":[{"endgrate_type":"crm-contact","properties":{"note":{}}},
            {"endgrate_type":"crm-company","title":"Firm","properties":{"note":{}}}],
            "mapping":[{"schema":"crm-company","property":"note","to":"name"},{"schema":"crm-contact","property":"note","to":"age"}]}
            """#
        let plan = try SessionPlan(
            session: Identifier(high: 1, low: 1), revision: 1, account: Scene.account,
            definition: Scene.view(definition), provider: Scene.provider(), defaultSchema: { _ in nil },
            patterns: NoPatterns())
        #expect(plan.schemas.map { $0.mapping.rules.map(\.field) } == [["age"], ["name"]])
    }

    // MARK: Back

    @Test func entriesAreMadeOfFlatFieldsAgain() throws {
        let house = try House(
            #"""
            [{"property":"emails","to":null},{"property":"emails[WORK].address","to":"work_email"},
            {"property":"emails[WORK].label","to":"label"},{"property":"emails[HOME].address","to":"city"}]
            """#)
        #expect(
            try house.returned(#"{"work_email":"w","label":"l","city":"h"}"#)
                == #"{"emails":[{"email_type":"WORK","address":"w","label":"l"},{"email_type":"HOME","address":"h"}]}"#)
        #expect(
            try house.returned(#"{"city":"h","label":null}"#) == #"{"emails":[{"email_type":"HOME","address":"h"}]}"#)
        #expect(try house.returned("{}") == "{}")
    }

    @Test func theListItselfGoesBeforeWhatIsMadeOfIt() throws {
        let house = try House(#"[{"property":"emails[WORK].address","to":"work_email"}]"#)
        #expect(
            try house.returned(#"{"emails":[{"address":"a"}],"work_email":"w","email":"e"}"#)
                == #"{"email":"e","emails":[{"address":"a"}]}"#)
        #expect(
            try house.returned(#"{"work_email":"w"}"#) == #"{"emails":[{"email_type":"WORK","address":"w"}]}"#,
            "a record that somebody else made has no list")
    }

    @Test func aFieldThatHasAPropertyOfItsOwnIsToldOnce() throws {
        #expect(try House("[]").returned(#"{"email":"e"}"#) == #"{"email":"e"}"#)
        let list = try House("[]", properties: #"{"emails":{"type":"array"}}"#)
        #expect(try list.returned(#"{"email":"e"}"#) == #"{"emails":[{"address":"e"}]}"#)
    }
}
