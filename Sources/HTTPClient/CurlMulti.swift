import CCurl
import EventLoop

/// libcurl's multi handle, driven by the loop: it says which sockets and which time it waits for, and is told when they are
/// there. Everything runs on the loop thread, but for names: each look-up has a short-lived thread of libcurl's own.
final class CurlMulti {
    /// A transfer came to its end and was taken off. Called from the loop, never from within a callback of libcurl.
    var onDone: ((CurlTransfer, CURLcode) -> Void)?

    let connections = KeptConnections()

    private let loop: Loop
    private let multi: UnsafeMutableRawPointer
    private let timer: Timer
    private var polls: [Int32: Poll] = [:]
    private var transfers: [UnsafeMutableRawPointer: CurlTransfer] = [:]
    private var isClosed = false

    /// Once a process; on the loop thread, before libcurl has threads. Loading the library takes some milliseconds. False
    /// when it is not there.
    static let isReady = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    /// Nil when the process is out of memory.
    init?(loop: Loop, _ policy: PoolPolicy) {
        guard Self.isReady, let multi = curl_multi_init() else { return nil }
        self.loop = loop
        self.multi = multi
        timer = Timer(loop: loop)
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, context)
        ccurl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, context)
        ccurl_multi_set_socket(multi) { _, descriptor, what, context, _ in
            CurlMulti.from(context)?.watch(descriptor, what)
            // Any other answer would make the whole multi handle unusable. A socket that cannot be watched is left to
            // the deadline.
            return 0
        }
        ccurl_multi_set_timer(multi) { _, milliseconds, context in
            CurlMulti.from(context)?.wait(milliseconds)
            return 0
        }
        // The pool admits no more than this; here it bounds the idle ones, too.
        ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, policy.connections)
        ccurl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, policy.connections)
        ccurl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, policy.connectionsPerHost)
    }

    /// False when libcurl does not take it.
    func add(_ transfer: CurlTransfer) -> Bool {
        guard !isClosed, curl_multi_add_handle(multi, transfer.easy) == CURLM_OK else { return false }
        transfers[transfer.easy] = transfer
        return true
    }

    /// Breaks a transfer off; `onDone` is not called for it. Not to be called from within a callback of libcurl.
    func remove(_ transfer: CurlTransfer) {
        guard transfers.removeValue(forKey: transfer.easy) != nil else { return }
        curl_multi_remove_handle(multi, transfer.easy)
    }

    /// Closes all connections. No transfer may be left, and none of libcurl's callbacks under way.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        onDone = nil
        curl_multi_cleanup(multi)
        for descriptor in polls.keys.sorted() { polls[descriptor]?.close() }
        polls = [:]
        timer.close()
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> CurlMulti? {
        context.map { Unmanaged<CurlMulti>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: What libcurl waits for

    private func watch(_ descriptor: Int32, _ what: Int32) {
        if what == CURL_POLL_REMOVE {
            polls.removeValue(forKey: descriptor)?.close()
            return
        }
        guard let poll = polls[descriptor] ?? (try? Poll(loop: loop, descriptor: descriptor)) else { return }
        polls[descriptor] = poll
        var events: Poll.Events = []
        if what != CURL_POLL_OUT { events.insert(.readable) }
        if what != CURL_POLL_IN { events.insert(.writable) }
        poll.start(events) { [unowned self] events, failure in
            var mask: Int32 = 0
            if events.contains(.readable) { mask |= CURL_CSELECT_IN }
            if events.contains(.writable) { mask |= CURL_CSELECT_OUT }
            if failure != nil { mask |= CURL_CSELECT_ERR }
            act(descriptor, mask)
        }
    }

    private func wait(_ milliseconds: Int) {
        guard milliseconds >= 0 else { return timer.stop() }
        timer.start(after: UInt64(milliseconds) * 1_000_000) { [unowned self] in act(-1, 0) }
    }

    private func act(_ descriptor: Int32, _ mask: Int32) {
        guard !isClosed else { return }
        var running: Int32 = 0
        curl_multi_socket_action(multi, descriptor, mask, &running)
        var left: Int32 = 0
        while !isClosed, let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = transfers[easy]
            else { continue }
            // The message is gone with the handle.
            let code = message.pointee.data.result
            remove(transfer)
            onDone?(transfer, code)
        }
    }
}
