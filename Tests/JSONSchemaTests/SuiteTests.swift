import Foundation
import JSON
import JSONSchema
import Testing

/// The official test suite, draft 2020-12: all required files, and the optional ones about what is offered here.
/// `Tests/Support/fetch_json_schema_suite.sh` brings it.
@Suite struct SuiteTests {
    static let folder = ProcessInfo.processInfo.environment["PUSHGATE_JSON_SCHEMA_SUITE"].flatMap {
        $0.isEmpty ? nil : $0
    }

    static let optional = [
        "anchor", "bignum", "dynamicRef", "float-overflow", "format-assertion", "id", "no-schema",
        "non-bmp-regex", "refOfUnknownKeyword", "unknownKeyword", "format/date", "format/date-time", "format/email",
        "format/hostname", "format/ipv4", "format/ipv6", "format/regex", "format/time", "format/unknown", "format/uri",
        "format/uri-reference", "format/uuid",
    ]

    /// Tests that end otherwise here, and why. Nil: every test of the group.
    struct Exception {
        let file: String
        let group: String?
        var test: String?
        let reason: String
    }

    static let exceptions: [Exception] =
        [
            Exception(
                file: "defs", group: "validate definition against metaschema",
                reason: "the metaschema is not in the document"),
            Exception(
                file: "ref", group: "remote ref, containing refs itself",
                reason: "the metaschema is not in the document"),
            Exception(
                file: "vocabulary", group: "schema that uses custom metaschema with with no validation vocabulary",
                test: "no validation: invalid number, but it still validates",
                reason: "$schema is not read: all vocabularies are always on"),
        ]
        + ["date", "date-time", "email", "hostname", "ipv4", "ipv6", "regex", "time", "uri", "uri-reference", "uuid"]
        .map {
            Exception(
                file: "format", group: "\($0) format", test: "invalid \($0) string is only an annotation by default",
                reason: "formats assert")
        }

    @Test(.enabled(if: folder != nil, "set PUSHGATE_JSON_SCHEMA_SUITE to the folder that the script printed"))
    func everyTestEndsAsTheSuiteSays() throws {
        let folder = try #require(Self.folder)
        let remotes = try Remotes(folder: folder + "/remotes")
        let required = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
        try #require(required.count > 40)
        var passed = 0
        var excepted = 0
        var different: [String] = []
        for file in required + Self.optional.map({ "optional/" + $0 }) {
            let text = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file).json"))
            for group in try JSONDocument(parsing: Array(text)).root.elements {
                let name = try #require(group["description"]?.string)
                let program = try remotes.compile(try #require(group["schema"]))
                for test in try #require(group["tests"]).elements {
                    let title = try #require(test["description"]?.string)
                    let wanted = test["valid"]?.bool == true ? "valid" : "invalid"
                    let found = verdict(program, try #require(test["data"]))
                    let isException = Self.exceptions.contains {
                        $0.file == file && ($0.group ?? name) == name && ($0.test ?? title) == title
                    }
                    if isException { excepted += 1 } else if found == wanted { passed += 1 }
                    if isException == (found == wanted) { different.append("\(file): \(name): \(title): \(found)") }
                }
            }
        }
        #expect(different.isEmpty, "\(different.joined(separator: "\n"))")
        print("JSON Schema test suite: \(passed) tests end as the suite says, \(excepted) are listed exceptions")
    }

    /// Both ways of walking must agree.
    private func verdict(_ program: Result<CompiledSchema, SchemaFailure>, _ value: JSONView) -> String {
        switch program {
        case .failure(let failure): return "refused: \(failure.problems)"
        case .success(let program):
            let isValid = program.isValid(value)
            guard program.violations(of: value).isEmpty == isValid else { return "the two walks disagree" }
            return isValid ? "valid" : "invalid"
        }
    }
}

/// The documents that the suite expects behind `http://localhost:1234/`. Nothing is ever fetched, so those that a schema
/// needs are put into its `$defs`, as the specification describes it for bundles.
private struct Remotes {
    private var documents: [(name: String, text: String, value: JSONValue)] = []

    init(folder: String) throws {
        for path in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() where path.hasSuffix(".json") {
            guard path.hasPrefix("draft2020-12/") || !path.contains("/") else { continue }
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + path)))
            var value = try JSONValue(parsing: bytes)
            let address = "http://localhost:1234/" + path
            if let own = value["$id"]?.string, own != address {
                value = ["$id": .string(address), "$ref": .string(own), "$defs": ["own": value]]
            } else {
                value["$id"] = .string(address)
            }
            documents.append(
                (String(path.split(separator: "/").last ?? ""), String(decoding: bytes, as: UTF8.self), value))
        }
    }

    func compile(_ schema: JSONView) throws -> Result<CompiledSchema, SchemaFailure> {
        let alone = Result { () throws(SchemaFailure) in try CompiledSchema(schema, patterns: FoundationPatterns()) }
        var text = String(decoding: schema.compactText, as: UTF8.self)
        guard case .failure = alone, text.contains("localhost:1234"), var bundle = .some(JSONValue(schema)) else {
            return alone
        }
        var names: Set<Int> = []
        while let next = documents.indices.first(where: { !names.contains($0) && text.contains(documents[$0].name) }) {
            names.insert(next)
            text += documents[next].text
        }
        var definitions = bundle["$defs"] ?? [:]
        for place in names.sorted() { definitions["remote \(place)"] = documents[place].value }
        bundle["$defs"] = definitions
        let whole = try JSONDocument(parsing: bundle.text).root
        return Result { () throws(SchemaFailure) in try CompiledSchema(whole, patterns: FoundationPatterns()) }
    }
}
