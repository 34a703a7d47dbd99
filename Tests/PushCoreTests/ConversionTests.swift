import JSON
import Testing

@testable import PushCore

private typealias Field = ResourceDescription.Field

/// What becomes of JSON text on its way into a field: the new text, `=` if it stays, `!` if it is refused.
private func into(_ field: Field, _ text: String) throws -> String {
    switch field.converted(try Scene.view(text)) {
    case .asItIs: "="
    case .text(let text): String(decoding: text, as: UTF8.self)
    case .refused: "!"
    }
}

@Suite struct ConversionTests {
    @Test func numbersKeepTheirDigitsOnTheWayToTextAndBack() throws {
        let text = Field(name: "f", type: .string)
        for number in ["1.10", "12345678901234567890.123456789", "1E+2", "-0.0", "0"] {
            #expect(try into(text, number) == "\"\(number)\"")
            #expect(try into(Field(name: "f", type: .number), "\"\(number)\"") == number)
        }
        #expect(
            try into(Field(name: "f", type: .number), #"" 12.50 ""#) == "12.50", "blanks around it are no part of it")
        for bad in [
            #""1,200.50""#, #""007""#, #""+5""#, #""1.""#, #""12 000""#, #""true""#, "true", "[1]", "{}",
            #""Infinity""#,
        ] {
            #expect(try into(Field(name: "f", type: .number), bad) == "!", "\(bad)")
        }
    }

    @Test func whatTheFieldTakesIsLeftAlone() throws {
        for (type, text) in [
            (FieldType.string, #""a""#), (.number, "1.0"), (.boolean, "false"), (.object, #"{"a":1}"#), (.array, "[1]"),
            (.any, "[{}]"), (.any, "true"),
        ] {
            #expect(try into(Field(name: "f", type: type), text) == "=")
        }
        for type in FieldType.allCases { #expect(try into(Field(name: "f", type: type), "null") == "=") }
    }

    @Test func aBlankTextIsNoValueOfATypedField() throws {
        for type in [FieldType.number, .boolean, .date, .dateTime, .array] {
            #expect(try into(Field(name: "f", type: type), #""""#) == "null", "\(type)")
        }
        #expect(try into(Field(name: "f", type: .string), #""""#) == "=")
        #expect(try into(Field(name: "f", type: .object), #""""#) == "!")
    }

    @Test func listsBecomeOneTextUnlessThatCouldNotBeTakenApart() throws {
        let text = Field(name: "f", type: .string)
        #expect(try into(text, #"["a","b",null,1.50]"#) == #""a;b;1.50""#)
        #expect(try into(text, "[]") == #""""#)
        #expect(try into(text, #"["a;b"]"#) == "!")
        #expect(try into(text, #"[["a"]]"#) == "!")
        #expect(try into(text, #"[true]"#) == "!")
        #expect(try into(text, #"{"a":1}"#) == "!")
        let comma = Field(name: "f", type: .string, separator: ", ")
        #expect(try into(comma, #"["a;b","c"]"#) == #""a;b, c""#)
    }

    @Test func plainValuesBecomeEntries() throws {
        let list = Field(name: "f", type: .array, member: "address")
        #expect(try into(list, #"["a","b"]"#) == #"[{"address":"a"},{"address":"b"}]"#)
        #expect(
            try into(list, #"["a",{"address":"b","kind":"HOME"}]"#)
                == #"[{"address":"a"},{"address":"b","kind":"HOME"}]"#)
        #expect(try into(list, #"[{"address":"b"}]"#) == "=")
        #expect(try into(list, #""a""#) == #"[{"address":"a"}]"#)
        #expect(try into(list, #"{"address":"a"}"#) == #"[{"address":"a"}]"#)
        #expect(try into(list, "true") == "!")
        #expect(try into(Field(name: "f", type: .array), "7") == "[7]")
    }

    @Test func wordsAreOnlyTakenWhereTheFieldHasThem() throws {
        let plain = Field(name: "f", type: .boolean)
        for text in [#""yes""#, #""true""#, "1"] { #expect(try into(plain, text) == "!") }
        let words = BooleanWords(yes: ["Yes", "true"], no: ["No"])
        let field = Field(name: "f", type: .boolean, words: words)
        #expect(try into(field, #""yes""#) == "true")
        #expect(try into(field, #""NO""#) == "false")
        #expect(try into(field, #""maybe""#) == "!")
        #expect(try into(Field(name: "f", type: .string, words: words), "true") == #""Yes""#)
        #expect(try into(Field(name: "f", type: .string, words: words), "false") == #""No""#)
        #expect(try into(Field(name: "f", type: .string), "true") == "!")
    }

    @Test(arguments: [
        ("2026-01-31 09:30:00", "\"2026-01-31T09:30:00Z\"", "=", "1769851800000", "1769851800"),
        ("2026-01-31 09:30:00.250", "\"2026-01-31T09:30:00.25Z\"", "=", "1769851800250", "1769851800"),
        ("2026-01-31T09:30:00Z", "=", "\"2026-01-31 09:30:00\"", "1769851800000", "1769851800"),
        ("2026-01-31T09:30:00.1239+01:00", "=", "\"2026-01-31 08:30:00.1239\"", "1769848200123", "1769848200"),
        (
            "2026-01-31 23:30:00-05:30", "\"2026-02-01T05:00:00Z\"", "\"2026-02-01 05:00:00\"", "1769922000000",
            "1769922000"
        ),
        ("2026-01-31", "\"2026-01-31T00:00:00Z\"", "\"2026-01-31 00:00:00\"", "1769817600000", "1769817600"),
        ("1969-12-31T23:59:59.5Z", "=", "\"1969-12-31 23:59:59.5\"", "-500", "-1"),
        ("2016-12-31T23:59:60Z", "=", "\"2017-01-01 00:00:00\"", "1483228800000", "1483228800"),
    ])
    func aTimeGetsTheSpellingOfTheProvider(
        text: String, rfc3339: String, blank: String, milliseconds: String, seconds: String
    ) throws {
        for (form, expected) in [
            (TimeForm.rfc3339, rfc3339), (.blank, blank), (.milliseconds, milliseconds), (.seconds, seconds),
        ] {
            #expect(try into(Field(name: "f", type: .dateTime, form: form), "\"\(text)\"") == expected, "\(form)")
        }
    }

    @Test func aDateIsTheDayThatWasWritten() throws {
        let date = Field(name: "f", type: .date)
        #expect(try into(date, #""2026-01-31""#) == "=")
        #expect(try into(date, #""2026-01-31 23:30:00""#) == #""2026-01-31""#)
        #expect(try into(date, #""2026-01-31T23:30:00-05:00""#) == #""2026-01-31""#, "not the next day, as in UTC")
        #expect(
            try into(Field(name: "f", type: .date, form: .milliseconds), #""2026-01-31 23:30:00""#) == "1769817600000")
        #expect(try into(Field(name: "f", type: .date, form: .seconds), #""2026-01-31""#) == "1769817600")
    }

    @Test func whatIsNoTimeIsRefused() throws {
        for type in [FieldType.date, .dateTime] {
            let field = Field(name: "f", type: type)
            for bad in [
                #""soon""#, #""2026-02-30""#, #""2026-01-31T09:30:00""#, #""31.01.2026""#, "1769851800000", "true",
                "[]",
            ] {
                #expect(try into(field, bad) == "!", "\(type) \(bad)")
            }
            #expect(try into(Field(name: "f", type: type, form: .milliseconds), "1769851800000") == "=")
            #expect(try into(Field(name: "f", type: type, form: .milliseconds), "17.5") == "!")
        }
    }

    @Test func aRefusalSaysWhatTheFieldTakesAndNeverTheValue() throws {
        for (type, word) in [
            (FieldType.number, "number"), (.boolean, "true or false"), (.date, "2026-01-31"), (.object, "object"),
        ] {
            guard case .refused(let why) = Field(name: "size", type: type).converted(try Scene.view(#""secret""#))
            else {
                Issue.record("\(type) takes a word")
                continue
            }
            #expect(why.contains("\"size\"") && why.contains(word) && !why.contains("secret"))
        }
    }

    // MARK: Beforehand

    private func beforehand(_ field: Field, _ schema: String) throws -> String {
        do throws(Field.Unfit) {
            return try field.conversion(of: SchemaProperty(name: "p", schema: try! Scene.view(schema)))?.rawValue
                ?? "none"
        } catch {
            return "unfit: \(error.phrase)"
        }
    }

    @Test(arguments: [
        (FieldType.string, #"{"type":"string"}"#, "none"), (.string, #"{"type":"number"}"#, "number_to_text"),
        (.string, #"{"type":["null","integer"]}"#, "number_to_text"),
        (.string, #"{"type":"array","items":{"type":"string"}}"#, "list_to_text"),
        (.string, #"{"type":"array"}"#, "list_to_text"), (.string, "{}", "none"),
        (.string, #"{"type":"array","items":{"type":"object"}}"#, "unfit: a text"),
        (.string, #"{"type":"boolean"}"#, "unfit: a text"), (.string, #"{"type":"object"}"#, "unfit: a text"),
        (.string, #"{"type":["object","string"]}"#, "none"),
        (.number, #"{"type":"string"}"#, "text_to_number"), (.number, #"{"type":"integer"}"#, "none"),
        (.number, #"{"type":"boolean"}"#, "unfit: a number such as 12.50"),
        (.boolean, #"{"type":"string"}"#, "unfit: true or false"), (.boolean, #"{"type":"boolean"}"#, "none"),
        (.date, #"{"type":"string"}"#, "time"), (.dateTime, "{}", "time"),
        (.date, #"{"type":"number"}"#, "unfit: a date such as 2026-01-31"),
        (.array, #"{"type":"string"}"#, "value_to_list"), (.array, #"{"type":"array"}"#, "none"),
        (.array, #"{"type":"boolean"}"#, "unfit: a list"), (.object, #"{"type":"object"}"#, "none"),
        (.any, #"{"type":"object"}"#, "none"),
    ])
    func theSchemaSaysBeforehandWhatWillBeDone(type: FieldType, schema: String, expected: String) throws {
        #expect(try beforehand(Field(name: "f", type: type), schema) == expected)
    }

    @Test func entriesAndWordsAreForeseenToo() throws {
        let words = BooleanWords(yes: ["y"], no: ["n"])
        #expect(
            try beforehand(Field(name: "f", type: .boolean, words: words), #"{"type":"string"}"#) == "text_to_boolean")
        #expect(
            try beforehand(Field(name: "f", type: .string, words: words), #"{"type":"boolean"}"#) == "boolean_to_text")
        let list = Field(name: "f", type: .array, member: "m")
        #expect(try beforehand(list, #"{"type":"array","items":{"type":"string"}}"#) == "list_to_entries")
        #expect(try beforehand(list, #"{"type":"array","items":{"type":"object"}}"#) == "none")
        #expect(try beforehand(Field(name: "f", type: .date, form: .seconds), #"{"type":"integer"}"#) == "none")
    }
}

@Suite struct RestoringTests {
    private func back(_ field: Field, _ schema: String, _ value: String) throws -> String {
        var writer = JSONWriter()
        field.restore(
            try Scene.view(value), for: SchemaProperty(name: "p", schema: try Scene.view(schema)), into: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (Field(name: "f", type: .string), #"{"type":"number"}"#, #""1.10""#, "1.10"),
        (Field(name: "f", type: .string), #"{"type":"number"}"#, #""many""#, #""many""#),
        (Field(name: "f", type: .number), #"{"type":"string"}"#, "1.10", #""1.10""#),
        (Field(name: "f", type: .string), #"{"type":"array","items":{"type":"string"}}"#, #""a;b""#, #"["a","b"]"#),
        (Field(name: "f", type: .string), #"{"type":"array","items":{"type":"number"}}"#, #""1.0;x""#, #"[1.0,"x"]"#),
        (Field(name: "f", type: .string), #"{"type":"array"}"#, #""""#, "[]"),
        (Field(name: "f", type: .string), #"{"type":"string"}"#, #""a;b""#, #""a;b""#),
        (
            Field(name: "f", type: .array, member: "m"), #"{"type":"array","items":{"type":"string"}}"#,
            #"[{"m":"a"},"b"]"#, #"["a","b"]"#
        ),
        (Field(name: "f", type: .array, member: "m"), #"{"type":"array"}"#, #"[{"m":"a"}]"#, #"[{"m":"a"}]"#),
        (Field(name: "f", type: .array, member: "m"), #"{"type":"string"}"#, #"[{"m":"a"},{"m":"b"}]"#, #""a""#),
        (Field(name: "f", type: .array, member: "m"), #"{"type":"object"}"#, #"[{"m":"a"}]"#, #"{"m":"a"}"#),
        (Field(name: "f", type: .array), #"{"type":"string"}"#, "[]", "null"),
        (
            Field(name: "f", type: .boolean, words: BooleanWords(yes: ["y"], no: ["n"])), #"{"type":"string"}"#,
            "false", #""n""#
        ),
        (
            Field(name: "f", type: .string, words: BooleanWords(yes: ["y"], no: ["n"])), #"{"type":"boolean"}"#,
            #""Y""#, "true"
        ),
        (
            Field(name: "f", type: .string, words: BooleanWords(yes: ["y"], no: ["n"])), #"{"type":"boolean"}"#,
            #""?""#, #""?""#
        ),
        (Field(name: "f", type: .boolean), #"{"type":"string"}"#, "true", "true"),
        (
            Field(name: "f", type: .dateTime, form: .milliseconds), #"{"type":"string","format":"date-time"}"#,
            "1769851800250", #""2026-01-31T09:30:00.250Z""#
        ),
        (
            Field(name: "f", type: .dateTime, form: .seconds), #"{"type":"string","format":"date"}"#, "1769851800",
            #""2026-01-31""#
        ),
        (Field(name: "f", type: .date, form: .milliseconds), #"{"type":"string"}"#, "1769817600000", #""2026-01-31""#),
        (Field(name: "f", type: .date, form: .milliseconds), #"{"type":"integer"}"#, "1769817600000", "1769817600000"),
        (
            Field(name: "f", type: .date, form: .seconds), #"{"type":"string"}"#, "9223372036854775807",
            "9223372036854775807"
        ),
        (
            Field(name: "f", type: .dateTime, form: .blank), #"{"type":"string","format":"date-time"}"#,
            #""2026-01-31 09:30:00""#, #""2026-01-31T09:30:00Z""#
        ),
        (
            Field(name: "f", type: .dateTime), #"{"type":"string","format":"date"}"#, #""2026-01-31T09:30:00Z""#,
            #""2026-01-31""#
        ),
        (
            Field(name: "f", type: .date), #"{"type":"string","format":"date-time"}"#, #""2026-01-31""#,
            #""2026-01-31T00:00:00Z""#
        ),
        (
            Field(name: "f", type: .dateTime), #"{"type":"string","format":"date-time"}"#,
            #""2026-01-31T09:30:00+01:00""#, #""2026-01-31T09:30:00+01:00""#
        ),
        (Field(name: "f", type: .date), #"{"type":"string"}"#, #""soon""#, #""soon""#),
        (Field(name: "f"), #"{"type":"number"}"#, #""1""#, #""1""#),
    ])
    func whatComesBackHasTheCallersForm(
        field: ResourceDescription.Field, schema: String, value: String, expected: String
    ) throws {
        #expect(try back(field, schema, value) == expected)
    }
}
