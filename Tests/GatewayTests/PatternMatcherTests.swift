import Foundation
import JSON
import JSONSchema
import Testing

@testable import Gateway

@Suite struct PatternMatcherTests {
    static func matches(_ pattern: String, _ text: String) throws -> Bool? {
        let matcher = try #require(PatternMatcher())
        let compiled = try matcher.compile(pattern)
        return Array(text.utf8).withUnsafeBytes { compiled.matches($0) }
    }

    @Test(arguments: [
        ("b", "abc", true), ("^b", "abc", false), ("^a*$", "", true), ("^a$", "a\n", false),
        (#"^\d+$"#, "٣", false), (#"^\d+$"#, "3", true), (#"^\w+$"#, "é", false), ("^.$", "😀", true),
        (#"^\u0041$"#, "A", true), (#"^\u{1F600}$"#, "😀", true), ("a[]", "a", false), (#"^(a)?\1b$"#, "b", true),
        (#"^\p{L}+$"#, "Łódź", true), ("(?<=€)5", "€5", true), ("", "", true), ("^$", "", true),
    ])
    func meansWhatAnECMAScriptReaderExpects(pattern: String, text: String, found: Bool) throws {
        #expect(try Self.matches(pattern, text) == found)
    }

    @Test(arguments: ["(", "[b-a]", "a{2,1}", #"\C"#, "(*UCP)a", #"\p{Nothing}"#, "(?:(?:(?:a{999}){999}){999})"])
    func malformedPatternsAreRefusedWithAReason(pattern: String) throws {
        let matcher = try #require(PatternMatcher())
        do throws(PatternRefused) {
            _ = try matcher.compile(pattern)
            Issue.record("compiled")
        } catch {
            #expect(error.reason.count > 5 && error.offset != nil)
        }
    }

    @Test func longAndDeepPatternsAreRefused() throws {
        let matcher = try #require(PatternMatcher())
        #expect(throws: PatternRefused(reason: "it is longer than 1000 bytes")) {
            try matcher.compile(String(repeating: "a", count: 1_001))
        }
        #expect(throws: Never.self) { try matcher.compile(String(repeating: "a", count: 1_000)) }
        #expect(throws: PatternRefused.self) {
            try matcher.compile(String(repeating: "(", count: 60) + String(repeating: ")", count: 60))
        }
    }

    /// Each of these takes minutes without limits.
    @Test(arguments: [
        ("^(a+)+$", String(repeating: "a", count: 60) + "!"), ("(a|aa)+$", String(repeating: "a", count: 60) + "!"),
        ("(.*)(.*)(.*)(.*)(.*)[xz]", String(repeating: "y", count: 5_000)),
        (#"^(([a-z])+.)+[A-Z]([a-z])+$"#, String(repeating: "a", count: 60)),
        ("x", String(repeating: "y", count: 16_385)),
    ])
    func patternsThatRunAwayAreStopped(pattern: String, text: String) throws {
        let clock = ContinuousClock()
        var found: Bool?? = .none
        let time = try clock.measure { found = try Self.matches(pattern, text) }
        #expect(found == .some(nil))
        #expect(time < .seconds(1))
    }

    @Test func plainSearchesInLongTextsStayWithinTheLimits() throws {
        #expect(try Self.matches("needle[0-9]+", String(repeating: "hay ", count: 4_000) + "needle7") == true)
        #expect(try Self.matches("^[a-z ]*$", String(repeating: "hay ", count: 250_000)) == true)
    }

    @Test func onePatternMayBeUsedByManyThreadsAtOnce() async throws {
        let matcher = try #require(PatternMatcher())
        let compiled = try matcher.compile("^(?:[a-z]+-)+[0-9]$")
        let wrong = await withTaskGroup(of: Int.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    (0..<2_000).count { turn in
                        let text = Array("ab-cde-f-\(turn % 10)\(turn % 3 == thread % 3 ? "" : "x")".utf8)
                        return text.withUnsafeBytes { compiled.matches($0) } != (turn % 3 == thread % 3)
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    static let folder = ProcessInfo.processInfo.environment["PUSHGATE_JSON_SCHEMA_SUITE"].flatMap {
        $0.isEmpty ? nil : $0
    }

    /// The suite's file about ECMAScript patterns, if the suite is at hand. PCRE2 differs where it is listed here.
    @Test(.enabled(if: folder != nil, "set PUSHGATE_JSON_SCHEMA_SUITE to the folder that the script printed"))
    func theSuiteOfPatterns() throws {
        let folder = try #require(Self.folder)
        let matcher = try #require(PatternMatcher())
        var different: Set<String> = []
        for file in [
            "pattern", "patternProperties", "optional/ecmascript-regex", "optional/non-bmp-regex",
            "optional/format/regex",
        ] {
            let text = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file).json")))
            for group in try JSONDocument(parsing: text).root.elements {
                let program = try? CompiledSchema(try #require(group["schema"]), patterns: matcher)
                for test in try #require(group["tests"]).elements
                where program?.isValid(try #require(test["data"])) != test["valid"]?.bool {
                    different.insert(group["description"]?.string ?? "")
                }
            }
        }
        // `\s` is ASCII here, and PCRE2 knows properties by their short names only (`\p{L}`, not `\p{Letter}`).
        #expect(
            different == [
                #"ECMA 262 \s matches whitespace"#, #"ECMA 262 \S matches everything but whitespace"#,
                "pattern with non-ASCII digits", "patternProperties with non-ASCII digits",
                "patterns always use unicode semantics with pattern",
                "patterns always use unicode semantics with patternProperties",
            ])
    }
}
