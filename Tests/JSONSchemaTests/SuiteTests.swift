import Foundation
import JSON
import JSONSchema
import Testing

/// The official test suite, draft 2020-12: all required files, and the optional ones about what is offered here.
/// `Tests/Support/fetch_json_schema_suite.sh` brings it.
@Suite struct SuiteTests {
    static let folder = ProcessInfo.processInfo.environment["PUSHGATE_JSON_SCHEMA_SUITE"]

    static let optional = [
        "anchor", "bignum", "dynamicRef", "float-overflow", "format-assertion", "id", "no-schema", "non-bmp-regex",
        "refOfUnknownKeyword", "unknownKeyword", "format/date", "format/date-time", "format/email", "format/hostname",
        "format/ipv4", "format/ipv6", "format/regex", "format/time", "format/unknown", "format/uri",
        "format/uri-reference", "format/uuid",
    ]

    /// Tests that end otherwise here, and why. Nil: every test of the group.
    struct Exception {
        let file: String
        let group: String
        var test: String?
        let reason: String
    }

    static let exceptions: [Exception] = []

    @Test(.enabled(if: folder != nil, "set PUSHGATE_JSON_SCHEMA_SUITE to the folder that the script printed"))
    func everyTestEndsAsTheSuiteSays() throws {
        let folder = try #require(Self.folder)
        let required = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
        try #require(required.count > 40)
        var passed = 0
        var excepted = 0
        for file in required + Self.optional.map({ "optional/" + $0 }) {
            let text = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file).json"))
            for group in try JSONDocument(parsing: Array(text)).root.elements {
                let name = try #require(group["description"]?.string)
                let schema = try #require(group["schema"])
                let program = Result { try CompiledSchema(schema, patterns: FoundationPatterns()) }
                for test in try #require(group["tests"]).elements {
                    let title = try #require(test["description"]?.string)
                    let wanted = test["valid"]?.bool == true
                    let value = try #require(test["data"])
                    let found = verdict(program, value)
                    let isException = Self.exceptions.contains {
                        $0.file == file && $0.group == name && ($0.test == nil || $0.test == title)
                    }
                    if isException {
                        #expect(found != (wanted ? "valid" : "invalid"), "stale exception \(file): \(name): \(title)")
                        excepted += 1
                    } else {
                        #expect(found == (wanted ? "valid" : "invalid"), "\(file): \(name): \(title)")
                        passed += 1
                    }
                }
            }
        }
        print("JSON Schema test suite: \(passed) as the suite says, \(excepted) listed exceptions")
    }

    /// Both ways of walking must agree.
    private func verdict(_ program: Result<CompiledSchema, any Error>, _ value: JSONView) -> String {
        switch program {
        case .failure(let failure): return "refused: \(failure)"
        case .success(let program):
            let isValid = program.isValid(value)
            let violations = program.violations(of: value)
            guard violations.isEmpty == isValid else { return "the two walks disagree" }
            return isValid ? "valid" : "invalid"
        }
    }
}
