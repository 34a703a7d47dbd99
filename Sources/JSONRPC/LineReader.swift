import JSON

// Theory of operation.
//
// Bytes come in pieces of any size; lines of any length up to the ceiling come out as documents. Only the line at `head`
// is looked at, and each of its bytes once: the scanner itself stops at a line feed, so no search for the end of the line
// goes before it, and a line of 16 MiB is scanned piece by piece as it arrives.
//
// A line feed always ends a line. So after a bad line the reader drops bytes up to the next line feed without keeping
// them, and goes on as if nothing had happened; the same serves a line over the ceiling.
//
// What a line is worth must not depend on how it was cut. Therefore the outcome is decided by the bytes alone, and the
// only question about time, whether the peer has paused behind a value without a line feed, is asked by `next(drained:)`.

/// Cuts a stream of bytes into JSON texts, one a line.
struct LineReader: Sendable {
    enum Line {
        case value(JSONDocument)
        /// What most lines are, read without a document of the whole line unless it has params.
        case call(PlainCall, params: JSONView?, bytes: Int)
        case refused(ErrorReply)
    }

    private enum State {
        /// The end of the line is not in sight.
        case open
        case blank(end: Int)
        /// A whole value; the line ends `end` bytes behind `head`.
        case value(end: Int)
        case bad(JSONSyntaxError, lineEnded: Bool)
        case tooLong
    }

    /// Memory that an idle connection may keep.
    private static let keptCapacity = 4096
    /// From here on the buffer has room for the longest line.
    private static let long = 1 << 20
    /// From here on a line is handed over with its buffer and not copied.
    private static let handedOver = 64 << 10

    private let ceiling: Int
    private var scanner: JSONScanner
    private var buffer: [UInt8] = []
    /// Where the line under way begins in `buffer`.
    private var head = 0
    /// One past the white space that was seen behind a complete value, counted from `head`.
    private var trail = 0
    private var state = State.open
    /// The line under way has been answered; what is left of it is dropped.
    private var isSkipping = false
    private var hasEnded = false

    init(ceilings: FramingCeilings) {
        ceiling = ceilings.line
        scanner = JSONScanner(ceilings: ceilings.text, endsAtLineFeed: true)
    }

    var bufferedBytes: Int { buffer.count - head }
    var lineStarted: Bool { isSkipping || head < buffer.count }

    mutating func receive(_ bytes: UnsafeRawBufferPointer) {
        var bytes = bytes
        if isSkipping && head == buffer.count {
            guard let end = Self.lineFeed(in: bytes, from: 0) else { return }
            bytes = UnsafeRawBufferPointer(rebasing: bytes[(end + 1)...])
            isSkipping = false
        }
        // Consumed lines go before the buffer grows. The condition bounds the move: either little is moved, or no more
        // than what was consumed since the last one.
        let rest = buffer.count - head
        if head > 0 && (rest <= Self.handedOver || rest <= head) {
            buffer.removeSubrange(..<head)
            head = 0
        }
        if buffer.count + bytes.count > buffer.capacity && buffer.count >= Self.long {
            // Once, instead of moving megabytes at each doubling; addresses alone cost no memory.
            buffer.reserveCapacity(max(2 * buffer.count, ceiling + Self.handedOver))
        }
        buffer.append(contentsOf: bytes)
        if !isSkipping { scan() }
    }

    /// No byte will follow. What is left counts as the last line.
    mutating func endOfInput() { hasEnded = true }

    /// The next line that says something, or nil when more bytes are needed.
    ///
    /// - Parameter drained: the peer has sent nothing more for now; a complete object or array is then worth a line.
    mutating func next(drained: Bool) -> Line? {
        while true {
            if isSkipping { skip() }
            // A run of empty lines costs one comparison each.
            while head < buffer.count && scanner.offset == 0 && buffer[head] == UInt8(ascii: "\n") { consume(1) }
            guard head < buffer.count else {
                discardAll()
                return nil
            }
            scan()
            switch state {
            case .blank(let end):
                consume(end + 1)
            case .value(let end):
                return take(end)
            case .bad(let error, let lineEnded):
                consume(error.offset)
                isSkipping = true
                return .refused(.parse(error, lineEnded: lineEnded))
            case .tooLong:
                consume(ceiling + 1)
                isSkipping = true
                return .refused(.lineTooLong(ceiling: ceiling))
            case .open:
                guard hasEnded || drained, scanner.isComplete, hasEnded || scanner.beganContainer else { return nil }
                return take(trail)
            }
        }
    }

    // MARK: Looking

    /// Looks at the bytes that have not been looked at, as far as the line at `head` goes.
    private mutating func scan() {
        guard case .open = state else { return }
        let count = min(bufferedBytes, ceiling + 1)
        state = buffer.withUnsafeBytes { bytes in
            look(UnsafeRawBufferPointer(rebasing: bytes[head..<head + count]))
        }
        if case .open = state, count > ceiling { state = .tooLong }
    }

    private mutating func look(_ line: UnsafeRawBufferPointer) -> State {
        let lineFeed = UInt8(ascii: "\n")
        if !scanner.isComplete {
            do throws(JSONSyntaxError) {
                let isLast = hasEnded && line.count == bufferedBytes
                if try scanner.scan(line, isFinal: isLast) == .needsMore {
                    guard scanner.offset < line.count, line[scanner.offset] == lineFeed else { return .open }
                    return scanner.beganContainer
                        ? .bad(JSONSyntaxError(.unexpectedEnd, at: scanner.offset), lineEnded: true)
                        : .blank(end: scanner.offset)
                }
            } catch {
                if error.reason == .emptyText { return .blank(end: line.count - 1) }
                return .bad(error, lineEnded: error.offset < line.count && line[error.offset] == lineFeed)
            }
            trail = scanner.offset
        }
        while trail < line.count {
            switch line[trail] {
            case lineFeed: return .value(end: trail)
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): trail += 1
            default: return .bad(JSONSyntaxError(.trailingText, at: trail), lineEnded: false)
            }
        }
        return .open
    }

    /// The first line feed at or after `start`.
    private static func lineFeed(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var at = start
        while at + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ (ones &* 0x0A)
            // The lowest marked byte is a line feed; borrows run upwards only.
            let found = (word &- ones) & ~word & (ones &* 0x80)
            if found != 0 { return at + found.trailingZeroBitCount >> 3 }
            at += 8
        }
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "\n") { return at }
            at += 1
        }
        return nil
    }

    // MARK: Taking

    /// The line that ends `end` bytes behind `head`.
    private mutating func take(_ end: Int) -> Line {
        var call: PlainCall?
        buffer.withUnsafeBytes { bytes in
            scanner.glance(UnsafeRawBufferPointer(rebasing: bytes[head..<head + end])) { call = PlainCall(&$0) }
        }
        guard let call else { return .value(document(end)) }
        guard let place = call.params else {
            consume(end + 1)
            return .call(call, params: nil, bytes: end)
        }
        return .call(call, params: document(end).value(at: place), bytes: end)
    }

    private mutating func document(_ end: Int) -> JSONDocument {
        guard end >= Self.handedOver && head == 0 else {
            let document = JSONDocument(taking: &scanner, bytes: Array(buffer[head..<head + end]))
            consume(end + 1)
            return document
        }
        var bytes = buffer
        buffer = Array(bytes[min(end + 1, bytes.count)...])
        bytes.removeLast(bytes.count - end)
        let document = JSONDocument(taking: &scanner, bytes: bytes)
        restart()
        return document
    }

    private mutating func consume(_ length: Int) {
        head = min(head + length, buffer.count)
        restart()
    }

    private mutating func restart() {
        scanner.reset()
        trail = 0
        state = .open
    }

    private mutating func skip() {
        let end = buffer.withUnsafeBytes { Self.lineFeed(in: $0, from: head) }
        if let end {
            isSkipping = false
            head = end + 1
        } else {
            head = buffer.count
        }
    }

    private mutating func discardAll() {
        head = 0
        if buffer.capacity > Self.keptCapacity { buffer = [] } else { buffer.removeAll(keepingCapacity: true) }
    }
}
