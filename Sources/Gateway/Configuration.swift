import EventLoop
import JSONRPC

/// A socket that the gateway listens on.
package struct ListenAddress: Equatable, Sendable {
    package enum Place: Equatable, Sendable {
        case path(String)
        /// A socket handed over by the service manager, by its name there.
        case inherited(name: String)
    }

    package var place: Place
    /// Permission bits of the socket file.
    package var mode: UInt32
    /// Group id of the socket file; nil leaves it.
    package var group: UInt32?

    package init(place: Place, mode: UInt32 = 0o600, group: UInt32? = nil) {
        self.place = place
        self.mode = mode
        self.group = group
    }
}

/// Every maximum that is not a matter of one message (`x-ceilings` in `protocol/openrpc.json`).
package struct Ceilings: Equatable, Sendable {
    package var framing = FramingCeilings()
    package var connections = 1_024
    /// Nil: half of `connections`.
    package var connectionsPerUser: Int?
    /// Of one connection.
    package var subscriptions = 64
    /// Bytes of a line that the gateway sends; a client raises it for its connection with `hello`.
    package var outboundLine = 1_000_000
    /// Bytes of an event's payload; larger ones are sent as a reference.
    package var eventPayload = 48 * 1_024
    /// Bytes queued for a connection above which no events are pulled for it.
    package var eventPause = 64 * 1_024
    /// Bytes queued for a connection above which nothing is read from it.
    package var replyPause = 8 << 20
    /// Nanoseconds without a byte taken, while above `replyPause`, after which a connection is ended.
    package var stallTime: UInt64 = 30_000_000_000
    /// Nanoseconds that 64 KiB of a line may take.
    package var lineTime: UInt64 = 10_000_000_000
    /// Bytes of unfinished lines, of all connections.
    package var inboundMemory = 48 << 20
    /// Bytes queued for all connections above which no events are pulled.
    package var outboundMemory = 24 << 20
    /// Nanoseconds that a synchronous push waits.
    package var synchronousTime: UInt64 = 300_000_000_000
    /// Nanoseconds after which a transfer that is arriving in parts ends if no further part comes (K31).
    package var partsTime: UInt64 = 24 * 3_600_000_000_000
    /// Bytes that must be free beside the store for a push to be accepted.
    package var freeSpace: Int64 = 64 << 20

    package init() {}

    package var perUser: Int { connectionsPerUser ?? max(1, connections / 2) }
}

/// How long what is over is kept (K35).
package struct Retention: Equatable, Sendable {
    /// Milliseconds that a completed transfer stays, if its events are gone by then: results outlive their events (K13).
    package var transfers: Int64 = 30 * 24 * 3_600_000
    /// Milliseconds that an event stays.
    package var events: Int64 = 7 * 24 * 3_600_000
    /// Bytes of event log beyond which the oldest events go, however young they are.
    package var eventBytes = 256 << 20

    package init() {}
}

/// All that a start decides.
package struct Configuration: Sendable {
    package var listen: [ListenAddress] = []
    /// Path of the store file.
    package var store: String
    /// Path of the file with the gateway's key; nil: beside the store, made at the first start.
    package var keyFile: String?
    /// What callers may name as `credentials`; each name once.
    package var credentials: [CredentialSource] = []
    /// Directory of the files of the embedded provider.
    package var localDirectory: String
    /// Folder of the operator's own manifests.
    package var manifestDirectory: String?
    /// Where providers are, if not where their manifests say.
    package var providers = ProviderOrigins()
    package var ceilings = Ceilings()
    package var retention = Retention()
    package var webhooks = WebhookConfiguration()
    /// Besides root and the gateway's own user.
    package var allowedUsers: Set<UInt32> = []
    package var allowedGroups: Set<UInt32> = []
    /// What `hello` must bring; nil: nothing.
    package var token: [UInt8]?
    /// Nanoseconds after which an account that is paused is asked again whether it answers (K32).
    package var providerProbe: UInt64 = 10_000_000_000
    /// The same for one whose credentials the operator defined, and they are not accepted.
    package var credentialProbe: UInt64 { 6 * providerProbe }
    /// Nanoseconds that a drain may take.
    package var drainTime: UInt64 = 30_000_000_000
    /// Stop reading commands at the end of input, but run accepted transfers to their end first.
    package var waitsForTransfers = false
    package var logLevel = Log.Level.info

    package init(store: String, localDirectory: String) {
        self.store = store
        self.localDirectory = localDirectory
    }
}

/// Name and version of the product.
package enum Product {
    package static let name = "pushgate"
    package static let version = "0.1.0"
}
