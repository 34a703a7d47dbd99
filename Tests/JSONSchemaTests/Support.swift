import Foundation
import JSON
import JSONSchema

/// A matcher for tests, by Foundation. The product's is made of PCRE2 and has limits; this one has none.
struct FoundationPatterns: PatternCompiler {
    struct Matcher: PatternMatching {
        let expression: NSRegularExpression

        func matches(_ text: UnsafeRawBufferPointer) -> Bool? {
            let text = String(decoding: text, as: UTF8.self)
            if text == "exceed the limits" { return nil }
            return expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
        }
    }

    func compile(_ pattern: String) throws(PatternRefused) -> any PatternMatching {
        guard let expression = try? NSRegularExpression(pattern: pattern) else {
            throw PatternRefused(reason: "it is malformed", offset: 0)
        }
        return Matcher(expression: expression)
    }
}

func view(_ text: String) throws -> JSONView { try JSONDocument(parsing: Array(text.utf8)).root }

func schema(_ text: String, options: SchemaOptions = .init()) throws -> CompiledSchema {
    try CompiledSchema(try view(text), patterns: FoundationPatterns(), options: options)
}

/// Violations as `pointer keyword`.
func faults(
    _ schema: CompiledSchema, _ value: String, limit: Int = 100, ignoringRequired: Bool = false
) throws -> [String] {
    let view = try view(value)
    let violations = schema.violations(of: view, limit: limit, ignoringRequired: ignoringRequired)
    precondition(
        violations.isEmpty == schema.isValid(view, ignoringRequired: ignoringRequired), "The two walks must agree.")
    return violations.map { "\($0.pointer) \($0.keyword)" }
}
