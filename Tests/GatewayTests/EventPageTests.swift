import PushCore
import Testing

@testable import Gateway

@Suite struct EventPageTests {
    private static let all = EventFilter()
    private static let completions = EventFilter(kinds: [.completed])

    private static func event(_ sequence: Int64, bytes: Int = 0) -> RenderedEvent {
        let id = Identifier(high: 1, low: 2)
        let row = EventRow(
            sequence: sequence, time: 0, kind: .data, session: id, transfer: 1, transferID: id, schemaKey: "contact")
        return RenderedEvent(
            row: row, cursor: Cursor(store: 1, event: row), text: Array(repeating: 0x20, count: bytes), headCount: 0,
            reference: [])
    }

    private static func page(_ after: Int64, _ through: Int64, bytes: Int = 0) -> EventPage {
        EventPage(after: after, through: through, events: (after + 1...through).map { event($0, bytes: bytes) })
    }

    private static func walk(_ pages: EventPages, from start: Int64, filter: EventFilter = all) -> [Int64] {
        var position = start
        var seen: [Int64] = []
        while let page = pages.page(covering: position, filter: filter) {
            seen += page.events[page.index(after: position)...].map(\.row.sequence)
            position = page.through
        }
        return seen
    }

    @Test func aPageServesEveryPositionInIt() {
        var pages = EventPages(ceiling: 1 << 20)
        pages.insert(Self.page(10, 20), filter: Self.all)
        #expect(pages.page(covering: 9, filter: Self.all) == nil)
        #expect(Self.walk(pages, from: 10) == Array(11...20))
        #expect(Self.walk(pages, from: 19) == [20])
        #expect(pages.page(covering: 20, filter: Self.all) == nil)
    }

    @Test func whatWasLookedAtInVainIsCovered() {
        var pages = EventPages(ceiling: 1 << 20)
        pages.insert(EventPage(after: 10, through: 500, events: [Self.event(100)]), filter: Self.completions)
        #expect(Self.walk(pages, from: 10, filter: Self.completions) == [100])
        #expect(Self.walk(pages, from: 100, filter: Self.completions) == [])
        #expect(pages.page(covering: 499, filter: Self.completions)?.through == 500)
        #expect(pages.page(covering: 50, filter: Self.all) == nil)
    }

    /// Reads that began at different places overlap in every way.
    @Test(arguments: [
        [(10, 20), (5, 15)], [(10, 20), (15, 25)], [(10, 20), (12, 18)], [(10, 20), (10, 20)],
        [(10, 20), (30, 40), (15, 35)],
        [(10, 20), (5, 25)], [(10, 20), (20, 30), (0, 10)],
    ])
    func overlappingReadsGiveEachEventOnceInOrder(_ reads: [(Int64, Int64)]) throws {
        var pages = EventPages(ceiling: 1 << 20)
        for (after, through) in reads { pages.insert(Self.page(after, through), filter: Self.all) }
        for start in Int64(0)..<40 {
            let seen = Self.walk(pages, from: start)
            #expect(seen == Array((start + 1..<start + 1 + Int64(seen.count))))
        }
        for (after, _) in reads { #expect(pages.page(covering: after, filter: Self.all) != nil) }
    }

    @Test func theOldestGoAboveTheCeilingAndTheNewestStays() {
        var pages = EventPages(ceiling: 100_000)
        for after in Int64(0)..<1_000 {
            pages.insert(
                Self.page(after, after + 1, bytes: 1_000), filter: after % 2 == 0 ? Self.all : Self.completions)
            #expect(pages.size <= 100_000)
        }
        #expect(pages.count > 40 && pages.count < 100)
        #expect(pages.page(covering: 0, filter: Self.all) == nil)
        #expect(pages.page(covering: 998, filter: Self.all) != nil)
        #expect(pages.page(covering: 999, filter: Self.completions) != nil)
        pages.insert(Self.page(2_000, 2_001, bytes: 200_000), filter: Self.all)
        #expect(pages.count == 1 && Self.walk(pages, from: 2_000) == [2_001])
        pages.removeAll()
        #expect(pages.size == 0 && pages.page(covering: 2_000, filter: Self.all) == nil)
        pages.insert(Self.page(3_000, 3_001), filter: Self.all)
        #expect(pages.count == 1 && Self.walk(pages, from: 3_000) == [3_001])
    }

    @Test func aLargePayloadIsReplacedByItsReference() {
        let row = Self.event(1).row
        let event = RenderedEvent(
            row: row, cursor: Cursor(store: 1, event: row), text: Array(#""a":1,"data":{}"#.utf8), headCount: 5,
            reference: Array(#","ref":{}"#.utf8))
        func text(_ ceiling: Int) -> String {
            var bytes = Array("{".utf8)
            event.append(to: &bytes, ceiling: ceiling)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(text(10) == #"{"a":1,"data":{}"#)
        #expect(text(9) == #"{"a":1,"ref":{}"#)
    }

    @Test(
        arguments: [
            (0, 0, 0, "00000000000000000000000000000000"),
            (UInt64.max, 0xFFFF_FFFF_FFFF, 0xFFFF, "ffffffffffffffffffffffffffffffff"),
            (0x0123_4567_89AB_CDEF, 0xA0B1, 9, "0123456789abcdef00000000a0b10009"),
        ] as [(UInt64, Int64, UInt16, String)])
    func aCursorIsThirtyTwoDigits(store: UInt64, sequence: Int64, check: UInt16, text: String) {
        let cursor = Cursor(store: store, sequence: sequence, check: check)
        #expect(cursor.text == text)
        #expect(Cursor(text: text) == cursor)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_767_225_599_042, "2025-12-31T23:59:59.042Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func timesAreIn8601(milliseconds: Int64, text: String) {
        #expect(WireTime.text(milliseconds) == text)
    }
}
