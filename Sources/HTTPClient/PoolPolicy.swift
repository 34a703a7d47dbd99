/// What a pool allows, and its ceilings.
package struct PoolPolicy: Equatable, Sendable {
    package var filter: AddressFilter
    /// To these, and to no others, requests may go without TLS.
    package var plainOrigins: Set<HTTPOrigin> = []
    /// Also to any other, as far as its address is one that the filter's `allowed` names: what the operator has named lies
    /// in the operator's own network.
    package var isPlainWhereAllowed = false
    /// A file with further certificates (PEM) that vouch for servers, beside the system's. From the operator only.
    package var certificateFile: String?
    /// `http://host:port`. The proxy then resolves names and connects, so it must filter addresses: ours is not asked.
    package var proxy: String?
    package var userAgent = "pushgate"
    package var connectionsPerHost = 8
    package var connections = 64
    /// Requests that wait for a place.
    package var waiting = 10_000
    /// How long a connection may have been idle, in seconds, to carry a request that could have an effect. Short, because
    /// one that dies under such a request leaves its outcome unknown; servers close idle ones after 5 s and more.
    package var idleSeconds = 3
    /// The same for requests that may be repeated.
    package var safeIdleSeconds = 60
    /// All lines of the answer's head in bytes, with those of interim answers and of trailers.
    package var headBytes = 64 * 1024
    package var headLines = 256
    /// The answer's body in bytes, as it comes and when decoded.
    package var bodyBytes = 8 * 1024 * 1024

    package init(filter: AddressFilter = AddressFilter()) {
        self.filter = filter
    }
}

/// Why there is no pool.
package enum HTTPPoolFailure: Error, Equatable, Sendable {
    case outOfMemory
    /// libcurl.so.4 cannot be loaded.
    case noLibrary
    /// The policy's certificate file cannot be read.
    case certificateFile(path: String)
}
