import JSON
import PushCore

// Theory of operation.
//
// A page is what one read of the log has found, rendered: the events after a position that fit a filter, and how far
// the read has looked. Pages lie on a shelf a filter, sorted and without overlaps, so that many readers who come along the
// same way cost one read and one rendering. The shelf without a filter is also the tail that everybody at the head of
// the log is served from.
//
// What is kept is bounded in bytes; the page that came first goes first. Those who read along a log come by in its
// order, so the oldest page is the one that most have behind them; who still wants it reads it again.

/// An event as it is sent; what comes before it in its line depends on the subscription.
struct RenderedEvent {
    let row: EventRow
    let cursor: Cursor
    /// `"cursor":…,"time":…,"type":…,"data":{…}`
    let text: [UInt8]
    /// Bytes of `text` before the comma of `data`.
    let headCount: Int
    /// Where the payload can be had instead: `,"ref":{…}`; empty if it cannot be had elsewhere.
    let reference: [UInt8]

    /// Bytes of memory, roughly.
    var size: Int { text.capacity + reference.capacity + 256 }

    /// Members of an object, without its braces.
    ///
    /// - Parameter ceiling: bytes of payload above which a reference to it is written instead, where there is one.
    @inline(__always)
    func append(to bytes: inout [UInt8], ceiling: Int) {
        if text.count - headCount > ceiling && !reference.isEmpty {
            bytes.append(contentsOf: text[..<headCount])
            bytes.append(contentsOf: reference)
        } else {
            bytes.append(contentsOf: text)
        }
    }
}

/// Events after a position, rendered. Shared, hence a class; it never changes.
final class EventPage {
    let after: Int64
    /// Everything up to here was looked at.
    let through: Int64
    /// In order.
    let events: [RenderedEvent]
    /// Bytes of memory, roughly.
    let size: Int

    init(after: Int64, through: Int64, events: [RenderedEvent]) {
        self.after = after
        self.through = through
        self.events = events
        size = events.reduce(256) { $0 + $1.size }
    }

    /// Bytes of text from an event on, roughly.
    func textSize(from index: Int) -> Int { size / max(1, events.count) * (events.count - index) }

    /// Whether it says what comes next after a position.
    func covers(_ position: Int64) -> Bool { after <= position && position < through }

    /// Index of the first event after a position.
    func index(after position: Int64) -> Int {
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if events[middle].row.sequence <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The part of it that lies after `start` and not after `end`; nil when there is none.
    func part(after start: Int64, through end: Int64) -> EventPage? {
        let (start, end) = (max(start, after), min(end, through))
        guard start < end else { return nil }
        if start == after && end == through { return self }
        return EventPage(after: start, through: end, events: Array(events[index(after: start)..<index(after: end)]))
    }
}

/// The pages that are kept.
struct EventPages {
    private struct Kept {
        let page: EventPage
        /// Counts the pages in the order of their coming.
        let number: Int
    }

    /// Bytes above which the oldest go.
    private let ceiling: Int
    private var shelves: [EventFilter: [Kept]] = [:]
    /// Bytes of the pages that are there, in the order of their coming.
    private var sizes: [Int] = []
    /// Number of the first of them.
    private var first = 0
    private(set) var size = 0

    init(ceiling: Int) { self.ceiling = ceiling }

    var count: Int { sizes.count }

    /// The page that says what comes next after a position.
    func page(covering position: Int64, filter: EventFilter) -> EventPage? {
        guard let shelf = shelves[filter] else { return nil }
        let index = Self.place(of: position, on: shelf) - 1
        return index >= 0 && shelf[index].page.covers(position) ? shelf[index].page : nil
    }

    /// Keeps what of a page is not there yet.
    mutating func insert(_ page: EventPage, filter: EventFilter) {
        var shelf = shelves[filter] ?? []
        let place = Self.place(of: page.after, on: shelf)
        let start = place > 0 ? shelf[place - 1].page.through : page.after
        let end = place < shelf.count ? shelf[place].page.after : page.through
        guard let part = page.part(after: start, through: end) else { return }
        // Given up first, so that the shelf is not copied.
        shelves[filter] = nil
        shelf.insert(Kept(page: part, number: first + sizes.count), at: place)
        shelves[filter] = shelf
        sizes.append(part.size)
        size += part.size
        if size > ceiling { makeRoom() }
    }

    mutating func removeAll() {
        first += sizes.count
        shelves = [:]
        sizes = []
        size = 0
    }

    /// More than is needed goes, because it takes a walk over all; the newest page stays whatever its size.
    private mutating func makeRoom() {
        var gone = 0
        while gone < sizes.count - 1, size > ceiling / 4 * 3 {
            size -= sizes[gone]
            gone += 1
        }
        sizes.removeFirst(gone)
        first += gone
        let first = first
        shelves = shelves.compactMapValues { shelf in
            let kept = shelf.filter { $0.number >= first }
            return kept.isEmpty ? nil : kept
        }
    }

    /// Index of the first page that begins after a position.
    private static func place(of position: Int64, on shelf: [Kept]) -> Int {
        var low = 0
        var high = shelf.count
        while low < high {
            let middle = (low + high) / 2
            if shelf[middle].page.after <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Rendering of events, the same for all who read.
enum EventRendering {
    static func event(_ logged: LoggedEvent, plan: SessionPlan, store: UInt64) -> RenderedEvent {
        let cursor = Cursor(store: store, event: logged.event)
        let reference = logged.event.kind == .data ? reference(to: logged.event) : []
        return event(logged.event, cursor, reference: reference) { Payloads(plan: plan).payload(logged, into: &$0) }
    }

    /// How far a transfer has come, as an event at the end of the log.
    static func progress(_ transfer: TransferRow, at time: Int64, latest: Cursor) -> RenderedEvent {
        let row = EventRow(
            sequence: latest.sequence, time: time, kind: .progress, session: transfer.session,
            transfer: transfer.sequence, transferID: transfer.id, schemaKey: transfer.schemaKey)
        return event(row, latest, reference: []) { writer in
            writer.beginObject()
            writer.key("transfer_id")
            writer.string(transfer.id.text)
            writer.key("session_id")
            writer.string(transfer.session.text)
            writer.key("finished")
            writer.integer(transfer.counts.finished)
            writer.key("total")
            writer.integer(transfer.records)
            writer.endObject()
        }
    }

    private static func event(
        _ row: EventRow, _ cursor: Cursor, reference: [UInt8], payload: (inout JSONWriter) -> Void
    ) -> RenderedEvent {
        var writer = JSONWriter(reserving: 512)
        let quote = UInt8(ascii: "\"")
        writer.key("cursor")
        writer.bytes.append(quote)
        cursor.append(to: &writer.bytes)
        writer.bytes.append(quote)
        writer.key("time")
        writer.bytes.append(quote)
        WireTime.append(row.time, to: &writer.bytes)
        writer.bytes.append(quote)
        writer.key("type")
        writer.string(row.kind.name)
        let headCount = writer.bytes.count
        writer.key("data")
        payload(&writer)
        return RenderedEvent(row: row, cursor: cursor, text: writer.bytes, headCount: headCount, reference: reference)
    }

    private static func reference(to row: EventRow) -> [UInt8] {
        var writer = JSONWriter(continuing: Array(#","ref":"#.utf8))
        writer.beginObject()
        writer.key("method")
        writer.plain("getData")
        writer.key("params")
        writer.beginObject()
        writer.key("transfer_id")
        writer.string(row.transferID.text)
        writer.key("offset")
        writer.integer(row.first)
        writer.key("limit")
        writer.integer(max(1, row.end - row.first))
        if !row.isCompleted {
            writer.key("partial")
            writer.bool(true)
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
