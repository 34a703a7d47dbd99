// Theory of operation.
//
// The scanner reads strict RFC 8259 text that may arrive in pieces. `scan` is handed the whole buffer so far and goes on
// where it stopped; nothing is looked at twice, except a number or literal that was cut (bounded by `numberLength`).
// It is iterative: nesting lives in `open`, so a million brackets cost a comparison and not a stack frame.
//
// Two kinds of knowledge are kept apart: `expect` says which token may come next, the tape says what came so far.
// Strings are the bulk of real data, so they are read eight bytes at a time (SWAR): a word without quote, backslash,
// control or non-ASCII byte is skipped whole. Keys carry a hash so that duplicates are found by comparing integers.

/// Scans one JSON text, in as many pieces as it comes, and leaves a tape of its values.
package struct JSONScanner: Sendable {
    package enum Progress: Equatable, Sendable {
        /// The text so far is a prefix of a value.
        case needsMore
        /// One value is complete; `offset` is one past its last byte. A number ends only at what follows it.
        case complete
    }

    private enum Expect: UInt8 {
        case value, firstElement, firstKey, key, colon, commaOrEnd, nothing
    }

    package let ceilings: JSONCeilings
    /// Bytes scanned so far; where the next call goes on.
    package private(set) var offset = 0
    private var expect = Expect.value
    private(set) var tape: ContiguousArray<JSONNode> = []
    private var open: [UInt32] = []
    /// A string that was cut: the byte after its opening quote, and what is known of it.
    private var stringStart = -1
    private var stringHasEscape = false

    /// Of a stream of lines: a line feed is no white space but ends the text, and the scan stops at it.
    private let endsAtLineFeed: Bool

    /// - Parameter endsAtLineFeed: the text is one line of a stream, and the buffer may hold more than this line. A scan
    ///   that answers `.needsMore` with a line feed at `offset` has seen the end of the line before that of a value;
    ///   inside a token the line feed is an error like any other byte that cannot stand there.
    package init(ceilings: JSONCeilings = JSONCeilings(), endsAtLineFeed: Bool = false) {
        self.ceilings = ceilings
        self.endsAtLineFeed = endsAtLineFeed
    }

    /// Nodes that a scanner keeps room for between two texts; above, the memory is given back or away.
    private static let keptNodes = 256

    /// The tape, and a scanner that is as new. A short tape is copied to its exact size and its room kept, so that a
    /// stream of small texts costs one allocation a tape; a long one is given away as it is.
    mutating func takeTape() -> ContiguousArray<JSONNode> {
        let taken: ContiguousArray<JSONNode>
        if tape.count <= Self.keptNodes {
            taken = tape.withUnsafeBufferPointer { ContiguousArray($0) }
        } else {
            taken = tape
            tape = []
        }
        reset()
        return taken
    }

    /// Forgets the text but keeps a little memory for the next one.
    package mutating func reset() {
        offset = 0
        expect = .value
        if tape.capacity > Self.keptNodes { tape = [] } else { tape.removeAll(keepingCapacity: true) }
        open.removeAll(keepingCapacity: true)
        stringStart = -1
        stringHasEscape = false
    }

    /// True when one value has been read to its end.
    package var isComplete: Bool { expect == .nothing }
    /// True as soon as the text has begun with `{` or `[`.
    package var beganContainer: Bool { tape.first.map { $0.kind == .array || $0.kind == .object } ?? false }

    /// Goes on with `buffer`, which holds the text from its first byte on.
    ///
    /// - Parameter isFinal: no byte will follow; a number at the end is then complete, and anything cut is an error.
    /// - Throws: `JSONSyntaxError`; the scanner is then of no further use until `reset`.
    package mutating func scan(
        _ buffer: UnsafeRawBufferPointer, isFinal: Bool
    ) throws(JSONSyntaxError) -> Progress {
        guard let base = buffer.baseAddress else {
            if isFinal && expect != .nothing { throw JSONSyntaxError(.emptyText, at: 0) }
            return .needsMore
        }
        let count = buffer.count
        precondition(count < 1 << 31, "A JSON text may not reach 2 GiB: its offsets are 32 bits wide.")
        if stringStart >= 0 {
            guard try scanString(base, count, isFinal: isFinal) else { return .needsMore }
        }
        while expect != .nothing {
            guard let byte = skipWhitespace(base, count) else {
                if isFinal && offset == count {
                    throw JSONSyntaxError(tape.isEmpty ? .emptyText : .unexpectedEnd, at: offset)
                }
                return .needsMore
            }
            guard try token(byte, base, count, isFinal: isFinal) else { return .needsMore }
        }
        return .complete
    }

    /// One token that begins with `byte` at `offset`; false when the token is cut.
    @inline(__always)
    private mutating func token(
        _ byte: UInt8, _ base: UnsafeRawPointer, _ count: Int, isFinal: Bool
    ) throws(JSONSyntaxError) -> Bool {
        switch expect {
        case .colon:
            guard byte == UInt8(ascii: ":") else { throw JSONSyntaxError(.unexpectedByte, at: offset) }
            offset += 1
            expect = .value
            return true
        case .commaOrEnd:
            let object = topIsObject
            if byte == UInt8(ascii: ",") {
                offset += 1
                expect = object ? .key : .value
                return true
            }
            guard byte == (object ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                throw JSONSyntaxError(.unexpectedByte, at: offset)
            }
            try close(base)
            return true
        case .firstKey, .key:
            if byte == UInt8(ascii: "}") && expect == .firstKey {
                try close(base)
                return true
            }
            guard byte == UInt8(ascii: "\"") else { throw JSONSyntaxError(.unexpectedByte, at: offset) }
            try beginString()
            return try scanString(base, count, isFinal: isFinal)
        case .firstElement where byte == UInt8(ascii: "]"):
            try close(base)
            return true
        case .value, .firstElement:
            return try value(byte, base, count, isFinal: isFinal)
        case .nothing:
            return true
        }
    }

    @inline(__always)
    private mutating func value(
        _ byte: UInt8, _ base: UnsafeRawPointer, _ count: Int, isFinal: Bool
    ) throws(JSONSyntaxError) -> Bool {
        switch byte {
        case UInt8(ascii: "\""):
            try beginString()
            return try scanString(base, count, isFinal: isFinal)
        case UInt8(ascii: "{"):
            try begin(.object)
            expect = .firstKey
            return true
        case UInt8(ascii: "["):
            try begin(.array)
            expect = .firstElement
            return true
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return try scanNumber(base, count, isFinal: isFinal)
        case UInt8(ascii: "t"):
            return try scanLiteral("true", .bool, flag: true, base, count, isFinal: isFinal)
        case UInt8(ascii: "f"):
            return try scanLiteral("false", .bool, flag: false, base, count, isFinal: isFinal)
        case UInt8(ascii: "n"):
            return try scanLiteral("null", .null, flag: false, base, count, isFinal: isFinal)
        case 0xEF where offset == 0:
            throw JSONSyntaxError(.byteOrderMark, at: 0)
        default:
            throw JSONSyntaxError(.unexpectedByte, at: offset)
        }
    }

    @inline(__always)
    private mutating func skipWhitespace(_ base: UnsafeRawPointer, _ count: Int) -> UInt8? {
        while offset < count {
            let byte = base.load(fromByteOffset: offset, as: UInt8.self)
            guard byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D else { return byte }
            if byte == 0x0A && endsAtLineFeed { return nil }
            offset += 1
        }
        return nil
    }

    // MARK: Containers

    private var topIsObject: Bool {
        @inline(__always) get { tape[Int(open[open.count - 1])].kind == .object }
    }

    @inline(__always)
    private mutating func append(_ node: JSONNode) throws(JSONSyntaxError) {
        guard tape.count < ceilings.values else { throw JSONSyntaxError(.valueCeiling, at: offset) }
        tape.append(node)
    }

    private mutating func begin(_ kind: JSONKind) throws(JSONSyntaxError) {
        guard open.count < ceilings.depth else { throw JSONSyntaxError(.depthCeiling, at: offset) }
        open.append(UInt32(truncatingIfNeeded: tape.count))
        try append(JSONNode(kind, start: offset, end: offset))
        offset += 1
    }

    private mutating func close(_ base: UnsafeRawPointer) throws(JSONSyntaxError) {
        offset += 1
        let index = Int(open.removeLast())
        tape[index].end = UInt32(truncatingIfNeeded: offset)
        tape[index].link = UInt32(truncatingIfNeeded: tape.count)
        if tape[index].kind == .object && tape[index].count > 1 {
            try JSONKeys.refuseDuplicates(tape, object: index, base)
        }
        afterValue()
    }

    /// A value ended: the container that holds it grows by one.
    @inline(__always)
    private mutating func afterValue() {
        guard let top = open.last else {
            expect = .nothing
            return
        }
        tape[Int(top)].info &+= 16
        expect = .commaOrEnd
    }

    // MARK: Strings

    private mutating func beginString() throws(JSONSyntaxError) {
        offset += 1
        stringStart = offset
        stringHasEscape = false
        if expect != .value && expect != .firstElement {
            guard tape[Int(open[open.count - 1])].count < ceilings.members else {
                throw JSONSyntaxError(.memberCeiling, at: offset - 1)
            }
        }
    }

    /// Goes on inside a string at `offset`; false when the buffer ends first.
    private mutating func scanString(
        _ base: UnsafeRawPointer, _ count: Int, isFinal: Bool
    ) throws(JSONSyntaxError) -> Bool {
        var at = offset
        while true {
            while at &+ 8 <= count {
                let word = base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                let stop = JSONWord.stops(word)
                if stop != 0 {
                    at &+= stop.trailingZeroBitCount >> 3
                    break
                }
                at &+= 8
            }
            guard at < count else { break }
            let byte = base.load(fromByteOffset: at, as: UInt8.self)
            if byte == UInt8(ascii: "\"") {
                offset = at
                try endString(base)
                return true
            }
            if byte == UInt8(ascii: "\\") {
                guard let length = try JSONEscape.length(base, at, count) else { break }
                stringHasEscape = true
                at &+= length
            } else if byte >= 0x80 {
                guard let length = try UTF8Sequence.length(base, at, count) else { break }
                at &+= length
            } else if byte < 0x20 {
                throw JSONSyntaxError(.controlCharacter, at: at)
            } else {
                at &+= 1
            }
        }
        offset = at
        if isFinal { throw JSONSyntaxError(.unexpectedEnd, at: count) }
        return false
    }

    @inline(__always)
    private mutating func endString(_ base: UnsafeRawPointer) throws(JSONSyntaxError) {
        let isKey = expect == .key || expect == .firstKey
        let hash = isKey ? JSONKeys.hash(base, stringStart, offset, hasEscape: stringHasEscape) : 0
        try append(JSONNode(.string, start: stringStart, end: offset, link: hash, flag: stringHasEscape))
        offset += 1
        stringStart = -1
        if isKey { expect = .colon } else { afterValue() }
    }

    // MARK: Numbers and literals

    /// RFC 8259 section 6, digit by digit: the spelling is kept, so no value is computed here.
    private mutating func scanNumber(
        _ base: UnsafeRawPointer, _ count: Int, isFinal: Bool
    ) throws(JSONSyntaxError) -> Bool {
        var at = offset
        func byte() -> UInt8 { at < count ? base.load(fromByteOffset: at, as: UInt8.self) : 0 }
        func digits() -> Bool {
            let first = at
            while at < count, byte() &- 0x30 < 10 { at &+= 1 }
            return at > first
        }
        var whole = true
        if byte() == UInt8(ascii: "-") { at &+= 1 }
        if byte() == UInt8(ascii: "0") { at &+= 1 } else { whole = digits() }
        if whole && byte() == UInt8(ascii: ".") {
            at &+= 1
            whole = digits()
        }
        if whole && (byte() | 0x20) == UInt8(ascii: "e") {
            at &+= 1
            if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { at &+= 1 }
            whole = digits()
        }
        guard at - offset <= ceilings.numberLength else { throw JSONSyntaxError(.numberCeiling, at: offset) }
        if at == count && !isFinal { return false }
        guard whole else { throw JSONSyntaxError(at == count ? .unexpectedEnd : .invalidNumber, at: at) }
        if at < count, byte() &- 0x30 < 10 { throw JSONSyntaxError(.invalidNumber, at: at) }
        try append(JSONNode(.number, start: offset, end: at))
        offset = at
        afterValue()
        return true
    }

    private mutating func scanLiteral(
        _ text: StaticString, _ kind: JSONKind, flag: Bool, _ base: UnsafeRawPointer, _ count: Int, isFinal: Bool
    ) throws(JSONSyntaxError) -> Bool {
        let length = text.utf8CodeUnitCount
        for index in 0..<length {
            guard offset + index < count else {
                if isFinal { throw JSONSyntaxError(.unexpectedEnd, at: count) }
                return false
            }
            guard base.load(fromByteOffset: offset + index, as: UInt8.self) == text.utf8Start[index] else {
                throw JSONSyntaxError(.unexpectedByte, at: offset + index)
            }
        }
        try append(JSONNode(kind, start: offset, end: offset + length, flag: flag))
        offset += length
        afterValue()
        return true
    }
}
