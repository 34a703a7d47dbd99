import CCurl

/// The options of one request. What is not set has been checked to be off by default (libcurl 7.88): cookies, netrc,
/// alt-svc, HSTS, authentication.
struct CurlSettings {
    private let easy: UnsafeMutableRawPointer
    private(set) var areTaken = true

    init(
        _ easy: UnsafeMutableRawPointer, _ request: HTTPRequest, _ policy: PoolPolicy,
        headers: UnsafeMutablePointer<curl_slist>, body: UnsafeMutablePointer<CChar>, onNewConnection: Bool
    ) {
        self.easy = easy
        set(CURLOPT_FRESH_CONNECT, onNewConnection ? 1 : 0)
        setTarget(request, policy)
        setRequest(request, policy, headers, body)
        setTrust(policy)
        setCeilings(request, policy)
    }

    private mutating func setTarget(_ request: HTTPRequest, _ policy: PoolPolicy) {
        let origin = request.origin
        let scheme = origin.isSecure ? "https" : "http"
        set(CURLOPT_URL, "\(scheme)://\(origin.host):\(origin.port)\(request.path)")
        set(CURLOPT_PROTOCOLS_STR, scheme)
        set(CURLOPT_REDIR_PROTOCOLS_STR, scheme)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        // An empty text is what keeps the environment's proxies away.
        set(CURLOPT_PROXY, policy.proxy ?? "")
        set(CURLOPT_NOPROXY, policy.proxy == nil ? "*" : "")
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    }

    private mutating func setRequest(
        _ request: HTTPRequest, _ policy: PoolPolicy, _ headers: UnsafeMutablePointer<curl_slist>,
        _ body: UnsafeMutablePointer<CChar>
    ) {
        if request.method == "HEAD" {
            set(CURLOPT_NOBODY, 1)
        } else if request.isSafe {
            set(CURLOPT_HTTPGET, 1)
        } else {
            // Also for an empty body, so that it is sent with its length, which is 0.
            set(CURLOPT_POST, 1)
            check(ccurl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count)))
            check(ccurl_set_pointer(easy, CURLOPT_POSTFIELDS, body))
            set(CURLOPT_CUSTOMREQUEST, request.method)
        }
        check(ccurl_set_list(easy, CURLOPT_HTTPHEADER, headers))
        set(CURLOPT_USERAGENT, policy.userAgent)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        set(CURLOPT_HTTP09_ALLOWED, 0)
        // Bodies are decoded by `GzipDecoder`, which judges by the bytes and counts what comes out.
        set(CURLOPT_HTTP_CONTENT_DECODING, 0)
        set(CURLOPT_MAXAGE_CONN, request.isSafe ? policy.safeIdleSeconds : policy.idleSeconds)
    }

    private mutating func setTrust(_ policy: PoolPolicy) {
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        // Replaces the system's bundle; the system's directory of certificates stays.
        if let file = policy.certificateFile { set(CURLOPT_CAINFO, file) }
    }

    private mutating func setCeilings(_ request: HTTPRequest, _ policy: PoolPolicy) {
        // Deadlines are the pool's. libcurl's own are a second line, in case that a timer of ours were lost.
        let milliseconds = min(request.deadlines.total / 1_000_000, 86_400_000)
        set(CURLOPT_TIMEOUT_MS, Int(milliseconds) + 5_000)
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(milliseconds) + 5_000)
        check(ccurl_set_offset(easy, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(policy.bodyBytes)))
        set(CURLOPT_NOSIGNAL, 1)
        // A transfer that ends while its name is being looked up must not wait for that thread: it lets it go.
        set(CURLOPT_QUICK_EXIT, 1)
    }

    private mutating func set(_ option: CURLoption, _ value: Int) { check(ccurl_set_long(easy, option, value)) }

    private mutating func set(_ option: CURLoption, _ value: String) { check(ccurl_set_text(easy, option, value)) }

    private mutating func check(_ code: CURLcode) { if code != CURLE_OK { areTaken = false } }
}
