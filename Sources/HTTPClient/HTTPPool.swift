// Theory of operation.
//
// Requests go in, outcomes come out, in any order. A pool keeps connections and has one policy; pools share nothing, so
// providers and webhooks, which have different ones, never meet.
//
// A request waits in the pool until its host and the pool have a place, then it is libcurl's. The pool watches the
// deadlines: total from `perform` on, connect from the place on, first byte from the connection on. A body that is gzip is
// decoded in slices after the whole of it came, so that neither a bomb nor a large answer holds the loop up; raw and decoded
// bytes each stay below the policy's ceiling.

import CCurl
import EventLoop
import Glibc
import PushCore

/// Makes HTTP requests. Used on the loop thread.
package final class HTTPPool {
    private let loop: Loop
    private let policy: PoolPolicy
    private let multi: CurlMulti
    private var waiting: [Call] = []
    private var active: [ObjectIdentifier: Call] = [:]
    private var decoding: [ObjectIdentifier: Call] = [:]
    private var places: [HTTPOrigin: Int] = [:]
    private var isClosed = false

    /// A request on its way.
    private final class Call {
        let request: HTTPRequest
        let timer: Timer
        let due: UInt64
        var answer: ((HTTPOutcome) -> Void)?
        var transfer: CurlTransfer?
        var needsNewConnection = false

        init(_ request: HTTPRequest, _ loop: Loop, _ answer: @escaping (HTTPOutcome) -> Void) {
            self.request = request
            self.answer = answer
            timer = Timer(loop: loop)
            let (due, overflowed) = loop.now.addingReportingOverflow(request.deadlines.total)
            self.due = overflowed ? .max : due
        }
    }

    /// - Throws: `HTTPPoolFailure`.
    package init(loop: Loop, policy: PoolPolicy) throws(HTTPPoolFailure) {
        if let file = policy.certificateFile, access(file, R_OK) != 0 { throw .certificateFile(path: file) }
        guard CurlMulti.isReady else { throw .noLibrary }
        guard let multi = CurlMulti(loop: loop, policy) else { throw .outOfMemory }
        self.loop = loop
        self.policy = policy
        self.multi = multi
        multi.onDone = { [unowned self] in ended($0, $1) }
    }

    /// Makes a request. `answer` is called once, on the loop thread, never before this returns.
    package func perform(_ request: HTTPRequest, _ answer: @escaping (HTTPOutcome) -> Void) {
        if let failure = refusal(request) { return loop.soon { answer(.failure(failure)) } }
        let call = Call(request, loop, answer)
        if hasPlace(request.origin) {
            begin(call)
        } else {
            waiting.append(call)
            arm(call, .max, .totalDeadline, .connect)
        }
    }

    /// Answers for a request that was not even made, in the pool's own way: later, and never sent.
    func refuse(_ reason: String, _ answer: @escaping (HTTPOutcome) -> Void) {
        loop.soon { answer(.failure(HTTPFailure(.badRequest, .connect, reason))) }
    }

    /// Takes no more requests, breaks off those under way and closes all connections; then `done` is called. Each request
    /// is answered before. To be called once.
    package func close(_ done: @escaping () -> Void) {
        precondition(!isClosed, "A pool is closed once.")
        isClosed = true
        // Not at once: an answer may be what closes the pool, and libcurl's messages are still being read then.
        loop.soon { [self] in
            let calls = waiting + active.values + decoding.values
            for call in calls { breakOff(call, HTTPFailure(.noPlace, .connect, "The client is closed.")) }
            multi.close()
            done()
        }
    }

    // MARK: Places

    private func refusal(_ request: HTTPRequest) -> HTTPFailure? {
        if isClosed { return HTTPFailure(.noPlace, .connect, "The client is closed.") }
        if let problem = RequestHeaders.problem(request) { return HTTPFailure(.badRequest, .connect, problem) }
        guard request.origin.isSecure || policy.isPlainWhereAllowed || policy.plainOrigins.contains(request.origin)
        else {
            return HTTPFailure(.badRequest, .connect, "Only https is allowed for this origin.")
        }
        guard waiting.count < policy.waiting else { return HTTPFailure(.noPlace, .connect, "Too many requests wait.") }
        return nil
    }

    private func hasPlace(_ origin: HTTPOrigin) -> Bool {
        active.count < policy.connections && places[origin, default: 0] < policy.connectionsPerHost
    }

    private func begin(_ call: Call) {
        guard let transfer = makeTransfer(call), multi.add(transfer) else {
            loop.soon { [self] in finish(call, .failure(HTTPFailure(.noPlace, .connect, "libcurl took no request."))) }
            return
        }
        call.transfer = transfer
        active[ObjectIdentifier(transfer)] = call
        places[call.request.origin, default: 0] += 1
        transfer.onStage = { [unowned self, unowned call] stage in
            switch stage {
            case .connecting: break
            case .sent: arm(call, call.request.deadlines.firstByte, .firstByteDeadline, .deadline)
            case .answering: arm(call, .max, .totalDeadline, .deadline)
            }
        }
        arm(call, call.request.deadlines.connect, .connectDeadline, .connect)
    }

    private func makeTransfer(_ call: Call) -> CurlTransfer? {
        CurlTransfer(call.request, policy, multi.connections, onNewConnection: call.needsNewConnection)
    }

    private func release(_ call: Call) {
        guard let transfer = call.transfer, active.removeValue(forKey: ObjectIdentifier(transfer)) != nil else {
            return
        }
        let left = places[call.request.origin, default: 1] - 1
        places[call.request.origin] = left > 0 ? left : nil
    }

    private func beginWaiting() {
        var place = 0
        while !isClosed, place < waiting.count, active.count < policy.connections {
            if hasPlace(waiting[place].request.origin) {
                begin(waiting.remove(at: place))
            } else {
                place += 1
            }
        }
    }

    // MARK: Deadlines

    /// Starts the clock of a phase; the total goes on.
    private func arm(_ call: Call, _ limit: UInt64, _ kind: HTTPFailure.Kind, _ phase: ExchangeOutcome.Phase) {
        let left = call.due - min(call.due, loop.now)
        let kind = limit < left ? kind : .totalDeadline
        call.timer.start(after: min(limit, left)) { [unowned self, unowned call] in
            let phase = call.transfer?.phase ?? phase
            breakOff(call, HTTPFailure(kind, phase, status: nil, "The time for it was over."))
        }
    }

    private func breakOff(_ call: Call, _ failure: HTTPFailure) {
        var failure = failure
        if let transfer = call.transfer {
            multi.remove(transfer)
            failure.phase = transfer.phase
            if transfer.head.isComplete { failure.status = transfer.head.status }
        } else {
            waiting.removeAll { $0 === call }
        }
        release(call)
        decoding[ObjectIdentifier(call)] = nil
        finish(call, .failure(failure))
        beginWaiting()
    }

    // MARK: Answers

    private func ended(_ transfer: CurlTransfer, _ code: CURLcode) {
        guard let call = active[ObjectIdentifier(transfer)] else { return }
        release(call)
        if transfer.isSpoilt, !call.needsNewConnection {
            // libcurl has closed that connection; nothing of the request had left.
            call.needsNewConnection = true
            return begin(call)
        }
        switch transfer.outcome(code) {
        case .failure(let failure): finish(call, .failure(failure))
        case .success(let answer): receive(answer, call, transfer)
        }
        beginWaiting()
    }

    private func receive(_ answer: HTTPAnswer, _ call: Call, _ transfer: CurlTransfer) {
        if GzipDecoder.looksLikeGzip(answer.body) {
            decoding[ObjectIdentifier(call)] = call
            return decode(answer, call, GzipDecoder(answer.body, ceiling: policy.bodyBytes))
        }
        // Some servers name gzip and send plain text: then the bytes are right.
        let isReadable = transfer.head.values("content-encoding").allSatisfy {
            ["gzip", "x-gzip", "identity"].contains($0)
        }
        guard isReadable || answer.body.isEmpty else {
            let failure = HTTPFailure(
                .badEncoding, .receive, status: answer.status,
                "The answer's body is encoded in a way that was not asked for.")
            return finish(call, .failure(failure))
        }
        finish(call, .success(answer))
    }

    private func decode(_ answer: HTTPAnswer, _ call: Call, _ decoder: GzipDecoder) {
        guard decoding[ObjectIdentifier(call)] != nil else { return }
        switch decoder.step() {
        case .more: return loop.soon { [self] in decode(answer, call, decoder) }
        case .done(let body):
            var answer = answer
            answer.body = body
            finish(call, .success(answer))
        case .failed(let kind):
            let reason = kind == .bodyTooLarge ? "The answer's body is too large." : "The answer's gzip is broken."
            finish(call, .failure(HTTPFailure(kind, .receive, status: answer.status, reason)))
        }
    }

    private func finish(_ call: Call, _ outcome: HTTPOutcome) {
        decoding[ObjectIdentifier(call)] = nil
        call.timer.close()
        let answer = call.answer
        call.answer = nil
        answer?(outcome)
    }
}
