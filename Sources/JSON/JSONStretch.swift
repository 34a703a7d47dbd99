/// What one call of `JSONScanner.scan` was given.
struct JSONInput {
    let base: UnsafeRawPointer
    let count: Int
    let isFinal: Bool
    let endsAtLineFeed: Bool
    let depth: Int
    let members: Int
    let numberLength: Int

    @inline(__always)
    subscript(at: Int) -> UInt8 { base.load(fromByteOffset: at, as: UInt8.self) }
}

// Everything here is inlined into `run`, and nothing that is not may be handed the state by address: then it stays in
// registers. What is rare (escapes, numbers, the end of the buffer) is a function of plain values.

/// One stretch of a scan: over bytes that are here, into nodes that there is room for.
struct JSONStretch {
    enum Reason {
        /// The buffer or the line ends before the value does.
        case needsMore
        case complete
        /// The value at `tokenStart` needs a node, and there is no room.
        case full
    }

    private let input: JSONInput
    private let nodes: UnsafeMutableBufferPointer<JSONNode>
    private let room: Int
    private var state: JSONScanState

    @inline(__always)
    private init(_ input: JSONInput, _ state: JSONScanState, _ nodes: UnsafeMutableBufferPointer<JSONNode>, room: Int) {
        self.input = input
        self.nodes = nodes
        self.room = room
        self.state = state
    }

    /// - Throws: `JSONSyntaxError`
    static func run(
        _ input: JSONInput, from state: JSONScanState, _ nodes: UnsafeMutableBufferPointer<JSONNode>, room: Int
    ) throws(JSONSyntaxError) -> (reason: Reason, state: JSONScanState) {
        var stretch = JSONStretch(input, state, nodes, room: room)
        var reason: Reason? = nil
        if state.stringStart >= 0 { reason = try stretch.string() }
        while reason == nil { reason = try stretch.token() }
        return (reason ?? .complete, stretch.state)
    }

    /// The next token; nil to go on.
    @inline(__always)
    private mutating func token() throws(JSONSyntaxError) -> Reason? {
        if state.expect == .nothing { return .complete }
        guard let byte = skipWhitespace() else { return try atEnd() }
        switch state.expect {
        case .commaOrEnd:
            if byte == UInt8(ascii: ",") {
                state.at &+= 1
                state.expect = state.inObject ? .key : .value
                return nil
            }
            guard byte == (state.inObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { throw unexpected }
            return try close()
        case .key, .firstKey:
            guard byte == UInt8(ascii: "\"") else {
                guard byte == UInt8(ascii: "}") && state.expect == .firstKey else { throw unexpected }
                return try close()
            }
            guard nodes[state.top].count < input.members else { throw JSONSyntaxError(.memberCeiling, at: state.at) }
        case .colon:
            guard byte == UInt8(ascii: ":") else { throw unexpected }
            state.at &+= 1
            state.expect = .value
            return nil
        case .firstElement where byte == UInt8(ascii: "]"):
            return try close()
        case .value, .firstElement, .nothing:
            guard byte == UInt8(ascii: "\"") else { return try value(byte) }
        }
        // Keys and values that are strings meet here, so that the one long loop is there once.
        state.at &+= 1
        state.stringStart = state.at
        state.stringHasEscape = false
        return try string()
    }

    private var unexpected: JSONSyntaxError {
        @inline(__always) get { JSONSyntaxError(.unexpectedByte, at: state.at) }
    }

    /// The buffer is used up, or the line is.
    private func atEnd() throws(JSONSyntaxError) -> Reason {
        if input.isFinal && state.at == input.count {
            throw JSONSyntaxError(state.used == 0 ? .emptyText : .unexpectedEnd, at: state.at)
        }
        return .needsMore
    }

    @inline(__always)
    private mutating func skipWhitespace() -> UInt8? {
        while state.at < input.count {
            let byte = input[state.at]
            guard byte <= 0x20, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D else { return byte }
            if byte == 0x0A && input.endsAtLineFeed { return nil }
            state.at &+= 1
        }
        return nil
    }

    @inline(__always)
    private mutating func value(_ byte: UInt8) throws(JSONSyntaxError) -> Reason? {
        switch byte {
        case UInt8(ascii: "{"):
            return try begin(.object)
        case UInt8(ascii: "["):
            return try begin(.array)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            guard state.used < room else { return .full }
            return atom(.number, end: try JSONAtom.number(input, state.at))
        case UInt8(ascii: "t"):
            guard state.used < room else { return .full }
            return atom(.bool, flag: true, end: try JSONAtom.literal("true", input, state.at))
        case UInt8(ascii: "f"):
            guard state.used < room else { return .full }
            return atom(.bool, end: try JSONAtom.literal("false", input, state.at))
        case UInt8(ascii: "n"):
            guard state.used < room else { return .full }
            return atom(.null, end: try JSONAtom.literal("null", input, state.at))
        case 0xEF where state.at == 0:
            throw JSONSyntaxError(.byteOrderMark, at: 0)
        default:
            throw unexpected
        }
    }

    /// - Parameter end: nil when the number or literal is cut.
    @inline(__always)
    private mutating func atom(_ kind: JSONKind, flag: Bool = false, end: Int?) -> Reason? {
        guard let end else { return .needsMore }
        append(JSONNode(kind, start: state.at, end: end, flag: flag))
        state.at = end
        afterValue()
        return nil
    }

    // MARK: Containers

    @inline(__always)
    private mutating func append(_ node: JSONNode) {
        nodes[state.used] = node
        state.used &+= 1
    }

    @inline(__always)
    private mutating func begin(_ kind: JSONKind) throws(JSONSyntaxError) -> Reason? {
        guard state.depth < input.depth else { throw JSONSyntaxError(.depthCeiling, at: state.at) }
        guard state.used < room else { return .full }
        let around = UInt32(truncatingIfNeeded: state.top)
        state.top = state.used
        append(JSONNode(kind, start: state.at, end: state.at, link: around))
        state.depth &+= 1
        state.at &+= 1
        state.inObject = kind == .object
        state.expect = kind == .object ? .firstKey : .firstElement
        return nil
    }

    @inline(__always)
    private mutating func close() throws(JSONSyntaxError) -> Reason? {
        let index = state.top
        state.at &+= 1
        let around = nodes[index].link
        nodes[index].end = UInt32(truncatingIfNeeded: state.at)
        nodes[index].link = UInt32(truncatingIfNeeded: state.used)
        if state.inObject && nodes[index].count > 1 {
            try JSONKeys.refuseDuplicates(UnsafeBufferPointer(nodes), object: index, input.base)
        }
        state.depth &-= 1
        state.top = Int(Int32(truncatingIfNeeded: around))
        state.inObject = state.top >= 0 && nodes[state.top].kind == .object
        afterValue()
        return nil
    }

    /// A value ended: the container that holds it grows by one. The comma that mostly follows is taken at once.
    @inline(__always)
    private mutating func afterValue() {
        guard state.top >= 0 else {
            state.expect = .nothing
            return
        }
        nodes[state.top].info &+= 16
        if state.at < input.count && input[state.at] == UInt8(ascii: ",") {
            state.at &+= 1
            state.expect = state.inObject ? .key : .value
        } else {
            state.expect = .commaOrEnd
        }
    }

    // MARK: Strings

    /// Goes on inside a string, eight bytes at a time where nothing has to be looked at.
    @inline(__always)
    private mutating func string() throws(JSONSyntaxError) -> Reason? {
        guard state.used < room else { return .full }
        var at = state.at
        while true {
            if at &+ 8 <= input.count {
                let stop = JSONWord.stops(input.base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                at &+= stop == 0 ? 8 : stop.trailingZeroBitCount &>> 3
                if stop == 0 { continue }
            } else if at >= input.count {
                break
            }
            let byte = input[at]
            if byte == UInt8(ascii: "\"") {
                endString(at)
                return nil
            }
            if byte == UInt8(ascii: "\\") { state.stringHasEscape = true }
            guard let next = try JSONStringBytes.next(input, at, byte) else { break }
            at = next
        }
        state.at = at
        if input.isFinal { throw JSONSyntaxError(.unexpectedEnd, at: input.count) }
        return .needsMore
    }

    @inline(__always)
    private mutating func endString(_ end: Int) {
        let start = state.stringStart
        let flag = state.stringHasEscape
        state.stringStart = -1
        state.at = end &+ 1
        guard state.expect == .key || state.expect == .firstKey else {
            append(JSONNode(.string, start: start, end: end, flag: flag))
            afterValue()
            return
        }
        let hash = JSONKeys.hash(input.base, start, end, hasEscape: flag)
        append(JSONNode(.string, start: start, end: end, link: hash, flag: flag))
        // The colon that mostly follows is taken at once.
        if state.at < input.count && input[state.at] == UInt8(ascii: ":") {
            state.at &+= 1
            state.expect = .value
        } else {
            state.expect = .colon
        }
    }
}

/// Numbers and literals.
enum JSONAtom {
    /// RFC 8259 section 6, digit by digit: the spelling is kept, so no value is computed here.
    ///
    /// - Returns: one past the number, or nil when more of it may come.
    static func number(_ input: JSONInput, _ start: Int) throws(JSONSyntaxError) -> Int? {
        var at = start
        func byte() -> UInt8 { at < input.count ? input[at] : 0 }
        func digits() -> Bool {
            let first = at
            while at < input.count, input[at] &- 0x30 < 10 { at &+= 1 }
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
        guard at - start <= input.numberLength else { throw JSONSyntaxError(.numberCeiling, at: start) }
        if at == input.count && !input.isFinal { return nil }
        guard whole else { throw JSONSyntaxError(at == input.count ? .unexpectedEnd : .invalidNumber, at: at) }
        if at < input.count, input[at] &- 0x30 < 10 { throw JSONSyntaxError(.invalidNumber, at: at) }
        return at
    }

    /// - Returns: one past the literal, or nil when it is cut.
    static func literal(_ text: StaticString, _ input: JSONInput, _ start: Int) throws(JSONSyntaxError) -> Int? {
        let length = text.utf8CodeUnitCount
        for index in 0..<length {
            guard start + index < input.count else {
                if input.isFinal { throw JSONSyntaxError(.unexpectedEnd, at: input.count) }
                return nil
            }
            guard input[start + index] == text.utf8Start[index] else {
                throw JSONSyntaxError(.unexpectedByte, at: start + index)
            }
        }
        return start + length
    }
}

/// The bytes of a string that are not simply skipped.
enum JSONStringBytes {
    /// - Returns: one past the escape, the character or the run of characters that begins with `byte`, or nil when it is
    ///   cut.
    @inline(never)
    static func next(_ input: JSONInput, _ start: Int, _ byte: UInt8) throws(JSONSyntaxError) -> Int? {
        if byte == UInt8(ascii: "\\") {
            return try JSONEscape.length(input.base, start, input.count).map { start + $0 }
        }
        if byte < 0x20 { throw JSONSyntaxError(.controlCharacter, at: start) }
        if byte < 0x80 { return start + 1 }
        // Letters beyond ASCII come in runs: whole sentences of them in most of the world.
        var at = start
        while at < input.count && input[at] >= 0x80 {
            guard let length = try UTF8Sequence.length(input.base, at, input.count) else {
                // What came before is done with; only the cut character is looked at again.
                return at > start ? at : nil
            }
            at += length
        }
        return at
    }
}
