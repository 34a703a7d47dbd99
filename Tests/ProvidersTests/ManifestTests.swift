import Foundation
import JSON
import PushCore
import Testing

@testable import Providers

@Suite struct ManifestTests {
    /// The manifest of the embedded provider, found from the place of this file.
    static func local() throws -> ProviderDescription {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try Data(contentsOf: repository.appending(path: "protocol/providers/local.json"))
        return try Manifest.read(try JSONDocument(parsing: [UInt8](text)).root)
    }

    private static let small = #"""
        {"name":"p","display_name":"P","class":"searchable","auth_type":"oauth","endgrate_provider_type":"CRM",
        "batch":{"read":1,"write":10000},"resources":[{"name":"people","endgrate_type":"crm-contact",
        "display_name":"People","fields":[{"name":"mail","normalise":"email"},{"name":"age"}],"match":[["mail"]],
        "associations":{"crm-deal":{"resource":"deals","cardinality":"one"}}}]}
        """#

    private static func read(_ text: String) throws -> ProviderDescription {
        try Manifest.read(try JSONDocument(parsing: Array(text.utf8)).root)
    }

    @Test func theManifestOfTheEmbeddedProviderIsRead() throws {
        let local = try Self.local()
        #expect(local.name == "local" && local.recoveryClass == .keyed && local.fieldsMember == "fields")
        #expect(local.readBatch >= local.writeBatch && local.hasOpenResources)
        #expect(
            local.resources.map(\.name) == [
                "contacts", "companies", "deals", "activities", "leads", "notes", "tasks", "products", "customers",
                "invoices", "payments", "accounting_products",
            ])
        #expect(
            local.resources.map(\.endgrateType) == [
                "crm-contact", "crm-company", "crm-deal", "crm-activity", "crm-lead", "crm-note", "crm-task",
                "crm-product", "accounting-customer", "accounting-invoice", "accounting-payment", "accounting-product",
            ])
        #expect(local.resources.allSatisfy { $0.hasOpenFields && !$0.links.isEmpty })
        // Only these two rules are published; invented ones would merge records (D9).
        #expect(local.resources.filter { !$0.matchRules.isEmpty }.map(\.name) == ["contacts", "companies"])
    }

    @Test func aContactIsMatchedByEmailThenPhoneThenName() throws {
        let contacts = try Self.local().resources[0]
        #expect(
            contacts.matchRules == [
                MatchRule(field: "email", kind: .email), MatchRule(field: "phone", kind: .phone),
                MatchRule(field: "full_name", kind: .name, parts: ["first_name", "last_name"]),
            ])
    }

    @Test func listsOfTypedEntriesFeedTheFlatField() throws {
        let contacts = try Self.local().resources[0]
        let fed = contacts.fields.filter { $0.entries != nil }
        #expect(fed.map(\.name) == ["email", "phone"])
        #expect(
            fed.first?.entries == ResourceDescription.Entries(list: "email_addresses", value: "email_address"))
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let provider = try Self.read(Self.small)
        #expect(provider.url == "" && provider.image == "" && provider.fieldsMember == nil)
        #expect(!provider.hasOpenResources && !provider.resources[0].hasOpenFields)
        #expect(provider.recoveryClass == .searchable && provider.readBatch == 1 && provider.writeBatch == 10_000)
        #expect(provider.resources[0].fields.map(\.type) == [.string, .string])
        #expect(
            provider.resources[0].links == [
                ResourceDescription.Link(endgrateType: "crm-deal", resource: "deals", isSingle: true)
            ])
    }

    @Test func aFieldSaysHowItsValuesAreSpelled() throws {
        let field = #"""
            {"name":"age","type":"date-time","form":"milliseconds","separator":", ","words":{"true":["Y","1"],"false":["N"]},
            "array_of":{"value":"string","kind":"string"}}
            """#
        let read = try Self.read(Self.small.replacingOccurrences(of: #"{"name":"age"}"#, with: field)).resources[0]
            .fields[1]
        #expect(read.type == .dateTime && read.form == .milliseconds && read.separator == ", ")
        #expect(read.words == BooleanWords(yes: ["Y", "1"], no: ["N"]) && read.member == "value")
        let plain = try Self.read(Self.small).resources[0].fields[1]
        #expect(plain.form == .rfc3339 && plain.separator == ";" && plain.words == nil && plain.member == nil)
    }

    @Test(arguments: [
        (#""name":"p","#, #""#, "/name"), (#""name":"p""#, #""name":"""#, "/name"),
        (#""name":"p""#, #""name":7"#, "/name"), (#""display_name":"P","#, "", "/display_name"),
        (#""class":"searchable","#, "", "/class"), ("searchable", "hopeful", "/class"),
        (#""auth_type":"oauth","#, "", "/auth_type"),
        (#""endgrate_provider_type":"CRM","#, "", "/endgrate_provider_type"),
        (#""read":1"#, #""read":0"#, "/batch/read"), (#""read":1"#, #""read":1.5"#, "/batch/read"),
        (#""read":1,"#, "", "/batch/read"), ("10000", "10001", "/batch/write"),
        (#""batch":{"read":1,"write":10000},"#, "", "/batch/read"),
        (#""resources":["#, #""sources":["#, "/resources"),
        (#"[{"name":"people""#, #"["x",{"name":"people""#, "/resources/0/name"),
        (#""name":"people","#, "", "/resources/0/name"),
        (#""endgrate_type":"crm-contact","#, "", "/resources/0/endgrate_type"),
        (#""display_name":"People","#, "", "/resources/0/display_name"),
        (#"{"name":"age"}"#, #"{"title":"Age"}"#, "/resources/0/fields/1/name"),
        (#"[["mail"]]"#, #"[["mail"],["age"]]"#, "/resources/0/match/1"),
        (#"[["mail"]]"#, #"[["nothing"]]"#, "/resources/0/match/0"),
        (#"[["mail"]]"#, #"[["mail","age"]]"#, "/resources/0/match/0"),
        (#"[["mail"]]"#, #"[[]]"#, "/resources/0/match/0"), (#"[["mail"]]"#, #"["mail"]"#, "/resources/0/match/0"),
        (#""normalise":"email""#, #""normalise":"colour""#, "/resources/0/match/0"),
        (#"{"name":"age"}"#, #"{"name":"age","type":"colour"}"#, "/resources/0/fields/1/type"),
        (#"{"name":"age"}"#, #"{"name":"age","form":"julian"}"#, "/resources/0/fields/1/form"),
        (#"{"name":"age"}"#, #"{"name":"age","separator":""}"#, "/resources/0/fields/1/separator"),
        (#"{"name":"age"}"#, #"{"name":"age","words":{"true":["y"]}}"#, "/resources/0/fields/1/words"),
        (#""resource":"deals","#, "", "/resources/0/associations/crm-deal"),
    ])
    func aFaultIsNamedByItsPlace(part: String, replacement: String, pointer: String) throws {
        #expect(Self.small.contains(part), "the manifest has what is taken from it")
        let text = Self.small.replacingOccurrences(of: part, with: replacement)
        let failure = try #require(throws: ManifestFailure.self) { try Self.read(text) }
        #expect(failure.pointer == pointer)
        #expect(failure.problem.hasPrefix("must "))
        #expect(failure.description == "\(pointer): \(failure.problem)")
    }

    @Test func whatIsNoObjectIsNoManifest() throws {
        for text in ["[]", "null", "7", #""local""#] {
            let failure = try #require(throws: ManifestFailure.self) { try Self.read(text) }
            #expect(failure.pointer == "/name")
        }
        #expect(ManifestFailure(pointer: "", problem: "is wrong").description == "/: is wrong")
    }
}
