import JSON

// Theory of operation.
//
// One conversation a connection, without sockets or clock: bytes in by `receive`, calls out by `next`, answers in by `reply`,
// bytes out by `takeOutput`. What can be answered from the bytes alone (broken JSON, no request, too many calls) is answered
// here; everything else is the owner's, in any order.
//
// A call that awaits its answer holds a ticket. A ticket answers once: a call that was cancelled and then completes after
// all is answered by whichever came first, and the owner need not remember which.
//
// The members of a batch are handed out one at a time, so that the owner's bound on calls a turn holds inside of batches,
// too. Their answers are collected and leave as one line after the last.

/// One call or notification of the peer.
package struct Call: Sendable {
    /// Nil for a notification.
    package let replyTo: ReplyTo?
    /// Nil for a notification; `.null` is a call like any other.
    package let id: RequestID?
    package let method: String
    /// An object; nil if absent or null. It keeps the text of its whole line alive.
    package let params: JSONView?
    /// Bytes of the line; of a member of a batch: bytes of the member.
    package let lineBytes: Int
}

/// What `Conversation.next` has found.
package enum Incoming: Sendable {
    case call(Call)
    /// The notification `$/cancelRequest`. One whose params name no id comes as a call, like any other notification.
    case cancel(RequestID)
    /// Something that was refused: answered already, unless it was a notification. For counting and logging.
    case refused(ErrorReply)
    /// An answer to something that was never asked; dropped.
    case response
}

/// The messages of one connection. Not copyable: a ticket is good on the one conversation that gave it, and an owner that
/// is a class would copy all of this, counting a reference for each part, to read one number.
package struct Conversation: ~Copyable, Sendable {
    private let ceilings: FramingCeilings
    private var reader: LineReader
    private var output = JSONWriter()
    /// Bytes that left with the last turn.
    private var lastOutput = 0
    /// Bytes that are made room for at the first message of a turn.
    private static let mostReserved = 16 << 10
    private var pending = PendingCalls()
    private var batches = Batches()
    /// The batch whose members are being handed out.
    private var dealing: (slot: Int, members: JSONView.Elements)?

    package init(ceilings: FramingCeilings = FramingCeilings()) {
        self.ceilings = ceilings
        reader = LineReader(ceilings: ceilings)
    }

    // MARK: In

    /// Keeps the bytes and scans the line under way as far as they go.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) { reader.receive(bytes) }

    /// The next thing that the peer has sent, or nil when more bytes are needed. Call it until it says nil, or until
    /// enough has been done for this turn.
    ///
    /// - Parameter drained: the peer has sent nothing more for now. A complete object or array at the end of the buffer
    ///   is then taken without its line feed (K25).
    package mutating func next(drained: Bool) -> Incoming? {
        while true {
            if let incoming = nextOfBatch() { return incoming }
            switch reader.next(drained: drained) {
            case nil: return nil
            case .refused(let error): return refuse(error, id: .null, batch: nil)
            case .call(let call, let params, let bytes):
                return admit(call.id, call.method, params, batch: nil, bytes: bytes)
            case .value(let document):
                guard document.root.kind == .array else {
                    return read(document.root, batch: nil, bytes: document.bytes.count)
                }
                if let refused = begin(document.root) { return refused }
            }
        }
    }

    /// The peer will send no more. A value without a line feed is handed out by `next`, half a value is answered with
    /// `parseError`. Answers still leave (K23).
    package mutating func endOfInput() { reader.endOfInput() }

    /// True while part of a line is here, its end is not, and also while a refused line is being skipped.
    package var lineStarted: Bool { reader.lineStarted }
    /// Bytes received that are no part of a call yet.
    package var bufferedBytes: Int { reader.bufferedBytes }

    /// An empty batch and one that is too long are one bad request each.
    private mutating func begin(_ batch: JSONView) -> Incoming? {
        if batch.count == 0 {
            return refuse(.invalidRequest("A batch holds at least one call."), id: .null, batch: nil)
        }
        if batch.count > ceilings.batch {
            return refuse(.batchTooLong(ceiling: ceilings.batch), id: .null, batch: nil)
        }
        dealing = (batches.add(members: batch.count), batch.elements)
        return nil
    }

    private mutating func nextOfBatch() -> Incoming? {
        guard let slot = dealing?.slot else { return nil }
        guard let member = dealing?.members.next() else {
            dealing = nil
            return nil
        }
        let incoming = read(member, batch: slot, bytes: member.sourceRange.count)
        send(batches.memberIsDone(slot))
        return incoming
    }

    private mutating func read(_ value: JSONView, batch: Int?, bytes: Int) -> Incoming {
        switch Envelope(value) {
        case .response: return .response
        case .cancel(let id): return .cancel(id)
        case .refused(let id, let error): return refuse(error, id: id, batch: batch)
        case .call(let id, let method, let params): return admit(id, method, params, batch: batch, bytes: bytes)
        }
    }

    private mutating func admit(
        _ id: RequestID?, _ method: String, _ params: JSONView?, batch: Int?, bytes: Int
    ) -> Incoming {
        guard let id else {
            return .call(Call(replyTo: nil, id: nil, method: method, params: params, lineBytes: bytes))
        }
        guard pending.count < ceilings.inFlight else {
            return refuse(.tooManyInFlight(ceiling: ceilings.inFlight), id: id, batch: batch)
        }
        let ticket = pending.add(id, batch: batch)
        if let batch { batches.expectReply(batch) }
        return .call(Call(replyTo: ticket, id: id, method: method, params: params, lineBytes: bytes))
    }

    /// - Parameter id: nil for a notification, which is refused in silence.
    private mutating func refuse(_ error: ErrorReply, id: RequestID?, batch: Int?) -> Incoming {
        if let id {
            write(id, batch: batch) { writer in
                writer.key("error")
                error.write(to: &writer)
            }
        }
        return .refused(error)
    }

    // MARK: Out

    /// Calls that await their answer.
    package var inFlight: Int { pending.count }

    /// The ticket of the only call in flight with this id; nil if there is none, or more than one.
    package func replyTo(pending id: RequestID) -> ReplyTo? { pending.ticket(of: id) }

    /// Answers a call. The closure writes one JSON value and must not touch the conversation.
    ///
    /// - Returns: false when the call was answered before; nothing is written then.
    @discardableResult
    package mutating func reply(to ticket: ReplyTo, result: (inout JSONWriter) -> Void) -> Bool {
        answer(ticket) { writer in
            writer.key("result")
            let before = writer.bytes.count
            result(&writer)
            precondition(writer.bytes.count > before, "A result must be one JSON value.")
        }
    }

    /// Answers a call with a result that is compact JSON text already. Returns as `reply(to:result:)` does.
    @discardableResult
    package mutating func reply(to ticket: ReplyTo, resultText: [UInt8]) -> Bool {
        answer(ticket) { writer in
            writer.raw(Self.result)
            writer.raw(joined: resultText)
        }
    }

    /// The same with a result that is known when the program is built.
    @discardableResult
    package mutating func reply(to ticket: ReplyTo, resultText: StaticString) -> Bool {
        answer(ticket) { writer in
            writer.raw(Self.result)
            writer.raw(joined: resultText)
        }
    }

    /// Answers a call with an error. Returns as `reply(to:result:)` does.
    @discardableResult
    package mutating func reply(to ticket: ReplyTo, error: ErrorReply) -> Bool {
        answer(ticket) { writer in
            writer.key("error")
            error.write(to: &writer)
        }
    }

    /// Sends a notification. The closure writes one JSON object and must not touch the conversation.
    package mutating func notify(_ method: StaticString, params: (inout JSONWriter) -> Void) {
        prepare()
        output.beginObject()
        output.key("jsonrpc")
        output.plain("2.0")
        output.key("method")
        output.plain(method)
        output.key("params")
        let before = output.bytes.count
        params(&output)
        precondition(output.bytes.count > before, "The params of a notification must be one JSON object.")
        output.endObject()
        output.endLine()
    }

    /// Sends an error that answers no call in particular (id null): what ends a connection.
    package mutating func complain(_ error: ErrorReply) { _ = refuse(error, id: .null, batch: nil) }

    /// Sends whole lines that were rendered elsewhere, each with its line feed: the closure appends them, and must not
    /// touch the conversation. What is there already must stay as it is.
    package mutating func appendLines(_ body: (inout [UInt8]) -> Void) {
        body(&output.bytes)
        let last = output.bytes.last
        precondition(last == nil || last == UInt8(ascii: "\n"), "A rendered line must end with a line feed.")
    }

    /// Everything that is ready to be sent, whole lines, in one buffer.
    package mutating func takeOutput() -> [UInt8] {
        let bytes = output.bytes
        output = JSONWriter()
        lastOutput = bytes.count
        return bytes
    }

    /// Bytes that are ready to be sent.
    package var outputCount: Int { output.bytes.count }
    /// Bytes of answers that wait for the other answers of their batch.
    package var collectedBytes: Int { batches.collectedBytes }

    private mutating func answer(_ ticket: ReplyTo, _ body: (inout JSONWriter) -> Void) -> Bool {
        guard let entry = pending.remove(ticket) else { return false }
        write(entry.id, batch: entry.batch, body)
        if let batch = entry.batch { send(batches.replyIsWritten(batch)) }
        return true
    }

    private mutating func write(_ id: RequestID, batch: Int?, _ body: (inout JSONWriter) -> Void) {
        guard let batch else {
            prepare()
            Self.write(id, to: &output, body)
            output.endLine()
            return
        }
        batches.write(batch) { Self.write(id, to: &$0, body) }
    }

    private static let head: StaticString = #"{"jsonrpc":"2.0","id":"#
    private static let result: StaticString = #""result":"#

    private static func write(_ id: RequestID, to writer: inout JSONWriter, _ body: (inout JSONWriter) -> Void) {
        // In one piece, for it is in every answer. The writer sees to the comma before it in a batch.
        writer.raw(head)
        id.write(to: &writer)
        body(&writer)
        writer.endObject()
    }

    private mutating func send(_ line: [UInt8]?) {
        guard let line else { return }
        output.bytes.append(contentsOf: line)
        output.endLine()
    }

    /// The first message of a turn makes room for as much as the last turn said, the buffer having been given away.
    private mutating func prepare() {
        if output.bytes.isEmpty { output.bytes.reserveCapacity(max(512, min(lastOutput, Self.mostReserved))) }
    }
}
