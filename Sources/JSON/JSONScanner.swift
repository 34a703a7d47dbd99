// Theory of operation.
//
// The scanner reads strict RFC 8259 text that may arrive in pieces. `scan` is handed the whole buffer so far and goes on
// where it stopped; nothing is looked at twice, except a number or literal that was cut (bounded by `numberLength`).
//
// What there is to know between two pieces is `JSONScanState`, a few words. The work is done by `JSONStretch`, which holds
// them in registers while it runs over the bytes that are here, and writes nodes into room that was made before: a tape
// that grows inside of the loop, or state that is reached through the scanner, would cost as much as the scanning.
// When the room is used up, the stretch ends, more room is made and the next stretch begins at the same byte.

/// Scans one JSON text, in as many pieces as it comes, and leaves a tape of its values.
package struct JSONScanner: Sendable {
    package enum Progress: Equatable, Sendable {
        /// The text so far is a prefix of a value.
        case needsMore
        /// One value is complete; `offset` is one past its last byte. A number ends only at what follows it.
        case complete
    }

    /// Nodes by which the room of a long tape grows, 256 KiB, and nodes for which addresses are set aside then, 32 MiB.
    private static let longestStep = 16_384
    private static let setAside = 1 << 21
    /// Nodes that a scanner keeps room for between two texts; above, the memory is given back or away.
    private static let keptNodes = 256

    package let ceilings: JSONCeilings
    /// Of a stream of lines: a line feed is no white space but ends the text, and the scan stops at it.
    private let endsAtLineFeed: Bool
    private var state = JSONScanState()
    /// Room for nodes; the first `state.used` of them are the tape.
    private var room: ContiguousArray<JSONNode> = []

    /// - Parameter endsAtLineFeed: the text is one line of a stream, and the buffer may hold more than this line. A scan
    ///   that answers `.needsMore` with a line feed at `offset` has seen the end of the line before that of a value;
    ///   inside a token the line feed is an error like any other byte that cannot stand there.
    package init(ceilings: JSONCeilings = JSONCeilings(), endsAtLineFeed: Bool = false) {
        self.ceilings = ceilings
        self.endsAtLineFeed = endsAtLineFeed
    }

    /// Bytes scanned so far; where the next call goes on.
    package var offset: Int { state.at }
    /// True when one value has been read to its end.
    package var isComplete: Bool { state.expect == .nothing }
    /// True as soon as the text has begun with `{` or `[`.
    package var beganContainer: Bool {
        state.used > 0 && (room[0].kind == .array || room[0].kind == .object)
    }

    /// Forgets the text but keeps a little memory for the next one.
    package mutating func reset() {
        state = JSONScanState()
        if room.count > Self.keptNodes { room = [] }
    }

    /// The tape of a scan that has come to its end, where it lies.
    mutating func withNodes(_ body: (UnsafePointer<JSONNode>) -> Void) {
        room.withUnsafeMutableBufferPointer { nodes in
            if let nodes = nodes.baseAddress { body(nodes) }
        }
    }

    /// The tape, and a scanner that is as new. A short tape is copied to its exact size and its room kept, so that a
    /// stream of small texts costs one allocation a tape; a long one is given away, unless most of it is empty.
    mutating func takeTape() -> ContiguousArray<JSONNode> {
        let used = state.used
        var tape: ContiguousArray<JSONNode> = []
        if room.count <= Self.keptNodes || used < room.count / 2 {
            tape = room.withUnsafeBufferPointer { ContiguousArray(UnsafeBufferPointer(rebasing: $0[..<used])) }
        } else {
            swap(&tape, &room)
            tape.removeLast(tape.count - used)
        }
        reset()
        return tape
    }

    /// Goes on with `buffer`, which holds the text from its first byte on.
    ///
    /// - Parameter isFinal: no byte will follow; a number at the end is then complete, and anything cut is an error.
    /// - Throws: `JSONSyntaxError`; the scanner is then of no further use until `reset`.
    package mutating func scan(
        _ buffer: UnsafeRawBufferPointer, isFinal: Bool
    ) throws(JSONSyntaxError) -> Progress {
        guard let base = buffer.baseAddress else {
            if isFinal && !isComplete { throw JSONSyntaxError(.emptyText, at: 0) }
            return .needsMore
        }
        precondition(buffer.count < 1 << 31, "A JSON text may not reach 2 GiB: its offsets are 32 bits wide.")
        let input = JSONInput(
            base: base, count: buffer.count, isFinal: isFinal, endsAtLineFeed: endsAtLineFeed,
            depth: ceilings.depth, members: ceilings.members, numberLength: ceilings.numberLength)
        while true {
            let start = state
            let end = try room.withUnsafeMutableBufferPointer { nodes throws(JSONSyntaxError) in
                // The room may be larger than the ceiling; then the ceiling is what ends the stretch.
                try JSONStretch.run(input, from: start, nodes, room: min(nodes.count, ceilings.values))
            }
            state = end.state
            switch end.reason {
            case .needsMore: return .needsMore
            case .complete: return .complete
            case .full:
                guard state.used < ceilings.values else { throw JSONSyntaxError(.valueCeiling, at: state.tokenStart) }
                grow(for: buffer.count)
            }
        }
    }

    /// Makes more room. A whole text tells how much it may need: real data has a value for every eight bytes or more. A
    /// buffer of lines tells nothing, so there the room begins small and grows in large steps.
    ///
    /// Whoever waits for the caller waits for each step. So a long tape is not moved again and again to twice the room, in
    /// the end for many milliseconds, but once to where there is room enough: memory that is only set aside costs
    /// addresses and nothing else.
    private mutating func grow(for bytes: Int) {
        var more = min(room.count * 3, Self.longestStep)
        if room.isEmpty { more = endsAtLineFeed ? 64 : min(max(bytes / 8, 16), 1 << 16) }
        if room.count + more > room.capacity {
            room.reserveCapacity(
                room.count < Self.longestStep ? room.count + more : max(room.count * 2, Self.setAside))
        }
        room.append(contentsOf: repeatElement(JSONNode(.null, start: 0, end: 0), count: more))
    }
}

/// All that a scan knows between two pieces of its text.
struct JSONScanState: Sendable {
    enum Expect: UInt8 {
        case value, firstElement, firstKey, key, colon, commaOrEnd, nothing
    }

    /// Bytes scanned so far.
    var at = 0
    /// Nodes of the tape.
    var used = 0
    /// The innermost open container, as its index on the tape; -1 outside of any. While a container is open, the `link`
    /// of its node names the one around it, so nesting needs no stack of its own, let alone that of the machine.
    var top = -1
    /// Open containers.
    var depth = 0
    var expect = Expect.value
    /// True when `top` is an object.
    var inObject = false
    /// A string that was cut: the byte after its opening quote, else -1.
    var stringStart = -1
    var stringHasEscape = false

    /// Where the token under way began.
    var tokenStart: Int { stringStart >= 0 ? stringStart - 1 : at }
}
