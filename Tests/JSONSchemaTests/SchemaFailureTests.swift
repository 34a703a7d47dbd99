import JSON
import Testing

@testable import JSONSchema

@Suite struct SchemaFailureTests {
    /// Pointers of the problems; nil if the schema is good.
    static func problems(_ text: String) throws -> [String] {
        let view = try view(text)
        do throws(SchemaFailure) {
            _ = try CompiledSchema(view, patterns: FoundationPatterns())
            return []
        } catch {
            #expect(error.problems.allSatisfy { $0.message.hasSuffix(".") })
            return error.problems.map { $0.pointer }
        }
    }

    @Test(arguments: [
        ("5", ""), (#"{"items": 5}"#, "/items"), (#"{"type": "strin"}"#, "/type"), (#"{"type": []}"#, "/type"),
        (#"{"type": {"a": 1}}"#, "/type"), (#"{"enum": 1}"#, "/enum"), (#"{"minimum": "1"}"#, "/minimum"),
        (#"{"multipleOf": 0}"#, "/multipleOf"), (#"{"multipleOf": -1}"#, "/multipleOf"),
        (#"{"multipleOf": 0.1234567890123456789}"#, "/multipleOf"), (#"{"minLength": -1}"#, "/minLength"),
        (#"{"maxItems": 1.5}"#, "/maxItems"), (#"{"maxProperties": null}"#, "/maxProperties"),
        (#"{"pattern": 1}"#, "/pattern"), (#"{"pattern": "("}"#, "/pattern"), (#"{"format": 1}"#, "/format"),
        (#"{"patternProperties": {"(": {}}}"#, "/patternProperties"), (#"{"properties": []}"#, "/properties"),
        (#"{"properties": {"a/b": {"type": 1}}}"#, "/properties/a~1b/type"), (#"{"required": "a"}"#, "/required"),
        (#"{"required": ["a", 1]}"#, "/required"), (#"{"required": ["a", "a"]}"#, "/required"),
        (#"{"uniqueItems": 1}"#, "/uniqueItems"), (#"{"allOf": []}"#, "/allOf"), (#"{"oneOf": {}}"#, "/oneOf"),
        (#"{"anyOf": [true, {"not": 1}]}"#, "/anyOf/1/not"),
        (#"{"dependentRequired": {"a": "b"}}"#, "/dependentRequired"),
        (#"{"dependentSchemas": {"a": 1}}"#, "/dependentSchemas/a"), (#"{"$defs": 1}"#, "/$defs"),
        (#"{"$defs": {"unused": {"type": 1}}}"#, "/$defs/unused/type"), (#"{"$ref": 1}"#, "/$ref"),
        (##"{"$ref": "#/nowhere"}"##, "/$ref"), (##"{"$ref": "#nowhere"}"##, "/$ref"),
        (##"{"$ref": "#%4"}"##, "/$ref"), (##"{"allOf": [{}], "$ref": "#/allOf/01"}"##, "/$ref"),
        (##"{"$ref": "#/title", "title": "x"}"##, "/$ref"), (#"{"$ref": "https://example.com/s"}"#, "/$ref"),
        (#"{"$dynamicRef": 1}"#, "/$dynamicRef"), (#"{"$id": 1}"#, "/$id"), (##"{"$id": "a#b"}"##, "/$id"),
        (#"{"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}"#, "/$defs/b/$id"), (#"{"$anchor": "1a"}"#, "/$anchor"),
        (#"{"$defs": {"a": {"$anchor": "x"}, "b": {"$dynamicAnchor": "x"}}}"#, "/$defs/b/$dynamicAnchor"),
    ])
    func aFaultIsFoundWhereItIs(text: String, pointer: String) throws {
        #expect(try Self.problems(text) == [pointer])
    }

    @Test func allFaultsAreToldUpToTheCeiling() throws {
        #expect(
            try Self.problems(#"{"type": 1, "minimum": "", "items": {"pattern": "("}}"#) == [
                "/type", "/minimum", "/items/pattern",
            ])
        let many = "{\"allOf\": [\((0..<150).map { _ in "1" }.joined(separator: ","))]}"
        #expect(try Self.problems(many).count == SchemaFailure.ceiling)
    }

    @Test(arguments: [
        (##"{"$ref": "#"}"##, [""]), (##"{"anyOf": [{"$ref": "#"}]}"##, [""]),
        (##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}"##, ["/$defs/a"]),
        (##"{"dependentSchemas": {"x": {"if": {"$ref": "#"}}}}"##, [""]),
        (##"{"$dynamicAnchor": "n", "then": {"$dynamicRef": "#n"}}"##, [""]),
        (##"{"properties": {"child": {"$ref": "#"}}, "items": {"$ref": "#"}}"##, []),
    ])
    func schemasThatLeadBackWithoutGoingDownAreRefused(text: String, pointers: [String]) throws {
        #expect(try Self.problems(text) == pointers)
    }

    @Test func recursionGoesAsDeepAsTheValue() throws {
        let tree = try schema(##"{"properties": {"a": {"$ref": "#"}}, "additionalProperties": false}"##)
        let deep = String(repeating: #"{"a":"#, count: 127) + #"{"b": 1}"# + String(repeating: "}", count: 127)
        #expect(
            try faults(tree, deep) == [String(repeating: "/a", count: 127) + "/b additionalProperties"])
    }

    @Test func workIsBounded() throws {
        // Each level doubles the work: 2^40 steps without the ceiling.
        var definitions = #""d0": {"type": "string"}"#
        for level in 1...40 {
            let below = "{\"$ref\": \"#/$defs/d\(level - 1)\"}"
            definitions += ", \"d\(level)\": {\"allOf\": [\(below), \(below)]}"
        }
        let doubling = try schema("{\"$ref\": \"#/$defs/d40\", \"$defs\": {\(definitions)}}")
        #expect(try faults(doubling, #""x""#) == [" schema"])
        let inverted = try schema("{\"not\": {\"$ref\": \"#/$defs/d40\"}, \"$defs\": {\(definitions)}}")
        #expect(try faults(inverted, #""x""#) == [" schema"])
        // A chain that is longer than the ceiling on depth.
        let chain = (0..<3_000).map { "\"c\($0)\": {\"$ref\": \"#/$defs/c\($0 + 1)\"}" }.joined(separator: ",")
        let long = try schema("{\"$ref\": \"#/$defs/c0\", \"$defs\": {\(chain), \"c3000\": {\"type\": \"null\"}}}")
        #expect(try faults(long, "null") == [" schema"])
        // Patterns that run away are tried a few times, not once an element, and `not` draws no conclusion from one.
        let slow = "[" + (0..<10).map { _ in #""exceed the limits""# }.joined(separator: ",") + "]"
        let found = try faults(try schema(#"{"items": {"pattern": "x"}}"#), slow)
        #expect(found == ["/0 pattern", "/1 pattern", "/2 pattern", "/3 pattern", " schema"])
        #expect(try faults(try schema(#"{"items": {"not": {"pattern": "x"}}}"#), slow) == [" schema"])
        let equal = "[" + (0..<3_000).map { _ in #"{"a":[1,2,3],"b":"x"}"# }.joined(separator: ",") + "]"
        #expect(try faults(try schema(#"{"uniqueItems": true}"#), equal) == [" uniqueItems"])
    }
}
