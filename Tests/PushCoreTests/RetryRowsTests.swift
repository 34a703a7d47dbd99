import JSON
import Testing

@testable import PushCore

@Suite struct RetryRowsTests {
    /// A record of the origin with its outcome; children come before it.
    private func row(
        _ ordinal: Int32, _ kind: OutcomeKind, parent: Int32 = -1, children: Int32 = 0, descendants: Int32 = 0,
        schema: Int16 = 0
    ) -> ResultRow {
        let place = RecordPlace(transfer: 1, ordinal: ordinal)
        return ResultRow(
            record: RecordRow(
                place: place, index: ordinal, parent: parent, children: children, descendants: descendants,
                schema: schema, givenID: nil, internalID: "i\(ordinal)", data: Array("{\"n\":\(ordinal)}".utf8)),
            outcome: OutcomeRow(
                place: place, kind: kind, providerID: kind.isWritten ? "p\(ordinal)" : nil, data: [], finished: 0))
    }

    private func rows(_ kinds: Set<OutcomeKind> = [.refused, .unsent], ordinals: Set<Int32>? = nil) -> RetryRows {
        RetryRows(
            transfer: 9, selection: RetrySelection(kinds: kinds, ordinals: ordinals), schemas: [1, 0, nil])
    }

    @Test func whatWasWrittenGoesByItsIDAndWhatFailedWithItsData() {
        var retry = rows()
        retry.add([
            row(5, .refused, parent: 7), row(6, .created, parent: 7), row(7, .updated, children: 2, descendants: 2),
        ])
        let (made, shifts) = retry.take()
        #expect(made.map(\.place) == (0..<3).map { RecordPlace(transfer: 9, ordinal: $0) })
        #expect(made.map(\.givenID) == [nil, "p6", "p7"])
        #expect(made.map { String(decoding: $0.data, as: UTF8.self) } == ["{\"n\":5}", "", ""])
        #expect(made.map(\.internalID) == ["i5", "i6", "i7"] && made.map(\.schema) == [1, 1, 1])
        #expect(made.map(\.parent) == [2, 2, -1] && made.map(\.children) == [0, 0, 2])
        #expect(made.map(\.descendants) == [0, 0, 2] && made.map(\.index) == [0, 0, 0])
        #expect(shifts == [RetryShift(ordinal: 0, shift: 5)])
        #expect(retry.records == 1 && retry.allRecords == 3 && retry.missingSchema == nil)
        #expect(retry.take().rows == [], "taken once")
    }

    @Test func whatIsNotSelectedStaysOutWithAllBelowIt() {
        var retry = rows()
        // 0 below 1 (uncertain) below 3; 2 (refused) below 3.
        retry.add([
            row(0, .refused, parent: 1), row(1, .uncertain, parent: 3, children: 1, descendants: 1),
            row(2, .unsent, parent: 3), row(3, .unsent, children: 2, descendants: 3),
        ])
        let (made, shifts) = retry.take()
        #expect(made.map(\.internalID) == ["i2", "i3"])
        #expect(made.map(\.parent) == [1, -1] && made.map(\.children) == [0, 1] && made.map(\.descendants) == [0, 1])
        #expect(shifts == [RetryShift(ordinal: 0, shift: 2)])
        // An uncertain record at the top keeps the whole tree out, and nothing is made of a tree that is all written.
        retry.add([row(4, .refused, parent: 5), row(5, .uncertain, children: 1, descendants: 1)])
        retry.add([row(6, .created)])
        #expect(retry.take().rows == [] && retry.records == 1)
        retry.add([row(8, .refused)])
        #expect(retry.take().shifts == [RetryShift(ordinal: 2, shift: 6)], "each stretch once")
        retry.add([row(9, .refused)])
        #expect(retry.take().shifts == [])
        #expect(retry.records == 3 && retry.allRecords == 4)
    }

    @Test func aSelectionByPlaceTellsWhatItTook() {
        var retry = rows([.uncertain], ordinals: [0, 3, 5])
        retry.add([row(0, .uncertain, parent: 1), row(1, .created, children: 1, descendants: 1)])
        retry.add([row(2, .uncertain)])
        retry.add([row(3, .uncertain, parent: 4), row(4, .refused, children: 1, descendants: 1)])
        retry.add([row(5, .uncertain)])
        #expect(retry.taken == [0, 5])
        #expect(retry.take().rows.map(\.internalID) == ["i0", "i1", "i5"])
    }

    @Test func aSchemaThatIsGoneIsTold() {
        var retry = rows()
        retry.add([row(0, .refused, schema: 2)])
        #expect(retry.missingSchema == 2)
    }
}

@Suite struct ExamplesTests {
    private func examples(_ records: String...) throws -> Examples {
        var examples = Examples()
        for record in records { examples.note(try Scene.view(record)) }
        return examples
    }

    private func values(_ examples: Examples, _ name: String, entry: String? = nil) -> [String] {
        examples.values(of: name, entry: entry).map { String(decoding: $0.compactText, as: UTF8.self) }
    }

    @Test func theLatestFiveDifferentValuesAreKept() throws {
        var examples = try examples(
            #"{"a":1,"b":null}"#, #"{"a":2}"#, #"{"a":3.0}"#, #"{"a":4}"#, #"{"a":5}"#, #"{"a":2}"#, #"{"a":6}"#)
        #expect(values(examples, "a") == ["6", "2", "5", "4", "3.0"])
        #expect(values(examples, "b") == [] && values(examples, "c") == [])
        examples.merge(try self.examples(#"{"a":"x","c":true}"#))
        #expect(values(examples, "a") == ["\"x\"", "6", "2", "5", "4"] && values(examples, "c") == ["true"])
        #expect(Examples(text: examples.text) == examples)
    }

    @Test func aMemberOfTypedEntriesIsTakenFromTheFirstThatHasIt() throws {
        let examples = try examples(
            #"{"mails":[{"type":"WORK"},{"address":"a@b.c"},{"address":"d@e.f"}]}"#, #"{"mails":[]}"#)
        #expect(values(examples, "mails", entry: "address") == ["\"a@b.c\""])
    }

    @Test func whatIsTooLongOrTooMuchIsNoExample() throws {
        let long = String(repeating: "x", count: Examples.byteCeiling)
        #expect(try examples("{\"a\":\"\(long)\"}").isEmpty)
        let many = (0...Examples.propertyCeiling).map { "\"p\($0)\":1" }.joined(separator: ",")
        let kept = try examples("{\(many)}")
        #expect(values(kept, "p0") == ["1"] && values(kept, "p\(Examples.propertyCeiling)") == [])
        #expect(Examples(text: Array("{".utf8)).isEmpty, "damage is no example")
    }
}
