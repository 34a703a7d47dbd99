import Foundation
import JSON
import JSONSchema
import Testing

@testable import Gateway

/// The official test suite where it is about patterns, with the matcher of the product (the rest of it, with all the files,
/// is in JSONSchemaTests, which does not know PCRE2).
@Suite struct SuitePatternTests {
    static let folder = ProcessInfo.processInfo.environment["PUSHGATE_JSON_SCHEMA_SUITE"].flatMap {
        $0.isEmpty ? nil : $0
    }

    static let files = [
        "pattern", "patternProperties", "optional/ecmascript-regex", "optional/non-bmp-regex", "optional/format/regex",
    ]

    /// Tests of optional files that end otherwise here, and why. Nil: every test of the group.
    struct Exception {
        let group: String
        let tests: [String]?
        let reason: String
    }

    private static let ascii = "\\s and \\S know the white space of ASCII, as \\d and \\w know its digits and letters"
    private static let longNames = "\\p knows the short names of Unicode's categories, not the long ones"
    static let exceptions = [
        Exception(
            group: #"ECMA 262 \s matches whitespace"#,
            tests: [
                "latin-1 non-breaking-space matches", "zero-width whitespace matches",
                "paragraph separator matches (line terminator)", "EM SPACE matches (Space_Separator)",
            ], reason: ascii),
        Exception(
            group: #"ECMA 262 \S matches everything but whitespace"#,
            tests: [
                "latin-1 non-breaking-space does not match", "zero-width whitespace does not match",
                "paragraph separator does not match (line terminator)", "EM SPACE does not match (Space_Separator)",
            ], reason: ascii),
        Exception(group: "patterns always use unicode semantics with pattern", tests: nil, reason: longNames),
        Exception(group: "patterns always use unicode semantics with patternProperties", tests: nil, reason: longNames),
        Exception(group: "pattern with non-ASCII digits", tests: nil, reason: longNames),
        Exception(group: "patternProperties with non-ASCII digits", tests: nil, reason: longNames),
    ]

    @Test(.enabled(if: folder != nil, "set PUSHGATE_JSON_SCHEMA_SUITE to the folder that the script printed"))
    func everyPatternMeansWhatTheSuiteSays() throws {
        let folder = try #require(Self.folder)
        let matcher = try #require(PatternMatcher())
        var passed = 0
        var excepted = 0
        var different: [String] = []
        for file in Self.files {
            let text = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file).json"))
            for group in try JSONDocument(parsing: Array(text)).root.elements {
                let name = try #require(group["description"]?.string)
                let schema = try #require(group["schema"])
                let program = Result { () throws(SchemaFailure) in try CompiledSchema(schema, patterns: matcher) }
                for test in try #require(group["tests"]).elements {
                    let title = try #require(test["description"]?.string)
                    let data = try #require(test["data"])
                    let isAsTold = (try? program.get())?.isValid(data) == test["valid"]?.bool
                    let isException = Self.exceptions.contains {
                        $0.group == name && ($0.tests?.contains(title) ?? true)
                    }
                    if isException { excepted += 1 } else if isAsTold { passed += 1 }
                    if isException == isAsTold { different.append("\(file): \(name): \(title)") }
                }
            }
        }
        #expect(different.isEmpty, "\(different.joined(separator: "\n"))")
        print(
            "JSON Schema test suite, patterns: \(passed) tests end as the suite says, \(excepted) are listed exceptions"
        )
    }
}
