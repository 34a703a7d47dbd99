import EventLoop
import Glibc
import JSON
import JSONRPC
import JSONSchema
import LocalProvider
import PushCore
import Store

/// Counts since the start, for `stats`.
struct Counters {
    var calls = 0
    var errors = 0
    var strayResponses = 0
    var inboundBytes = 0
    var outboundBytes = 0
    var eventsDelivered = 0
    var connectionsRefused = 0
}

/// Why a gateway cannot start; `exitCode` is documented in `pushgate --help`.
package struct StartFailure: Error, CustomStringConvertible {
    package var description: String
    package var exitCode: Int32
}

/// The assembled gateway: store, provider, machine, connections, on one loop.
package final class Server {
    package let loop: Loop
    let configuration: Configuration
    let log: Log
    let store: DurableStore
    let turn: Turn
    let slices: Slices
    let sessions: Sessions
    let catalogue: Catalogue
    let methods: Methods
    let local: LocalExecutor
    let exchanges: Exchanges
    let driver: Driver
    let events: EventLog
    let sealer: Sealer
    let webhooks: WebhookDesk
    let credentials: Credentials
    let patterns: any PatternCompiler
    /// Fresh with each process: a client sees by it that the gateway was restarted.
    let instance: String
    var identifiers = IdentifierSource()
    var counters = Counters()
    /// Bytes of unfinished lines, and of output that no kernel has taken, of all connections (K11).
    var inboundBytes = 0
    var outboundBytes = 0
    let inboundTurn = InboundTurn()
    let turns = LongestTurns()
    var dirty: [Connection] = []
    private(set) var connections: [Int: Connection] = [:]
    private var connectionsByUser: [UInt32: Int] = [:]
    private var lastConnection = 0
    private var listeners: [Listener] = []
    private let housekeeping: Timer
    /// Until when a stop waits for webhooks' answers.
    private var webhookPatience: UInt64 = 0
    private let started: UInt64
    private(set) var isDraining = false
    private(set) var isReady = false
    /// Calls that came before the gateway was ready, in their order.
    var whenReady: [() -> Void] = []
    private var drainDeadline: Timer?
    private var hasEnded = false
    /// The process is to end with this code; the loop has been emptied unless the code is not 0.
    package var onEnd: (Int32) -> Void = { _ in }
    /// Callers that wait for a transfer to complete, by its sequence.
    var completionWaiters: [Int64: [(TransferRow?) -> Void]] = [:]
    var progressWatchers: [Int64: [ProgressWatcher]] = [:]
    /// Pushes with an idempotency key that are not committed yet (K22).
    var pendingKeys: [PendingKey: [() -> Void]] = [:]
    let parts: PartBook
    /// Transfers that a caller is resolving records of.
    let resolving = Turnstile()
    /// Plans that are being made, by their sequence.
    var plannings: [Int64: Planning] = [:]
    /// Plans that are kept, oldest first.
    var plans: [StoredState.PlanAge]
    /// Plans that are being applied, by their id as it was given, and who waits for it.
    var applyingPlans: [String: [() -> Void]] = [:]
    var lastTransfer: Int64
    /// Positions of named consumers: the last event that each acknowledged.
    var consumers: [String: Int64]
    private var clockWatch = ClockWatch()
    /// The user that the gateway runs as.
    let ownUser = geteuid()

    var ceilings: Ceilings { configuration.ceilings }

    /// Opens the store and makes everything ready, but listens to nobody yet.
    package init(loop: Loop, configuration: Configuration, log: Log) throws(StartFailure) {
        self.loop = loop
        self.configuration = configuration
        self.log = log
        do {
            store = try DurableStore(loop: loop, path: configuration.store, settings: Self.storeSettings(configuration))
        } catch {
            throw StartFailure(description: error.description, exitCode: error.exitCode)
        }
        let key = try Self.key(configuration, log)
        sealer = Sealer(key: key, for: .confirmedStates)
        turn = Turn(store: store)
        slices = Slices(loop: loop)
        guard let patterns = PatternMatcher() else {
            throw StartFailure(description: "The pattern library gives no memory for its limits.", exitCode: 70)
        }
        self.patterns = patterns
        (catalogue, methods) = try Self.contract(configuration, log, patterns)
        do {
            credentials = try Credentials(
                loop: loop, log: log, sealer: Sealer(key: key, for: .credentials), sources: configuration.credentials,
                rows: store.state.credentials)
            local = try LocalExecutor(
                loop: loop, directory: configuration.localDirectory,
                resources: catalogue.provider("local", settings: nil)?.resources ?? [])
            instance = try Randomness.bytes(4).map { String($0, radix: 16) }.joined()
        } catch {
            throw StartFailure(description: "\(error)", exitCode: 74)
        }
        sessions = Sessions(store: store, catalogue: catalogue, patterns: patterns)
        exchanges = Exchanges(
            loop: loop, local: local, credentials: credentials, catalogue: catalogue, origins: configuration.providers,
            log: log)
        driver = Driver(
            loop: loop, store: store, turn: turn, slices: slices, sessions: sessions, exchanges: exchanges,
            sealer: sealer, probeWait: configuration.providerProbe)
        events = EventLog(store: store, sessions: sessions, loop: loop, slices: slices)
        webhooks = WebhookDesk(
            loop: loop, store: store, turn: turn, slices: slices, sessions: sessions,
            sealer: Sealer(key: key, for: .webhookSecrets), configuration: configuration.webhooks, log: log)
        housekeeping = Timer(loop: loop)
        started = loop.now
        parts = PartBook(store.state.openParts)
        lastTransfer = store.state.lastTransfer
        consumers = store.state.consumers
        plans = store.state.plans
        wire()
    }

    private func wire() {
        store.onFailure = { [unowned self] failure in
            log.error("the store failed", ("reason", failure.description))
            end(failure.exitCode)
        }
        loop.endOfTurn = { [unowned self] in endOfTurn() }
        driver.onPublished = { [unowned self] rows in published(rows) }
        driver.onProgress = { [unowned self] row in progressed(row) }
        driver.onUnopened = { [unowned self] in
            log.warning("sealed states in the store do not open with this key: their records are read at the provider")
        }
        driver.onCompleted = { [unowned self] row in completed(row) }
        wireWebhooks()
        housekeeping.keepsLoopAlive = false
        housekeeping.start(after: 1_000_000_000, repeating: 1_000_000_000) { [unowned self] in everySecond() }
        for row in store.state.sessions {
            if !sessions.restore(row) { log.error("a stored session cannot be read", ("session", row.id.text)) }
        }
        for session in sessions.byID.values where session.row.account.provider == "local" {
            local.open(account: session.row.account.name, settings: settings(of: session.row))
        }
    }

    func settings(of row: SessionRow) -> LocalSettings {
        let definition = try? JSONDocument(parsing: row.definition).root
        return LocalSettings(definition?["settings"])
    }

    /// Takes up what the last run left, then serves.
    package func start() throws(StartFailure) {
        for address in configuration.listen { try listen(address) }
        events.open { [self] in
            webhooks.open()
            driver.resume { [self] in
                isReady = true
                let early = whenReady
                whenReady = []
                for call in early { call() }
                log.info(
                    "ready", ("transfers", String(driver.machine.running)),
                    ("records", String(driver.machine.queuedRecords)))
                _ = ServiceNotification.send("READY=1")
            }
        }
    }

    private func listen(_ address: ListenAddress) throws(StartFailure) {
        let accept: (Stream, PeerCredentials) -> Void = { [unowned self] stream, peer in welcome(stream, peer) }
        do {
            let listener: Listener
            switch address.place {
            case .path(let path):
                listener = try Listener(
                    loop: loop, path: path, mode: address.mode, group: address.group, accept: accept)
                log.info("listening", ("path", path))
            case .inherited(let name):
                guard let socket = InheritedSocket.take().first(where: { $0.name == name }) else {
                    throw StartFailure(
                        description: "The service manager has handed over no socket named \"\(name)\".", exitCode: 78)
                }
                listener = try Listener(loop: loop, inherited: socket.descriptor, accept: accept)
            }
            listener.onRefused = { [unowned self] failure in
                counters.connectionsRefused += 1
                log.warning("a connection was refused", ("reason", failure.name))
            }
            listeners.append(listener)
        } catch let failure as ListenFailure {
            throw StartFailure(description: failure.description, exitCode: failure.exitCode)
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(description: "\(error)", exitCode: 70)
        }
    }

    // MARK: Connections

    private func welcome(_ stream: Stream, _ peer: PeerCredentials) {
        let refusal: ErrorReply?
        if !admits(peer) {
            log.warning("user refused", ("uid", String(peer.uid)), ("pid", String(peer.pid)))
            refusal = ErrorReply(.forbidden)
        } else if connections.count >= ceilings.connections
            || connectionsByUser[peer.uid, default: 0] >= ceilings.perUser
        {
            log.warning("too many connections", ("uid", String(peer.uid)))
            refusal = ErrorReply(.tooManyConnections)
        } else {
            refusal = nil
        }
        if let refusal {
            counters.connectionsRefused += 1
            var conversation = Conversation()
            conversation.complain(refusal)
            stream.write(conversation.takeOutput())
            stream.endOutput { stream.close() }
            return
        }
        // A peer seen through a user namespace as nobody cannot be told from others: it always needs the token (K33).
        let authenticated = configuration.token == nil && peer.uid != 65_534
        add(stream, peer, authenticated: authenticated)
    }

    private func admits(_ peer: PeerCredentials) -> Bool {
        peer.uid == 0 || peer.uid == ownUser || configuration.allowedUsers.contains(peer.uid)
            || configuration.allowedGroups.contains(peer.gid)
            || peer.groups.contains(where: configuration.allowedGroups.contains)
    }

    /// Speaks on a stream that needs no leave: standard input and output, or a test.
    @discardableResult
    package func serve(_ stream: any ByteStream) -> Connection {
        add(stream, nil, authenticated: true)
    }

    @discardableResult
    private func add(_ stream: any ByteStream, _ peer: PeerCredentials?, authenticated: Bool) -> Connection {
        lastConnection += 1
        let connection = Connection(
            server: self, stream: stream, peer: peer, number: lastConnection, isAuthenticated: authenticated)
        connections[lastConnection] = connection
        if let peer { connectionsByUser[peer.uid, default: 0] += 1 }
        return connection
    }

    func closed(_ connection: Connection) {
        connections[connection.number] = nil
        if let peer = connection.peer { connectionsByUser[peer.uid, default: 1] -= 1 }
        if isDraining {
            drainStep()
        } else if connection.peer == nil && configuration.listen.isEmpty {
            // Standard output is gone, and nobody else can come.
            drain()
        }
    }

    /// A peer has ended its input. On a socket the connection ends when everything is answered, unless it still listens
    /// to events; standard input ends the gateway (K23).
    func inputDone(_ connection: Connection) {
        connection.dropSubscriptionsIfGone()
        guard isReady, connection.isIdle, connection.subscriptions.isEmpty || connection.peer == nil else { return }
        if connection.peer != nil || !configuration.listen.isEmpty {
            connection.finish {}
        } else if !configuration.waitsForTransfers || (driver.machine.running == 0 && webhooks.machine.isQuiet) {
            drain()
        }
    }

    // MARK: Turns

    /// The steps between handling and waiting, in the order that they need: what handlers left for the store goes to
    /// the writer; then what is ready leaves. A reply that needs a commit is not ready before it.
    private func endOfTurn() {
        turn.flush()
        while !dirty.isEmpty {
            let ready = dirty
            dirty = []
            for connection in ready { connection.flush() }
        }
        if isDraining { drainStep() }
    }

    private func everySecond() {
        turns.tick(loop)
        let now = loop.now
        for number in connections.keys.sorted() { connections[number]?.check(now: now) }
        askPausedAgain()
        let wall = loop.wallClockMilliseconds()
        if let jump = clockWatch.look(wall: wall, monotonic: now) {
            log.warning("the clock was set forward; nothing expires for an hour", ("jump_ms", String(jump)))
        }
        guard clockWatch.mayExpire(monotonic: now) else { return }
        expireParts()
        expireSessions()
        expirePlans()
        events.trim(wall, configuration.retention) { [self] changes in turn.commit(changes) {} }
    }

    var uptimeMilliseconds: UInt64 { (loop.now - started) / 1_000_000 }

    /// 64 random bits.
    func chance() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }

    func newIdentifier() -> Identifier {
        identifiers.next(
            milliseconds: loop.wallClockMilliseconds(), chance: UInt32(truncatingIfNeeded: chance()))
    }

    // MARK: The end

    /// Stops accepting, answers what was read, lets exchanges under way end, and ends the process (K24).
    package func drain() {
        guard !isDraining else { return }
        isDraining = true
        _ = ServiceNotification.send("STOPPING=1")
        log.info("draining", ("records", String(driver.machine.queuedRecords)))
        for listener in listeners { listener.close() }
        listeners = []
        driver.isDraining = true
        webhooks.isDraining = true
        // The next start makes a call again that has no answer by then, with the same id.
        webhookPatience = loop.now + 2_000_000_000
        for sequence in plannings.keys.sorted() { plannings[sequence]?.abandon { $0.error(.shuttingDown) } }
        for connection in connections.values where connection.hasSaidHello {
            connection.conversation.notify("gateway.closing") { [self] writer in
                writer.beginObject()
                writer.key("deadline_ms")
                writer.integer(configuration.drainTime / 1_000_000)
                writer.endObject()
            }
            connection.markDirty()
        }
        for waiters in completionWaiters.values {
            for waiter in waiters { waiter(nil) }
        }
        completionWaiters = [:]
        events.endWaiting()
        let timer = Timer(loop: loop)
        drainDeadline = timer
        timer.start(after: configuration.drainTime) { [self] in
            log.warning("the drain deadline passed", ("exchanges", String(driver.exchangesUnderWay)))
            finish()
        }
        loop.soon { [self] in drainStep() }
    }

    private func drainStep() {
        guard isDraining, !hasEnded, driver.exchangesUnderWay == 0, turn.isEmpty,
            webhooks.underWay == 0 || loop.now >= webhookPatience, !connections.values.contains(where: \.isBusy)
        else { return }
        finish()
    }

    /// Ends subscriptions with their cursor, flushes, closes.
    private func finish() {
        guard !hasEnded else { return }
        hasEnded = true
        drainDeadline?.close()
        housekeeping.close()
        for connection in connections.values {
            for subscription in connection.subscriptions.values { subscription.end(reason: "gateway_closing") }
        }
        var left = connections.count + 1
        func closeOne() {
            left -= 1
            if left == 0 { closeRooms() }
        }
        for connection in connections.values { connection.finish(closeOne) }
        closeOne()
    }

    private func closeRooms() {
        turn.flushNotes()
        driver.close()
        webhooks.close { [self] in
            exchanges.close { [self] in
                credentials.close { [self] in
                    local.close { [self] in
                        store.close { [self] in
                            log.info("closed")
                            onEnd(0)
                        }
                    }
                }
            }
        }
    }

    /// Ends at once: state in memory may be ahead of the store (K7).
    func end(_ code: Int32) { onEnd(code) }
}

extension ListenFailure {
    /// The exit code of the table in `pushgate --help`: only what ends when another program ends is 75.
    fileprivate var exitCode: Int32 {
        switch self {
        case .held, .alive: 75
        case .pathTooLong, .notASocket, .foreign, .unsafeDirectory, .abstractRefused, .notListening, .system: 78
        }
    }
}
