// Theory of operation.
//
// One request in libcurl's hands. Two of its callbacks carry rules of the house.
//
// `openSocket` sees each binary address before anything is sent to it, whatever the name was and however often DNS changes
// its answer: here the address filter decides.
//
// `beforeRequest` (CURLOPT_PREREQFUNCTION) runs when the connection stands and before the first byte of the request. It is
// the line between "cannot have had an effect" and "may have had one". libcurl sends a request again by itself when a kept
// connection ends before the first byte of the answer, when an HTTP/2 server refuses the stream, and when it asks for
// HTTP/1.1; it cannot know whether the server had done the work already. Each of these ways leads through `beforeRequest` a
// second time, and there a request that could have an effect is stopped.

import CCurl
import Glibc
import PushCore

final class CurlTransfer {
    enum Stage { case connecting, sent, answering }

    let easy: UnsafeMutableRawPointer
    let request: HTTPRequest
    let policy: PoolPolicy
    /// Told when the stage changes, from within a callback of libcurl: nothing may be added or removed there.
    var onStage: ((Stage) -> Void)?

    private(set) var stage = Stage.connecting
    private(set) var head = AnswerHead()
    private(set) var body: [UInt8] = []
    /// The kept connection that libcurl chose cannot be used. Nothing was sent on it.
    private(set) var isSpoilt = false
    private var refusal: HTTPFailure?
    private let connections: KeptConnections
    private var port: UInt16 = 0
    private var passes = 0
    private var opened = 0
    private var forbidden = 0
    private var isOutOfDescriptors = false
    private let headers: UnsafeMutablePointer<curl_slist>
    private let outgoing: UnsafeMutablePointer<CChar>

    /// Nil when libcurl refuses an option or the process is out of memory. An option that is not taken is never passed
    /// over: most of them are there to forbid something.
    init?(_ request: HTTPRequest, _ policy: PoolPolicy, _ connections: KeptConnections, onNewConnection: Bool) {
        guard let easy = curl_easy_init() else { return nil }
        guard let headers = RequestHeaders.list(request) else {
            curl_easy_cleanup(easy)
            return nil
        }
        self.easy = easy
        self.headers = headers
        self.request = request
        self.policy = policy
        self.connections = connections
        outgoing = .allocate(capacity: max(1, request.body.count))
        request.body.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: outgoing, count: source.count).copyMemory(from: source)
        }
        let settings = CurlSettings(
            easy, request, policy, headers: headers, body: outgoing, onNewConnection: onNewConnection)
        guard settings.areTaken, setCallbacks() else { return nil }
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headers)
        outgoing.deallocate()
    }

    /// Where it stands, for one that is broken off.
    var phase: ExchangeOutcome.Phase {
        switch stage {
        case .connecting: opened == 0 ? .resolve : .connect
        case .sent, .answering: .deadline
        }
    }

    /// What became of it. The body is as it came.
    func outcome(_ code: CURLcode) -> HTTPOutcome {
        if let refusal { return .failure(refusal) }
        guard code == CURLE_OK else { return .failure(failure(code)) }
        guard head.isComplete else { return .failure(received(.malformed, "The answer has no head.")) }
        if version != "2" { connections.isSilent(port: port) }
        return .success(HTTPAnswer(status: head.status, headers: head.headers, body: body, version: version))
    }

    // MARK: Callbacks

    private func setCallbacks() -> Bool {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let results = [
            ccurl_set_pointer(easy, CURLOPT_WRITEDATA, context),
            ccurl_set_pointer(easy, CURLOPT_HEADERDATA, context),
            ccurl_set_pointer(easy, CURLOPT_OPENSOCKETDATA, context),
            ccurl_set_pointer(easy, CURLOPT_PREREQDATA, context),
            ccurl_set_bytes(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                let bytes = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return CurlTransfer.from(context).takeHead(bytes) ? bytes.count : 0
            },
            ccurl_set_bytes(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                let bytes = UnsafeRawBufferPointer(start: bytes, count: size * count)
                // An answer of 0 means "stop", so it must not be given for an empty piece.
                return CurlTransfer.from(context).takeBody(bytes) ? bytes.count : bytes.count + 1
            },
            ccurl_set_open_socket(easy) { context, _, address in
                guard let address else { return -1 }
                return CurlTransfer.from(context).openSocket(address)
            },
            // Outlives the transfer with its connection, so it knows the pool's sockets only.
            ccurl_set_pointer(easy, CURLOPT_CLOSESOCKETDATA, Unmanaged.passUnretained(connections).toOpaque()),
            ccurl_set_close_socket(easy) { context, descriptor in
                guard let context else { return close(descriptor) }
                return Unmanaged<KeptConnections>.fromOpaque(context).takeUnretainedValue().close(descriptor)
            },
            ccurl_set_before_request(easy) { context, address, _, _, port in
                let address = address.map { String(cString: $0) } ?? ""
                return CurlTransfer.from(context).beforeRequest(address, UInt16(truncatingIfNeeded: port))
                    ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            },
        ]
        return results.allSatisfy { $0 == CURLE_OK }
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> CurlTransfer {
        guard let context else { preconditionFailure("A callback of libcurl lost its transfer.") }
        return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
    }

    private func openSocket(_ target: UnsafeMutablePointer<curl_sockaddr>) -> Int32 {
        guard policy.proxy != nil || SocketAddress.read(target).map(permits) == true else {
            forbidden += 1
            return -1
        }
        let kind = target.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(target.pointee.family, kind, target.pointee.protocol)
        opened += 1
        if descriptor < 0 { isOutOfDescriptors = true } else { connections.opened(descriptor) }
        return descriptor
    }

    private func permits(_ address: IPAddress) -> Bool {
        let mayBePlain = request.origin.isSecure || policy.plainOrigins.contains(request.origin)
        return mayBePlain ? policy.filter.permits(address) : policy.filter.names(address)
    }

    private func beforeRequest(_ address: String, _ port: UInt16) -> Bool {
        // Also a kept connection leads only to where the filter lets it.
        guard policy.proxy != nil || IPAddress(address).map(permits) == true else {
            refusal = HTTPFailure(.addressForbidden, .connect, "The host's address is not a public one.")
            return false
        }
        if opened > 0 {
            connections.isNew(port: port)
        } else if connections.isSpoilt(port: port) {
            isSpoilt = true
            return false
        }
        self.port = port
        passes += 1
        guard passes == 1 || (request.isSafe && passes == 2) else {
            refusal = received(.noAnswer, "The connection ended before an answer came.")
            return false
        }
        advance(to: .sent)
        return true
    }

    private func takeHead(_ line: UnsafeRawBufferPointer) -> Bool {
        if stage != .answering { advance(to: .answering) }
        guard let problem = head.take(line, policy) else { return true }
        refusal = received(
            problem, problem == .headTooLarge ? "The answer's head is too large." : "The answer is malformed.")
        return false
    }

    private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard body.count + bytes.count <= policy.bodyBytes else {
            refusal = received(.bodyTooLarge, "The answer's body is too large.")
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    private func advance(to stage: Stage) {
        self.stage = stage
        onStage?(stage)
    }

    // MARK: Verdicts

    private func received(_ kind: HTTPFailure.Kind, _ reason: String) -> HTTPFailure {
        HTTPFailure(kind, .receive, status: head.isComplete ? head.status : nil, reason)
    }

    private func failure(_ code: CURLcode) -> HTTPFailure {
        let reason = String(cString: curl_easy_strerror(code))
        guard stage == .connecting else { return failureAfterSending(code, reason) }
        if isOutOfDescriptors { return HTTPFailure(.noPlace, .connect, "The process is out of descriptors.") }
        if forbidden > 0, opened == 0 {
            return HTTPFailure(.addressForbidden, .connect, "The host's address is not a public one.")
        }
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            return HTTPFailure(.nameNotFound, .resolve, reason)
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return HTTPFailure(.badRequest, .connect, reason)
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT: return HTTPFailure(.noPlace, .connect, reason)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
            return HTTPFailure(.tlsFailed, .connect, reason)
        default: return HTTPFailure(.connectFailed, .connect, reason)
        }
    }

    private func failureAfterSending(_ code: CURLcode, _ reason: String) -> HTTPFailure {
        if stage == .sent {
            switch code {
            // libcurl takes no line of more than 100 kB, and says so as if memory had run out.
            case CURLE_OUT_OF_MEMORY: return received(.headTooLarge, "The answer's head is too large.")
            case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY: return received(.malformed, reason)
            default: return isSentWhole ? received(.noAnswer, reason) : HTTPFailure(.sendFailed, .send, reason)
            }
        }
        switch code {
        case CURLE_OUT_OF_MEMORY: return received(.headTooLarge, "The answer's head is too large.")
        case CURLE_FILESIZE_EXCEEDED: return received(.bodyTooLarge, "The answer's body is too large.")
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_HTTP2_STREAM, CURLE_HTTP2:
            return received(.truncated, reason)
        case CURLE_RECV_ERROR: return received(isBadChunk ? .malformed : .truncated, reason)
        case CURLE_BAD_CONTENT_ENCODING: return received(.badEncoding, reason)
        default: return received(.malformed, reason)
        }
    }

    /// libcurl says "failure when receiving" both for a reset and for chunks that are none; errno is left at 0 for the latter.
    private var isBadChunk: Bool {
        var number = 0
        ccurl_get_long(easy, CURLINFO_OS_ERRNO, &number)
        return number == 0 && !head.values("transfer-encoding").isEmpty
    }

    private var isSentWhole: Bool {
        var count: curl_off_t = 0
        ccurl_get_offset(easy, CURLINFO_SIZE_UPLOAD_T, &count)
        return Int(count) >= request.body.count
    }

    private var version: String {
        var number = 0
        ccurl_get_long(easy, CURLINFO_HTTP_VERSION, &number)
        switch number {
        case Int(CURL_HTTP_VERSION_1_0): return "1.0"
        case Int(CURL_HTTP_VERSION_2_0): return "2"
        default: return "1.1"
        }
    }
}

/// The binary address in what libcurl is about to connect to.
enum SocketAddress {
    /// Nil for anything but IPv4 and IPv6.
    static func read(_ target: UnsafeMutablePointer<curl_sockaddr>) -> IPAddress? {
        guard let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return nil }
        let bytes = UnsafeRawPointer(target) + offset
        let length = Int(target.pointee.addrlen)
        switch target.pointee.family {
        case AF_INET where length >= MemoryLayout<sockaddr_in>.size:
            let address = bytes.loadUnaligned(as: sockaddr_in.self)
            return .v4(UInt32(bigEndian: address.sin_addr.s_addr))
        case AF_INET6 where length >= MemoryLayout<sockaddr_in6>.size:
            let address = bytes.loadUnaligned(as: sockaddr_in6.self)
            return .v6(
                withUnsafeBytes(of: address.sin6_addr) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
        default: return nil
        }
    }
}
