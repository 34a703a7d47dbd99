import PushCore

/// One request, as values.
package struct HTTPRequest: Equatable, Sendable {
    /// An upper-case token.
    package var method: String
    package var origin: HTTPOrigin
    /// Path with query, sent as it is.
    package var path: String
    /// Sent in this order, after those that the client makes itself (`RequestHeaders.reserved`).
    package var headers: [Exchange.Header]
    package var body: [UInt8]
    package var deadlines: HTTPDeadlines

    package init(
        method: String, origin: HTTPOrigin, path: String, headers: [Exchange.Header] = [], body: [UInt8] = [],
        deadlines: HTTPDeadlines = HTTPDeadlines()
    ) {
        self.method = method
        self.origin = origin
        self.path = path
        self.headers = headers
        self.body = body
        self.deadlines = deadlines
    }

    /// GET and HEAD change nothing (RFC 9110 section 9.2.1): they may go again when a kept connection turns out to be dead.
    var isSafe: Bool { method == "GET" || method == "HEAD" }
}

/// How long each phase may take, in nanoseconds.
package struct HTTPDeadlines: Equatable, Sendable {
    /// Name, connection and TLS, from the moment at which a place was free.
    package var connect: UInt64
    /// From the connection until the first line of the answer, so with sending.
    package var firstByte: UInt64
    /// Everything, with waiting for a place.
    package var total: UInt64

    package init(connect: UInt64 = 10_000_000_000, firstByte: UInt64 = 30_000_000_000, total: UInt64 = 60_000_000_000) {
        self.connect = connect
        self.firstByte = firstByte
        self.total = total
    }
}

/// A complete answer, whatever it says. Redirects are not followed.
package struct HTTPAnswer: Equatable, Sendable {
    /// 200 to 999: interim answers are not told.
    package var status: Int
    /// Names in lower case, in the order of the answer.
    package var headers: [Exchange.Header]
    /// Decoded.
    package var body: [UInt8]
    /// "1.0", "1.1" or "2".
    package var version: String
}

/// Why there is no complete answer.
package struct HTTPFailure: Error, Equatable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// The request is not one that may be sent: method, path, header, or a plain origin that was not allowed.
        case badRequest
        /// Too many wait for a place, or the pool is closed, or the process is out of memory or descriptors.
        case noPlace
        case nameNotFound
        /// Each address of the host is refused by the pool's filter.
        case addressForbidden
        case connectFailed
        /// No TLS connection to whom the certificate must name.
        case tlsFailed
        case connectDeadline, firstByteDeadline, totalDeadline
        /// The connection broke while the request was being sent.
        case sendFailed
        /// The connection ended before an answer was begun. Also when a kept connection turned out to be dead.
        case noAnswer
        /// The answer is shorter than it says.
        case truncated
        /// Not HTTP, or against its rules.
        case malformed
        case headTooLarge, bodyTooLarge
        /// A Content-Encoding that was not asked for, or gzip that is broken.
        case badEncoding
    }

    package var kind: Kind
    package var phase: ExchangeOutcome.Phase
    /// The status, if the head of the answer had come.
    package var status: Int?
    /// A sentence without anything of the request in it.
    package var reason: String

    package init(_ kind: Kind, _ phase: ExchangeOutcome.Phase, status: Int? = nil, _ reason: String) {
        self.kind = kind
        self.phase = phase
        self.status = status
        self.reason = reason
    }
}

package typealias HTTPOutcome = Result<HTTPAnswer, HTTPFailure>
