import JSON
import JSONSchema
import Testing

@Suite struct ViolationTests {
    static let contact = #"""
        {"type": "object", "required": ["email", "name"], "additionalProperties": false, "properties": {
            "email": {"type": "string", "format": "email"}, "name": {"type": "string", "minLength": 2, "maxLength": 5},
            "age": {"type": "integer", "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items": {"enum": ["a", "b", 3]}},
            "a/b~c": {"type": "object", "properties": {"": {"type": "null"}}}, "first_name": {"type": "string"}}}
        """#

    @Test func allAreToldAtOnceWithTheirPointers() throws {
        let contact = try schema(Self.contact)
        let found = try faults(
            contact,
            #"{"email": 5, "name": "x", "age": 1.5, "tags": ["a", "c", 3, 4], "a/b~c": {"": 1}, "nme": 1}"#)
        #expect(
            found == [
                "/email type", "/name minLength", "/age type", "/tags/1 enum", "/tags/3 enum", "/a~1b~0c/ type",
                "/nme additionalProperties",
            ])
        #expect(try faults(contact, "{}") == [" required", " required"])
        #expect(try faults(contact, "[]") == [" type"])
    }

    @Test func noMoreThanTheLimitAreTold() throws {
        let list = try schema(#"{"items": {"type": "string", "not": {}}, "minItems": 9}"#)
        #expect(try faults(list, "[1, 2, 3, 4]").count == 9 - 4)
        #expect(try faults(list, "[1, 2, 3, 4]", limit: 2) == [" minItems", "/0 type"])
        let view = try view("[1, 2, 3, 4]")
        #expect(list.violations(of: view, limit: 0).isEmpty)
    }

    @Test func messagesSayWhatIsExpectedAndNeverQuoteTheValue() throws {
        let secret = "s3cr3t"
        let everything = try schema(
            #"""
            {"properties": {
                "a": {"type": ["string", "null"], "minLength": 20}, "b": {"maxLength": 1, "pattern": "^x", "format": "uuid"},
                "c": {"const": "k"}, "d": {"enum": [1, "two", null]}, "e": {"minimum": 2.50},
                "f": {"exclusiveMaximum": 1}, "g": {"multipleOf": 0.01}, "h": {"maxItems": 1, "uniqueItems": true},
                "i": {"required": ["z"], "maxProperties": 0}, "j": {"type": ["integer", "boolean"]}}}
            """#)
        let found = everything.violations(
            of: try view(
                #"""
                {"a": "s3cr3t", "b": "s3cr3t", "c": "s3cr3t", "d": "s3cr3t", "e": 2.4999, "f": 1, "g": 0.015,
                 "h": ["s3cr3t", "s3cr3t"], "i": {"s3cr3t": 1}, "j": "s3cr3t"}
                """#))
        #expect(
            found.map { $0.message } == [
                "Must have at least 20 characters.", "Must have at most 1 character.", "Must be a UUID.",
                "Must match the pattern ^x.", #"Must be "k"."#, #"Must be one of 1, "two" or null."#,
                "Must be at least 2.50.", "Must be less than 1.", "Must be a multiple of 0.01.",
                "Must have at most 1 element.", "May not hold two equal elements.", #"The property "z" is required."#,
                "Must have at most 0 properties.", "Must be an integer or true or false.",
            ])
        #expect(found.allSatisfy { !$0.message.contains(secret) && !$0.pointer.contains(secret) })
    }

    @Test func unknownPropertiesComeWithTheNearestKnownName() throws {
        let contact = try schema(Self.contact)
        let found = contact.violations(
            of: try view(#"{"email": "a@b", "name": "Bob", "fristName": 1, "emial": 2, "zzzzzz": 3}"#))
        #expect(found.map { $0.suggestion } == ["first_name", "email", nil])
        let extended = try schema(
            #"""
            {"$ref": "#/$defs/base", "properties": {"phone": {}}, "unevaluatedProperties": false,
             "$defs": {"base": {"properties": {"email": {}}}}}
            """#)
        let other = extended.violations(of: try view(#"{"email": 1, "phone": 1, "fone": 2, "e-mail": 3, "e_mial": 3}"#))
        #expect(other.map { $0.pointer } == ["/fone", "/e-mail", "/e_mial"])
        #expect(other.map { $0.suggestion } == [nil, "email", "email"])
    }

    @Test func anAlternativeThatIsMeantTellsWhatItMisses() throws {
        let either = try schema(
            #"""
            {"anyOf": [{"type": "null"}, {"type": "object", "required": ["id"], "properties": {"kind": {"const": "a"}}},
                       {"type": "object", "required": ["key"], "properties": {"kind": {"const": "b"}}}]}
            """#)
        #expect(try faults(either, #"{"kind": "b"}"#) == [" required"])
        #expect(either.violations(of: try view(#"{"kind": "b"}"#))[0].message == #"The property "key" is required."#)
        #expect(try faults(either, #"{"kind": "c"}"#) == [" anyOf"])
        #expect(try faults(either, "{}") == [" anyOf"])
        #expect(try faults(either, "null") == [])
        let one = try schema(#"{"oneOf": [{"minimum": 1}, {"maximum": 5}, {"type": "string", "maxLength": 1}]}"#)
        #expect(try faults(one, "3") == [" oneOf"])
        #expect(try faults(one, "9") == [])
    }

    @Test func aFaultyAlternativeDoesNotMakeItsPropertiesUnknown() throws {
        let strict = try schema(
            #"""
            {"anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["x"]},
                       {"properties": {"a": {"type": "array"}}, "required": ["y"]}],
             "allOf": [{"properties": {"b": {"type": "string"}}}], "unevaluatedProperties": false}
            """#)
        #expect(try faults(strict, #"{"a": 1, "b": 2}"#) == ["/b type", " anyOf"])
        #expect(try faults(strict, #"{"x": 1, "a": "1", "b": "2"}"#) == ["/x unevaluatedProperties"])
    }

    @Test func everyKeywordNamesItself() throws {
        let cases: [(String, String, [String])] = [
            (#"{"properties": {"a": false}}"#, #"{"a": 1}"#, ["/a properties"]),
            (
                #"{"patternProperties": {"^a": {"type": "string"}, "b$": false}}"#, #"{"ab": 1, "c": 1}"#,
                ["/ab type", "/ab patternProperties"]
            ),
            (#"{"propertyNames": {"maxLength": 2, "pattern": "^a"}}"#, #"{"ab": 1, "bcd": 1}"#, ["/bcd propertyNames"]),
            (#"{"dependentRequired": {"a": ["b", "c"]}}"#, #"{"a": 1, "b": 1}"#, [" dependentRequired"]),
            (#"{"dependentSchemas": {"a": {"minProperties": 2}}}"#, #"{"a": 1}"#, [" minProperties"]),
            (#"{"prefixItems": [{}, false], "items": false}"#, "[1, 2, 3]", ["/1 prefixItems", "/2 items"]),
            (
                #"{"prefixItems": [{"type": "string"}], "unevaluatedItems": false}"#, "[1, 2]",
                ["/0 type", "/1 unevaluatedItems"]
            ),
            (#"{"contains": {"const": 1}}"#, "[2]", [" contains"]),
            (#"{"contains": {"const": 1}, "minContains": 2}"#, "[1]", [" minContains"]),
            (#"{"contains": {"const": 1}, "maxContains": 1}"#, "[1, 1.0]", [" maxContains"]),
            (#"{"not": {"type": "string"}}"#, #""a""#, [" not"]),
            (#"{"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"maximum": 3}}"#, #""a""#, [" minLength"]),
            (#"{"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"maximum": 3}}"#, "4", [" maximum"]),
            (#"{"exclusiveMinimum": 3, "multipleOf": 2}"#, "3", [" exclusiveMinimum", " multipleOf"]),
            (#"{"const": {"a": [1, null, "x\n"]}}"#, #"{"a": [1.0, null, "x\u000a"]}"#, []),
            (#"{"pattern": "a"}"#, #""exceed the limits""#, [" pattern"]),
            (
                #"{"patternProperties": {"a": {}}}"#, #"{"exceed the limits": 1}"#,
                ["/exceed the limits patternProperties"]
            ),
            ("false", "1", [" false"]), ("true", "1", []),
        ]
        for (text, value, expected) in cases {
            #expect(try faults(try schema(text), value) == expected, "\(text)")
        }
    }

    @Test func namesAreComparedDecoded() throws {
        let names = try schema(
            #"{"properties": {"a\\b": {"type": "string"}, "é": {"type": "string"}, "a\\\\b": {"type": "null"}}, "additionalProperties": false}"#
        )
        #expect(try faults(names, #"{"a\\b": "x", "\u00e9": "y", "a\u005c\u005cb": null}"#) == [])
        #expect(
            try faults(names, #"{"a\\b": 1, "\u00e9": 1, "a\\\\b": 1}"#) == ["/a\\b type", "/é type", "/a\\\\b type"])
        #expect(try faults(names, #"{"a\/b": 1}"#) == ["/a~1b additionalProperties"])
    }

    @Test func tablesOfManyNamesFindEachAndNoOther() throws {
        let names = (0..<200).map { "property_number_\($0)" } + ["", "x", String(repeating: "long", count: 40)]
        let members = names.map { "\"\($0)\": {\"const\": \"\($0)\"}" }.joined(separator: ",")
        let many = try schema("{\"properties\": {\(members)}, \"additionalProperties\": false}")
        for name in names {
            #expect(try faults(many, "{\"\(name)\": \"\(name)\"}") == [])
            #expect(try faults(many, "{\"\(name)_\": \"\(name)\"}") == ["/\(name)_ additionalProperties"])
        }
    }

    @Test func lengthsCountScalars() throws {
        let short = try schema(#"{"maxLength": 9, "minLength": 9}"#)
        #expect(try faults(short, #""äöü€😀äöü€""#) == [])
        #expect(try faults(short, #""äöü€\ud83d\ude00äöü\n""#) == [])
        #expect(try faults(short, #""äöü€😀äöü€x""#) == [" maxLength"])
    }
}
