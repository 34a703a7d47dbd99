import JSON
import JSONSchema
import Testing

@Suite struct OptionTests {
    @Test func aNullMemberIsAbsentForEveryKeyword() throws {
        let text = #"""
            {"properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}}, "required": ["a"],
             "additionalProperties": false, "maxProperties": 2, "propertyNames": {"maxLength": 3},
             "dependentRequired": {"b": ["a"]}, "patternProperties": {"^c": {"type": "string"}}}
            """#
        let strict = try schema(text)
        let lenient = try schema(text, options: SchemaOptions(nullIsAbsent: true))
        #expect(try faults(lenient, #"{"a": "x", "b": null, "cc": null, "unknown": null}"#) == [])
        #expect(
            try faults(strict, #"{"a": "x", "b": null, "cc": null, "unknown": null}"#) == [
                "/cc type", "/unknown additionalProperties", "/unknown propertyNames", " maxProperties",
            ])
        #expect(try faults(lenient, #"{"a": null}"#) == [" required"])
        #expect(try faults(lenient, #"{"a": null, "b": "x"}"#) == [" required", " dependentRequired"])
        #expect(try faults(lenient, #"{"a": "x", "b": ["y", null]}"#) == ["/b type"])
        let list = try schema(#"{"items": {"type": "string"}}"#, options: .records)
        #expect(try faults(list, "[null]") == ["/0 type"])
        let closed = try schema(#"{"unevaluatedProperties": false}"#, options: .records)
        #expect(try faults(closed, #"{"a": null, "b": 1}"#) == ["/b unevaluatedProperties"])
    }

    @Test func emptyTextAndDatabaseTimesAreAcceptedOnRequest() throws {
        let text = #"{"properties": {"at": {"format": "date-time"}, "mail": {"format": "email"}}}"#
        let strict = try schema(text)
        let records = try schema(text, options: .records)
        let values = [
            #"{"at": "2026-01-31 09:30:00", "mail": ""}"#, #"{"at": "2026-01-31 09:30:00.25+01:00"}"#,
            #"{"at": "2026-01-31T09:30:00Z"}"#,
        ]
        for value in values { #expect(try faults(records, value) == []) }
        #expect(try faults(strict, values[0]) == ["/at format", "/mail format"])
        #expect(try faults(strict, values[2]) == [])
        for bad in [
            "2026-01-31  09:30:00", "2026-02-30 09:30:00", "2026-01-31 9:30:00", "2026-01-31", "2026-01-31T09:30:00",
        ] {
            #expect(try faults(records, #"{"at": "\#(bad)"}"#) == ["/at format"], "\(bad)")
        }
    }

    @Test func aTimeOfDayNeedsNoOffsetInARecord() throws {
        let text = #"{"properties": {"at": {"format": "time"}}}"#
        for good in ["09:30:00", "09:30:00.25", "09:30:00Z", "09:30:00+01:00"] {
            #expect(try faults(schema(text, options: .records), #"{"at": "\#(good)"}"#) == [], "\(good)")
        }
        for bad in ["9:30", "09:30", "24:00:00", "noon", "09:30:60"] {
            #expect(try faults(schema(text, options: .records), #"{"at": "\#(bad)"}"#) == ["/at format"], "\(bad)")
        }
        #expect(try faults(schema(text), #"{"at": "09:30:00"}"#) == ["/at format"])
    }

    @Test func elementsOfExternalArraysAreLeftAlone() throws {
        let text = #"""
            {"properties": {"items": {"type": "array", "minItems": 1, "items": {"type": "object"}, "uniqueItems": true,
                "contains": {"required": ["x"]}}, "deep": {"properties": {"a/b": {"$ref": "#/properties/items"}}}}}
            """#
        let all = try schema(text)
        let some = try schema(text, options: SchemaOptions(externalArrays: ["/items", "/deep/a~1b"]))
        let value = #"{"items": [1, 1], "deep": {"a/b": [2, 2]}}"#
        #expect(try faults(some, value) == [])
        #expect(try faults(all, value).count == 6)
        #expect(try faults(some, #"{"items": [], "deep": {"a/b": 7}}"#) == ["/items minItems", "/deep/a~1b type"])
        #expect(throws: SchemaFailure.self) { try schema(text, options: SchemaOptions(externalArrays: ["items"])) }
        let closed = try schema(
            #"{"properties": {"a": {"unevaluatedItems": false}}}"#, options: SchemaOptions(externalArrays: ["/a"]))
        #expect(try faults(closed, #"{"a": [1]}"#) == [])
    }

    @Test func requiredIsADemandThatCanBeLiftedButNotACondition() throws {
        let plain = try schema(
            #"{"required": ["a"], "properties": {"b": {"required": ["c"]}, "d": {"type": "string"}}}"#)
        #expect(try faults(plain, #"{"b": {}, "d": 1}"#) == ["/b required", "/d type", " required"])
        #expect(try faults(plain, #"{"b": {}, "d": 1}"#, ignoringRequired: true) == ["/d type"])
        let either = try schema(#"{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}"#)
        #expect(try faults(either, "{}", ignoringRequired: true) == [])
        #expect(try faults(either, #"{"a": 1}"#, ignoringRequired: true) == [])
        #expect(try faults(either, #"{"a": 1, "b": 1}"#, ignoringRequired: true) == [" oneOf"])
        #expect(try faults(either, "{}") == [" oneOf"])
        let condition = try schema(
            #"{"if": {"required": ["a"]}, "then": {"properties": {"b": {"const": 1}}}, "not": {"required": ["c"]}}"#)
        #expect(try faults(condition, #"{"b": 2}"#, ignoringRequired: true) == [])
        #expect(try faults(condition, #"{"a": 0, "b": 2}"#, ignoringRequired: true) == ["/b const"])
        #expect(try faults(condition, #"{"c": 0}"#, ignoringRequired: true) == [" not"])
    }

    @Test func referencesMayLeadThroughAGreaterDocument() throws {
        let document = try view(
            #"""
            {"methods": [{"params": [{"schema": {"properties": {"id": {"$ref": "#/components/schemas/Id"}}}}]}],
             "components": {"schemas": {"Id": {"type": "string", "maxLength": 3}, "Bad": {"type": "strin"}}}}
            """#)
        let part = try #require(document["methods"]?[0]?["params"]?[0]?["schema"])
        let whole = try CompiledSchema(part, patterns: FoundationPatterns(), root: document)
        #expect(try faults(whole, #"{"id": "long"}"#) == ["/id maxLength"])
        #expect(throws: SchemaFailure.self) { try CompiledSchema(part, patterns: FoundationPatterns()) }
        let other = try view(##"{"methods": {"a~b/c": {"$ref": "#/nowhere"}}}"##)
        let broken = try #require(other["methods"]?["a~b/c"])
        do throws(SchemaFailure) {
            _ = try CompiledSchema(broken, patterns: FoundationPatterns(), root: other)
            Issue.record("compiled")
        } catch {
            #expect(error.problems.map { $0.pointer } == ["/methods/a~0b~1c/$ref"])
        }
    }

    @Test func aDynamicReferenceMeansWhatTheOutermostResourceSays() throws {
        let text = #"""
            {"$id": "https://example.com/ENTRY", "$ref": "REF", "$defs": {
                "tree": {"$id": "tree", "$dynamicAnchor": "node", "properties": {"child": {"$dynamicRef": "#node"}}},
                "strict": {"$id": "strict", "$dynamicAnchor": "node", "$ref": "tree", "unevaluatedProperties": false}}}
            """#
        func entry(_ name: String) throws -> CompiledSchema { try schema(text.replacing("REF", with: name)) }
        let value = #"{"child": {"child": {"chld": 1}}}"#
        #expect(try faults(try entry("tree"), value) == [])
        #expect(try faults(try entry("strict"), value) == ["/child/child/chld unevaluatedProperties"])
    }

    @Test func relativeIdentifiersResolveAgainstTheirBase() throws {
        let text = #"""
            {"$id": "http://h/a/b/root.json?q", "allOf": [{"$ref": "REF"}], "$defs": {
                "one": {"$id": "../x.json", "type": "string"}, "two": {"$id": "/y/./z.json", "$anchor": "n", "type": "array"},
                "three": {"$id": "//other/k", "type": "null"}, "four": {"$id": "urn:some:thing", "type": "boolean"},
                "five": {"$id": "sub/", "$defs": {"six": {"$id": "leaf", "type": "object"}}}}}
            """#
        for (reference, type, isFound) in [
            ("http://h/a/x.json", "string", true), ("../x.json", "string", true), ("../../a/./x.json#", "string", true),
            ("/y/z.json#n", "array", true), ("//other/k", "null", true), ("urn:some:thing", "boolean", true),
            ("sub/leaf", "object", true), ("leaf", "", false), ("HTTP://h/a/x.json", "string", true),
            ("?q#/$defs/one", "string", true),
            ("?other", "", false), ("/y/z.json#m", "", false), ("#/%24defs/one", "string", true),
        ] {
            let program = try? schema(text.replacing("REF", with: reference))
            #expect((program != nil) == isFound, "\(reference)")
            guard let program else { continue }
            let number = program.violations(of: try view("5"))
            #expect(number.count == 1 && number[0].keyword == "type", "\(reference)")
            let samples = ["string": "\"\"", "array": "[]", "null": "null", "boolean": "true", "object": "{}"]
            #expect(program.isValid(try view(samples[type] ?? "0")), "\(reference)")
        }
    }
}
