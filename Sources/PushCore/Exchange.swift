// The seam between what is decided and what carries it (K2): codecs make an `Exchange` from a request of the core,
// executors answer it with an `ExchangeOutcome`, codecs read that again.

/// One request to a provider, as values.
package struct Exchange: Equatable, Sendable {
    package var account: AccountKey
    package var method: String
    /// Path with query, from the provider's base.
    package var path: String
    package var headers: [Header]
    package var body: [UInt8]
    /// The provider must treat a second request with the same key as the first one. Nil for reads.
    package var idempotencyKey: String?

    package struct Header: Equatable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        account: AccountKey, method: String, path: String, headers: [Header] = [], body: [UInt8],
        idempotencyKey: String? = nil
    ) {
        self.account = account
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.idempotencyKey = idempotencyKey
    }
}

/// How an exchange went.
package enum ExchangeOutcome: Equatable, Sendable {
    /// The provider answered, whatever it said.
    case answered(status: Int, headers: [Exchange.Header], body: [UInt8])
    /// No complete answer; `phase` says how far it came, and so whether it can have had an effect.
    case failed(phase: Phase, reason: String)

    package enum Phase: String, Sendable, CaseIterable {
        case resolve, connect, send, receive, deadline

        /// True when the request cannot have reached the provider.
        package var isBeforeSending: Bool { self == .resolve || self == .connect }
    }
}
