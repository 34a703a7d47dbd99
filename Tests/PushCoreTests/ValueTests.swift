import Foundation
import JSON
import Testing

@testable import PushCore

@Suite struct MatchKeyTests {
    @Test(
        arguments: [
            (.email, "  Bob@Example.ORG\t", "bob@example.org"), (.email, "", nil), (.email, " \n", nil),
            (.email, "ÉLÉONORE@example.org", "éléonore@example.org"), (.email, "\u{3000}a@b.c\u{A0}", "a@b.c"),
            (.phone, "+49 (0)30-1234", "490301234"), (.phone, "12345", "12345"), (.phone, "1 2 3 4", nil),
            (.phone, "call me", nil), (.phone, "٣٤٥٦٧", nil), (.phone, "", nil),
            (.name, "  Zoë \n van  DIJK ", "zoë van dijk"), (.name, "BOB", "bob"), (.name, "   ", nil),
            (.name, "李\u{3000}雷", "李 雷"), (.name, "\u{B}a\u{C}b\r", "a b"),
            (.domain, "https://www.Example.org:8080/x?y#z", "example.org"), (.domain, "example.org.", "example.org"),
            (.domain, " EXAMPLE.org ", "example.org"), (.domain, "example.org?x", "example.org"),
            (.domain, "example.org#x", "example.org"), (.domain, "www.example.org", "example.org"),
            (.domain, "wwwexample.org", "wwwexample.org"), (.domain, "https://", nil), (.domain, "", nil),
        ] as [(MatchRule.Kind, String, String?)])
    func valuesAreComparedInOneForm(kind: MatchRule.Kind, text: String, key: String?) {
        #expect(MatchKeys.normalise(text, as: kind) == key)
    }

    @Test func normalisingTwiceChangesNothing() {
        for kind in MatchRule.Kind.allCases {
            for text in ["A@b.C", " Zoë  X ", "+49 30 12 34 56", "http://www.X.org/a", "ÀÉ ß  Σ"] {
                guard let once = MatchKeys.normalise(text, as: kind) else { continue }
                #expect(MatchKeys.normalise(once, as: kind) == once)
            }
        }
    }

    /// Letters of two bytes are folded without the help of the library, and not otherwise than with it.
    @Test func lettersOfTwoBytesAreFoldedAsAllOthers() {
        for value in UInt32(0x80)...0x7FF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = "A\(scalar)b\u{20}\(scalar)"
            let isSpace = scalar.properties.isWhitespace
            let expected = isSpace ? "a b" : text.lowercased()
            #expect(MatchKeys.normalise(text, as: .name) == expected, "U+\(String(value, radix: 16))")
        }
        #expect(MatchKeys.normalise(" ÄRGER  Дарья ЁЖ × ß ", as: .name) == "ärger дарья ёж × ß")
    }

    @Test func ownValuesGoBeforePartsAndAllPartsAreNeeded() {
        func name(_ values: [String: String]) -> String? { MatchKeys(rules: Scene.rules) { values[$0] }.values[2] }
        #expect(name(["full_name": "A B", "first_name": "C", "last_name": "D"]) == "a b")
        #expect(name(["full_name": " ", "first_name": "C", "last_name": "D"]) == "c d")
        #expect(name(["first_name": "C"]) == nil)
    }

    @Test func onlyStrongKeysContradict() {
        func keys(_ values: [String?]) -> MatchKeys { MatchKeys(values: values) }
        let mine = keys(["a", "1", "n"])
        #expect(!mine.contradicts(keys(["a", nil, "m"]), rules: Scene.rules))
        #expect(mine.contradicts(keys(["b", nil, nil]), rules: Scene.rules))
        #expect(mine.contradicts(keys(["a", "2", nil]), rules: Scene.rules))
        #expect(!mine.contradicts(keys([nil, nil, nil]), rules: Scene.rules))
    }
}

@Suite struct ConflictTests {
    private func keys(
        _ data: String, id: String? = nil, internalID: String? = nil, namespace: String = "", disables: Bool = false
    ) throws -> ConflictKeys {
        let plan = try Scene.plan(#""namespace":"\#(namespace)","#)
        return ConflictKeys(
            PreparedRecord(Scene.row(data, id: id, internalID: internalID), plan: plan, disablesUpsert: disables))
    }

    private func share(_ a: ConflictKeys, _ b: ConflictKeys) -> Bool { !Set(a.strong).isDisjoint(with: b.strong) }

    @Test func idsAndStrongMatchKeysAreShared() throws {
        #expect(share(try keys("{}", internalID: "x"), try keys("{}", internalID: "x")))
        #expect(!share(try keys("{}", internalID: "x"), try keys("{}", internalID: "x", namespace: "eu")))
        #expect(
            share(try keys("{}", id: "1"), try keys("{}", id: "1", namespace: "eu")), "one account, one provider id")
        #expect(!share(try keys("{}", id: "x"), try keys("{}", internalID: "x")))
        #expect(share(try keys(#"{"email":"A@b.c"}"#), try keys(#"{"email":"a@B.c "}"#)))
        #expect(!share(try keys(#"{"email":"12345"}"#), try keys(#"{"phone":"12345"}"#)))
        #expect(!share(try keys(#"{"full_name":"A"}"#), try keys(#"{"full_name":"A"}"#)), "a name is weak")
        #expect(try keys(#"{"full_name":"A"}"#).name == (try keys(#"{"full_name":" a "}"#).name))
    }

    /// What is not matched itself is found by who comes after it, and must not be found by who came before it.
    @Test func disablingUpsertKeepsARecordsPlaceInTheOrder() throws {
        let data = #"{"email":"a@b.c","full_name":"A"}"#
        let matched = try keys(data)
        let unmatched = try keys(data, internalID: "x", disables: true)
        #expect(share(matched, unmatched))
        #expect(unmatched.name == matched.name)
        let (one, other) = (try keys(#"{"full_name":"A"}"#), try keys(#"{"full_name":"A"}"#, disables: true))
        #expect(!one.isToldApart(from: other) && !other.isToldApart(from: one))
        #expect(other.isToldApart(from: other), "neither looks for the other")
    }

    @Test func namesakesAreToldApartOnlyByTheSameKindOfKey() throws {
        let mail = try keys(#"{"email":"a@b.c"}"#)
        let other = try keys(#"{"email":"d@e.f","phone":"12345"}"#)
        let phone = try keys(#"{"phone":"54321"}"#)
        let none = try keys("{}")
        #expect(mail.isToldApart(from: other) && other.isToldApart(from: phone))
        #expect(!mail.isToldApart(from: phone) && !none.isToldApart(from: other) && !none.isToldApart(from: none))
    }

    /// Offers records to a lane and says which of them would be sent together, by ordinal.
    private func batch(_ data: [String]) throws -> [Int32] {
        var lane = Lane()
        let plan = try Scene.plan()
        for (ordinal, text) in data.enumerated() {
            lane.admit(
                PreparedRecord(Scene.row(text, ordinal: Int32(ordinal)), plan: plan, disablesUpsert: false), orphans: []
            )
        }
        return lane.takeBatch()?.records.map(\.place.ordinal) ?? []
    }

    @Test func aBatchHoldsNoTwoRecordsThatCouldBeOne() throws {
        #expect(try batch([#"{"email":"a@b.c"}"#, #"{"email":"A@b.c"}"#, #"{"email":"d@b.c"}"#]) == [0, 2])
        #expect(try batch([#"{"full_name":"A"}"#, #"{"full_name":"a","email":"a@b.c"}"#]) == [0])
        let apart = [#"{"full_name":"A","email":"d@b.c"}"#, #"{"full_name":"A","email":"a@b.c"}"#]
        #expect(try batch(apart) == [0, 1])
        #expect(try batch([#"{"full_name":"A","phone":"12345"}"#, apart[0], apart[1]]) == [0])
        #expect(try batch(["{}", "{}"]) == [0, 1])
        #expect(try batch(Array(repeating: "{}", count: 14)).count == 10, "no more than the provider takes")
    }

    @Test func whoWaitedGoesWhenTheOneBeforeItLeft() throws {
        var lane = Lane()
        let plan = try Scene.plan()
        let texts = [#"{"email":"a@b.c"}"#, #"{"email":"a@b.c","phone":"12345"}"#, #"{"phone":"12345"}"#]
        for (ordinal, text) in texts.enumerated() {
            lane.admit(
                PreparedRecord(Scene.row(text, ordinal: Int32(ordinal)), plan: plan, disablesUpsert: false), orphans: []
            )
        }
        for ordinal in 0..<3 {
            let place = RecordPlace(transfer: 1, ordinal: Int32(ordinal))
            #expect(lane.takeBatch()?.records.map(\.place) == [place])
            #expect(lane.takeBatch() == nil)
            lane.end([place], .dropped)
        }
        #expect(lane.entries.isEmpty)
    }

    @Test func aRecordThatLeavesTheMiddleDoesNotLetTheNextOvertake() throws {
        var lane = Lane()
        let plan = try Scene.plan()
        for ordinal in 0..<3 as Range<Int32> {
            let row = Scene.row(#"{"email":"a@b.c"}"#, ordinal: ordinal)
            lane.admit(PreparedRecord(row, plan: plan, disablesUpsert: false), orphans: [])
        }
        let places = (0..<3).map { RecordPlace(transfer: 1, ordinal: $0) }
        #expect(lane.takeBatch()?.records.map(\.place) == [places[0]])
        lane.end([places[1]], .dropped)
        #expect(lane.takeBatch() == nil)
        lane.end([places[0]], .dropped)
        #expect(lane.takeBatch()?.records.map(\.place) == [places[2]])
    }
}

@Suite struct MappingTests {
    private typealias Field = ResourceDescription.Field

    private func resource(_ fields: [ResourceDescription.Field], open: Bool = false) -> ResourceDescription {
        ResourceDescription(
            name: "r", endgrateType: "t", displayName: "R", fields: fields, hasOpenFields: open)
    }

    private func map(
        _ properties: [(name: String, title: String?)], _ fields: [ResourceDescription.Field], open: Bool = false
    ) throws -> [String] {
        let mapping = try Mapping(
            properties: properties.map { SchemaProperty(name: $0.name, title: $0.title) },
            resource: resource(fields, open: open), mode: .overwrite)
        return mapping.rules.map { "\($0.property)\($0.entry.map { "." + $0 } ?? "")>\($0.field) \($0.how)" }
            + mapping.unmapped.map { "\($0.path)>" }
    }

    @Test func eachWayOfMappingIsTried() throws {
        let fields = [
            Field(name: "email", title: "E-mail", synonyms: ["mail"]), Field(name: "job_title", title: "Job Title"),
            Field(name: "city"),
        ]
        #expect(try map([("email", nil)], fields) == ["email>email exact"])
        #expect(try map([("E-Mail", nil)], fields) == ["E-Mail>email normalised"])
        #expect(try map([("jobTitle", nil)], fields) == ["jobTitle>job_title normalised"])
        #expect(try map([("MAIL", nil)], fields) == ["MAIL>email synonym"])
        #expect(try map([("f1", "Job title")], fields) == ["f1>job_title title"])
        #expect(try map([("f1", "mail")], fields) == ["f1>email title"])
        #expect(try map([("f1", "City!")], fields) == ["f1>city title"])
        #expect(try map([("f1", "?!")], fields) == ["f1>"], "a title of punctuation is no name")
        #expect(try map([("f1", "Nothing")], fields) == ["f1>"])
        #expect(try map([("f1", nil)], fields, open: true) == ["f1>f1 open"])
    }

    @Test func anExactNameIsNeverTakenByAnother() throws {
        let fields = [Field(name: "email", synonyms: ["mail"])]
        #expect(try map([("mail", nil), ("email", nil)], fields) == ["email>email exact", "mail>"])
        #expect(
            try map([("mail", nil), ("email", nil)], fields, open: true) == ["mail>mail open", "email>email exact"])
        #expect(try map([("mail", nil), ("e_mail", nil)], fields) == ["mail>email synonym", "e_mail>"], "first come")
        #expect(try map([("e_mail", nil), ("mail", nil)], fields) == ["e_mail>email normalised", "mail>"])
    }

    @Test func typedEntriesFeedTheFlatField() throws {
        let entries = ResourceDescription.Entries(list: "emails", value: "address")
        let fields = [Field(name: "email", entries: entries), Field(name: "emails", type: .array)]
        #expect(try map([("emails", nil)], fields) == ["emails>emails exact", "emails.address>email entries"])
        #expect(
            try map([("emails", nil), ("email", nil)], fields) == [
                "emails>emails exact", "email>email exact", "emails.address>email entries",
            ])
        #expect(try map([("email", nil)], fields) == ["email>email exact"])
    }

    @Test func theFlatValueGoesBeforeTheEntries() throws {
        let entries = ResourceDescription.Entries(list: "emails", value: "address")
        let provider = ProviderDescription(
            name: "p", displayName: "P", recoveryClass: .keyed,
            resources: [
                ResourceDescription(
                    name: "r", endgrateType: "t", displayName: "R", fields: [Field(name: "email", entries: entries)])
            ], readBatch: 1, writeBatch: 1)
        let definition = #"{"schema":[{"endgrate_type":"t","properties":{"email":{},"emails":{}}}]}"#
        let plan = try SessionPlan(
            session: Identifier(high: 1, low: 1), revision: 1, account: Scene.account,
            definition: Scene.view(definition), provider: provider, defaultSchema: { _ in nil }, patterns: NoPatterns())
        func email(_ data: String) -> [String?] {
            PreparedRecord(Scene.row(data), plan: plan, disablesUpsert: false).fields
                .filter { $0.name == "email" }.map(\.value.string)
        }
        #expect(email(#"{"emails":[{"x":1},{"address":null},{"address":"b"},{"address":"c"}]}"#) == ["b"])
        #expect(email(#"{"emails":[{"address":"b"}],"email":"a"}"#) == ["a"])
        #expect(email(#"{"emails":[]}"#) == [])
    }

    @Test func theSameSessionAlwaysMapsAlike() throws {
        let fields = (0..<30).map { Field(name: "field_\($0)", synonyms: ["x\($0 / 2)", "y"]) }
        let properties: [(name: String, title: String?)] = (0..<40).map {
            ("x\($0 % 20)\($0 / 20 == 0 ? "" : "_")", "y")
        }
        let first = try map(properties, fields)
        for _ in 0..<20 { #expect(try map(properties, fields) == first) }
        let targets = first.compactMap { $0.split(separator: ">").dropFirst().first }
        #expect(Set(targets).count == targets.count, "no field is fed twice")
    }

    @Test func returnedFieldsGetTheCallersNames() throws {
        let mapping = try Mapping(
            properties: [SchemaProperty(name: "mail"), SchemaProperty(name: "city")],
            resource: resource([Field(name: "email", synonyms: ["mail"]), Field(name: "city")]), mode: .overwrite)
        var writer = JSONWriter()
        mapping.callerData(of: try Scene.view(#"{"email":"a","other":1,"city":null}"#), into: &writer)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"mail":"a","city":null}"#)
    }
}

@Suite struct SmallValueTests {
    @Test(arguments: [
        (0 as Int64, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (-86_400_000, "1969-12-31T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"), (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (4_107_456_000_000, "2100-02-28T00:00:00.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_078_012_800_000, "2004-02-29T00:00:00.000Z"), (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"), (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ])
    func aTimeIsWrittenAsTheCalendarHasIt(milliseconds: Int64, text: String) {
        #expect(WireTime.text(milliseconds) == text)
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        for day in stride(from: -60_000 as Int64, to: 90_000, by: 17) {
            let date = Date(timeIntervalSince1970: Double(day) * 86_400)
            let parts = calendar.dateComponents([.year, .month, .day], from: date)
            let text = String(format: "%04d-%02d-%02dT", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
            #expect(WireTime.text(day * 86_400_000).hasPrefix(text))
        }
    }

    @Test func identifiersSortByTimeAndSurviveTheirText() throws {
        var source = IdentifierSource()
        var last: Identifier?
        for (time, chance) in [(1_000 as Int64, 9 as UInt32), (1_000, 1), (2_000, 0), (500, .max), (2_001, 5)] {
            let next = source.next(milliseconds: time, chance: chance)
            #expect(Identifier(text: next.text) == next)
            #expect(next.text.utf8.count == 24)
            if let last { #expect(last < next && last.text < next.text, "also when the clock steps back") }
            last = next
        }
        #expect(Identifier(high: 0x0123_4567_89AB_CDEF, low: 0x1020_3040).text == "0123456789abcdef10203040")
        #expect(Identifier(high: 1, low: 1) < Identifier(high: 1, low: 2))
        #expect(!(Identifier(high: 2, low: 0) < Identifier(high: 1, low: 9)))
    }

    @Test func aClockBefore1970DoesNotUseUpTheTimeToCome() {
        var source = IdentifierSource()
        let before = source.next(milliseconds: -1, chance: 0)
        let after = source.next(milliseconds: 1_700_000_000_000, chance: 0)
        #expect(before < after)
        #expect(after.high == 1_700_000_000_000 << 16)
    }

    @Test(arguments: [
        "", "0123456789abcdef1020304", "0123456789abcdef102030400", "0123456789ABCDEF10203040",
        "0123456789abcdeg10203040", "0123456789abcdef1020304 ", "+123456789abcdef10203040", "é23456789abcdef10203040",
    ])
    func whatIsNoIdentifierIsRefused(text: String) {
        #expect(Identifier(text: text) == nil)
    }

    @Test func waitsDoubleUpToAMinuteWithAHalfOfChance() {
        for (attempt, whole) in [
            (-5 as Int32, 0.5), (0, 0.5), (1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (9, 60), (.max, 60),
        ] {
            let nanoseconds = UInt64(whole * 1e9)
            for chance in [0, 1, 12_345_678_901, UInt64.max] {
                let wait = Backoff.nanoseconds(attempt: attempt, chance: chance)
                #expect(wait >= nanoseconds / 2 && wait < nanoseconds)
            }
            #expect(Backoff.nanoseconds(attempt: attempt, chance: nanoseconds / 2 - 1) == nanoseconds - 1)
        }
    }

    @Test(arguments: [
        ("My Things", "my-things"), ("a  --b", "a-b"), ("../x/y", "x-y"), ("snake_case9", "snake_case9"),
        ("", "record"), ("!!", "record"), ("Zoë", "zoueb"), ("名", "u540d"),
    ])
    func aSlugIsSafeInAPath(name: String, slug: String) {
        #expect(ProviderDescription.slug(name) == slug)
    }

    @Test func typesFindTheirResource() {
        var provider = Scene.provider()
        #expect(provider.resource(forType: "crm-contact", key: "x")?.name == "contacts")
        #expect(provider.resource(forType: "crm-deal", key: "x") == nil)
        provider.hasOpenResources = true
        #expect(provider.resource(forType: "crm-contact", key: "x")?.name == "contacts")
        let open = provider.resource(forType: "My Type", key: "Title")
        #expect(open?.name == "my-type" && open?.displayName == "Title" && open?.hasOpenFields == true)
        #expect(provider.resource(forType: "unspecified", key: "Red Cars")?.name == "red-cars")
    }
}
