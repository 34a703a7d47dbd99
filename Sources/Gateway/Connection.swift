import EventLoop
import JSON
import JSONRPC
import PushCore

/// One caller: bytes in, calls to the methods, answers and events out. Judges load, not content.
package final class Connection {
    /// Strong, for it is asked at each call; the server lets go of a connection that was closed.
    let server: Server
    private let stream: any ByteStream
    let number: Int
    let peer: PeerCredentials?
    var conversation: Conversation
    private(set) var isClosed = false
    private var inputEnded = false
    private var drained = false
    private var isScheduled = false
    private var isDirty = false
    /// Reading stopped, or a subscription did, because the output is full.
    private var waitsForOutput = false
    private(set) var waitsForMemory = false
    /// Bytes of the unfinished line that count against the inbound budget of all connections.
    private var heldBytes = 0
    /// Bytes of output that count against the outbound budget of all connections.
    private var heldOutput = 0
    /// When the 64 KiB under way began to arrive, and how long the line was then.
    private var lineBegan: (time: UInt64, bytes: Int)?
    /// Calls that were kept by their handler.
    private var waiting: [ReplyTo: Responder] = [:]
    /// A responder that nobody else has, for the next call.
    private var spare: Responder?
    var subscriptions: [String: Subscription] = [:]
    let pushLine = PushLine()
    var hasSaidHello = false
    var isAuthenticated: Bool
    /// Bytes of a line that may be sent.
    var outboundLine: Int
    var eventPayload: Int
    var onClosed: (() -> Void)?

    /// Calls of one connection in one turn, so that a flood on one does not hold the others.
    private static let callsATurn = 100
    /// Nanoseconds of one connection in one turn.
    private static let turnTime: UInt64 = 5_000_000
    /// Bytes of a line that each connection may hold whatever the others do (K11).
    private static let guaranteedBytes = 64 << 10

    init(server: Server, stream: any ByteStream, peer: PeerCredentials?, number: Int, isAuthenticated: Bool) {
        self.server = server
        self.stream = stream
        self.peer = peer
        self.number = number
        self.isAuthenticated = isAuthenticated
        conversation = Conversation(ceilings: server.ceilings.framing)
        outboundLine = server.ceilings.outboundLine
        eventPayload = server.ceilings.eventPayload
        stream.lowWater = server.ceilings.eventPause / 2
        stream.onBytes = { [unowned self] bytes in receive(bytes) }
        stream.onDrained = { [unowned self] in
            drained = true
            schedule()
        }
        stream.onEnd = { [unowned self] failure in endOfInput(failure) }
        stream.onWritable = { [unowned self] in writable() }
        stream.onOutputFailure = { [unowned self] failure in
            server.log.debug("output failed", ("connection", String(number)), ("reason", failure.name))
            close()
        }
        stream.startReading()
    }

    var queuedBytes: Int { stream.queuedBytes + conversation.outputCount }
    /// Bytes of events that it takes now; 0 or less when none are pulled for it: it has enough to take, or all
    /// connections together have.
    var eventRoom: Int {
        if stream.queuedBytes > 0 && server.outboundBytes >= server.ceilings.outboundMemory { return 0 }
        return server.ceilings.eventPause - queuedBytes
    }
    var isFull: Bool { eventRoom <= 0 }
    var isIdle: Bool { waiting.isEmpty && conversation.outputCount == 0 && stream.queuedBytes == 0 }
    /// Calls await their answer, or lines that were read await their turn.
    var isBusy: Bool { !waiting.isEmpty || isScheduled }
    /// The peer has ended its input, and every call of it was taken (K23).
    private(set) var inputIsDone = false

    // MARK: In

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        server.counters.inboundBytes += bytes.count
        drained = false
        conversation.receive(bytes)
        account()
        schedule()
    }

    private func account() {
        let held = conversation.bufferedBytes
        server.inboundBytes += held - heldBytes
        heldBytes = held
        if held <= Self.guaranteedBytes { server.inboundTurn.leave(self) }
        if held == 0 {
            lineBegan = nil
        } else if lineBegan == nil || held - (lineBegan?.bytes ?? 0) >= Self.guaranteedBytes
            || held < (lineBegan?.bytes ?? 0)
        {
            lineBegan = (server.loop.now, held)
        }
        if held > Self.guaranteedBytes && server.inboundBytes > server.ceilings.inboundMemory { waitForMemory() }
    }

    private func waitForMemory() {
        guard !waitsForMemory, !server.inboundTurn.mayGoOn(self) else { return }
        waitsForMemory = true
        stream.pauseReading()
    }

    /// There is memory again, or it is this connection's turn to go beyond it. The time of the line begins anew: it was we
    /// who did not read.
    func memoryCameFree() {
        guard waitsForMemory, !isClosed else { return }
        waitsForMemory = false
        lineBegan = lineBegan.map { (server.loop.now, $0.bytes) }
        if !inputEnded && queuedBytes <= server.ceilings.replyPause { stream.startReading() }
    }

    private func schedule() {
        guard !isScheduled, !isClosed else { return }
        isScheduled = true
        server.loop.soon { [self] in
            isScheduled = false
            process()
        }
    }

    private func process() {
        guard !isClosed else { return }
        let start = Clock.monotonic()
        // Nothing is written to the stream before the end of the turn, so what is queued there stands still until then.
        let room = server.ceilings.replyPause - stream.queuedBytes
        var calls = 0
        var hasMore = false
        while let incoming = conversation.next(drained: drained) {
            take(incoming)
            calls += 1
            if isClosed { return }
            if calls >= Self.callsATurn || (calls & 15 == 0 && Clock.monotonic() - start > Self.turnTime) {
                schedule()
                hasMore = true
                break
            }
            if conversation.outputCount > room {
                stream.pauseReading()
                waitsForOutput = true
                hasMore = true
                break
            }
        }
        inputIsDone = inputEnded && !hasMore
        account()
        if conversation.outputCount > 0 { markDirty() }
        if inputIsDone { server.inputDone(self) }
    }

    private func take(_ incoming: Incoming) {
        switch incoming {
        case .call(let call):
            server.counters.calls += 1
            dispatch(call)
        case .cancel(let id):
            guard let replyTo = conversation.replyTo(pending: id), let responder = waiting[replyTo] else { return }
            responder.onCancel?()
            responder.error(.requestCancelled)
        case .refused:
            server.counters.errors += 1
            markDirty()
        case .response: server.counters.strayResponses += 1
        }
    }

    /// Most calls are answered before this returns. Only one that is not has to be found again, and only one that
    /// somebody keeps needs a responder of its own.
    private func dispatch(_ call: Call) {
        let responder = spare.take() ?? Responder(connection: self)
        responder.begin(call.replyTo)
        server.dispatch(call, responder)
        guard responder.isAnswered || call.replyTo == nil else {
            if isClosed { responder.onCancel?() } else { call.replyTo.map { waiting[$0] = responder } }
            return
        }
        // A connection that was closed meanwhile keeps none: the responder keeps the connection.
        guard !isClosed else { return }
        spare = responder
        if !isKnownUniquelyReferenced(&spare) { spare = nil }
    }

    func answered(_ responder: Responder) {
        if !waiting.isEmpty, let replyTo = responder.replyTo { waiting[replyTo] = nil }
    }

    /// A transfer that the end of input waited for has completed.
    func checkInputDone() {
        if inputIsDone { server.inputDone(self) }
    }

    /// A peer that has closed both directions hears nothing more, and the consumers that it read as are free for its
    /// next connection at once. One that only ended its input still listens.
    func dropSubscriptionsIfGone() {
        guard !subscriptions.isEmpty, stream.isHungUp else { return }
        for subscription in subscriptions.values { subscription.close() }
        subscriptions = [:]
    }

    private func endOfInput(_ failure: LoopFailure?) {
        guard !isClosed else { return }
        if failure != nil { return close() }
        inputEnded = true
        drained = true
        conversation.endOfInput()
        schedule()
    }

    // MARK: Out

    /// Something is to be written at the end of this turn.
    func markDirty() {
        guard !isDirty, !isClosed else { return }
        isDirty = true
        server.dirty.append(self)
    }

    func flush() {
        isDirty = false
        guard !isClosed, conversation.outputCount > 0 else { return }
        let bytes = conversation.takeOutput()
        server.counters.outboundBytes += bytes.count
        stream.write(bytes)
        accountOutput()
        if waitsForOutput && !isFull {
            // The kernel took all of it, so the stream will not report that it is writable again.
            waitsForOutput = false
            server.loop.soon { [self] in writable() }
        }
        if stream.queuedBytes > server.ceilings.replyPause { stream.pauseReading() }
        if inputIsDone { server.inputDone(self) }
    }

    /// A subscription stops because the output is full. It is pumped again when there is room.
    func holdBackEvents() { waitsForOutput = true }

    /// What the kernel has not taken counts against the outbound budget of all connections.
    private func accountOutput() {
        let held = isClosed ? 0 : stream.queuedBytes
        server.outboundBytes += held - heldOutput
        heldOutput = held
    }

    private func writable() {
        guard !isClosed else { return }
        accountOutput()
        if !inputEnded && !waitsForMemory && queuedBytes <= server.ceilings.replyPause { stream.startReading() }
        schedule()
        waitsForOutput = false
        for subscription in subscriptions.values { server.events.wake(subscription) }
        if inputIsDone { server.inputDone(self) }
    }

    /// Every second: lines that take too long, peers that take nothing, memory that came free.
    func check(now: UInt64) {
        if inputIsDone { server.inputDone(self) }
        if let began = lineBegan, !waitsForMemory, now - began.time > server.ceilings.lineTime {
            server.log.info("line took too long", ("connection", String(number)))
            conversation.complain(ErrorReply(.lineTimeout))
            flush()
            stream.endOutput { [self] in close() }
            lineBegan = nil
            return
        }
        if stream.queuedBytes > server.ceilings.replyPause && now - stream.lastProgress > server.ceilings.stallTime {
            server.log.warning(
                "peer takes nothing, connection ended", ("connection", String(number)),
                ("queued_bytes", String(stream.queuedBytes)))
            for subscription in subscriptions.values { subscription.end(reason: "stalled") }
            close()
            return
        }
        if waitsForMemory && server.inboundBytes <= server.ceilings.inboundMemory { memoryCameFree() }
        accountOutput()
        if waitsForOutput && !isFull { writable() }
    }

    /// Writes what is ready, then ends the output and closes.
    func finish(_ done: @escaping () -> Void) {
        guard !isClosed else { return done() }
        flush()
        stream.endOutput { [self] in
            close()
            done()
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        server.inboundBytes -= heldBytes
        heldBytes = 0
        accountOutput()
        server.inboundTurn.leave(self)
        for responder in waiting.values { responder.onCancel?() }
        waiting = [:]
        spare = nil
        for subscription in subscriptions.values { subscription.close() }
        subscriptions = [:]
        stream.close()
        server.closed(self)
        onClosed?()
    }
}
