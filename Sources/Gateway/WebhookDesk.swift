import EventLoop
import HTTPClient
import JSON
import PushCore
import Store

// Theory of operation.
//
// What is to be told is written down in the commit of what happened (`following`, `configured`), so that neither can be
// without the other. When that commit is on disk the machine hears of it and orders attempts; the payload is read and
// rendered only then (K13), in a slice, and leaves by a pool that providers never use.
//
// A delivery that is given up becomes an event in the commit that gives it up.

/// Carries out what the delivery machine orders and reports back. Judges nothing.
final class WebhookDesk {
    /// Nanoseconds of one attempt, all in all.
    private static let deadlines = HTTPDeadlines(
        connect: 15_000_000_000, firstByte: 15_000_000_000, total: 15_000_000_000)

    let secrets: WebhookSecrets
    let filter: AddressFilter
    private let loop: Loop
    private let store: DurableStore
    private let turn: Turn
    private let slices: Slices
    private let sessions: Sessions
    private let log: Log
    private let policy: PoolPolicy
    /// Made with the first attempt: until then nobody pays for the library.
    private var pool: HTTPPool?
    private(set) var machine: DeliveryMachine
    private var facts: [DeliveryFact] = []
    private var isTelling = false
    private var timers: [EndpointKey: Timer] = [:]
    private var identifiers = IdentifierSource()
    private var chance = SystemRandomNumberGenerator()
    private var lastDelivery: Int64
    /// Deliveries that are given up, but not yet on disk.
    private var givingUp: Set<Int64> = []
    /// Deliveries that are finished, but not yet on disk.
    private var finishing: Set<Int64> = []
    /// Requests whose answer is awaited.
    private(set) var underWay = 0
    // Counts since the start, for `stats`.
    private(set) var attempts = 0
    private(set) var delivered = 0
    private(set) var failed = 0
    /// When drained, no attempt is begun: the next start makes it.
    var isDraining = false
    /// The sequence of an event that is about to be committed.
    var takeEvent: () -> Int64 = { 0 }
    /// Events that are on disk now.
    var onPublished: ([EventRow]) -> Void = { _ in }
    /// Whether a session is configured, as members of its configuration.
    var writeConfigured: (Sessions.Session, inout JSONWriter) -> Void = { _, _ in }
    /// No attempt is in flight, and none could be made before time passes.
    var onQuiet: () -> Void = {}

    init(
        loop: Loop, store: DurableStore, turn: Turn, slices: Slices, sessions: Sessions, sealer: Sealer,
        configuration: WebhookConfiguration, log: Log
    ) {
        self.loop = loop
        self.log = log
        self.store = store
        self.turn = turn
        self.slices = slices
        self.sessions = sessions
        secrets = WebhookSecrets(sealer: sealer, stored: store.state.webhookSecrets)
        filter = AddressFilter(allowed: configuration.allowed)
        machine = DeliveryMachine(schedule: configuration.schedule, ceiling: configuration.endpointDeliveries)
        lastDelivery = store.state.lastDelivery
        var policy = PoolPolicy(filter: filter)
        policy.isPlainWhereAllowed = true
        policy.userAgent = "\(Product.name)/\(Product.version)"
        policy.connectionsPerHost = DeliveryMachine.flightCeiling
        policy.connections = DeliveryMachine.flightCeiling
        policy.bodyBytes = 64 << 10
        self.policy = policy
    }

    /// Takes up what the last run left. To be called before anything new comes.
    func open() {
        let pending = store.state.pendingDeliveries
        if !pending.left.isEmpty { tell(.left(pending.left)) }
        tell(.added(pending.held))
    }

    func close(_ done: @escaping () -> Void) {
        isDraining = true
        for timer in timers.values { timer.close() }
        timers = [:]
        guard let pool else { return loop.soon(done) }
        pool.close(done)
    }

    private func openPool() -> HTTPPool? {
        if let pool { return pool }
        do {
            pool = try HTTPPool(loop: loop, policy: policy)
        } catch {
            log.error("webhooks cannot be called", ("reason", "\(error)"))
        }
        return pool
    }

    // MARK: What is to be told

    /// The deliveries that follow from changes, to be committed along with them.
    ///
    /// - Parameter transfer: a transfer by its sequence, as long as it runs.
    func following(_ changes: [Change], transfer: (Int64) -> TransferRow?) -> [DeliveryRow] {
        var rows: [DeliveryRow] = []
        for case .events(let events) in changes {
            for event in events {
                guard let routes = transfer(event.transfer)?.life.webhooks,
                    let target = routes.target(of: event.kind)
                else { continue }
                rows.append(delivery(event, target, isConcurrent: routes.isConcurrent))
            }
        }
        return rows
    }

    /// The delivery that says that a session has been configured; to be committed along with it.
    func configured(_ session: SessionRow, _ plan: SessionPlan) -> [DeliveryRow] {
        guard let target = plan.webhooks.configuration else { return [] }
        let event = EventRow(
            sequence: 0, time: loop.wallClockMilliseconds(), kind: .configuration, session: session.id, transfer: 0,
            transferID: Identifier(high: 0, low: 0), schemaKey: "")
        var row = delivery(event, target, isConcurrent: plan.webhooks.routes.isConcurrent)
        row.revision = session.revision
        return [row]
    }

    private func delivery(_ event: EventRow, _ target: WebhookTarget, isConcurrent: Bool) -> DeliveryRow {
        lastDelivery += 1
        let id = identifiers.next(
            milliseconds: loop.wallClockMilliseconds(), chance: UInt32(truncatingIfNeeded: chance.next()))
        return DeliveryRow(
            sequence: lastDelivery, id: id, endpoint: target.endpoint, isConcurrent: isConcurrent, event: event)
    }

    /// These are on disk.
    func committed(_ rows: [DeliveryRow]) {
        guard !rows.isEmpty else { return }
        tell(.added(rows.map(\.pending)))
    }

    func forget(_ session: Identifier) {
        secrets.forget(session)
        for key in timers.keys.filter({ $0.session == session }) { timers.removeValue(forKey: key)?.close() }
        tell(.sessionDeleted(session))
    }

    // MARK: The machine

    /// Facts are handled one after the other, also those that arise while one is being handled.
    private func tell(_ fact: DeliveryFact) {
        facts.append(fact)
        guard !isTelling else { return }
        isTelling = true
        while !facts.isEmpty {
            let moment = Moment(wall: loop.wallClockMilliseconds(), monotonic: loop.now, chance: chance.next())
            for effect in machine.handle(facts.removeFirst(), at: moment) { carryOut(effect) }
        }
        isTelling = false
        if machine.isQuiet { onQuiet() }
    }

    private func carryOut(_ effect: DeliveryEffect) {
        switch effect {
        case .attempt(_, let sequence): attempt(sequence)
        case .keep(let sequence, let progress): keep(sequence, progress)
        case .load(let key, let from, let limit): load(key, from: from, limit: limit)
        case .wake(let key, let time): wake(key, at: time)
        }
    }

    private func load(_ key: EndpointKey, from: Int64, limit: Int) {
        // What the answer may show as pending though it is not: its end is on its way to the disk.
        let known = machine.known(of: key).union(finishing)
        store.read(.pendingDeliveries(key, from: from, limit: limit)) { [self] answer in
            guard case .pendingDeliveries(let rows, let next) = answer else { return }
            tell(.loaded(key, rows.filter { !known.contains($0.sequence) }, next: next))
        }
    }

    private func wake(_ key: EndpointKey, at time: UInt64) {
        let timer = timers.removeValue(forKey: key) ?? Timer(loop: loop)
        timers[key] = timer
        timer.keepsLoopAlive = false
        timer.start(after: time > loop.now ? time - loop.now : 0) { [unowned self] in
            timers.removeValue(forKey: key)?.close()
            tell(.woke(key))
        }
    }

    private func keep(_ sequence: Int64, _ progress: DeliveryProgress) {
        switch progress.state {
        case .pending: turn.commit([.deliveryProgressed(sequence: sequence, progress)]) {}
        case .delivered:
            delivered += 1
            finishing.insert(sequence)
            turn.commit([.deliveryProgressed(sequence: sequence, progress)]) { [self] in finished(sequence) }
        case .failed:
            failed += 1
            finishing.insert(sequence)
            giveUp(sequence, progress)
        }
    }

    private func giveUp(_ sequence: Int64, _ progress: DeliveryProgress) {
        givingUp.insert(sequence)
        store.read(.delivery(sequence: sequence)) { [self] answer in
            guard givingUp.remove(sequence) != nil else { return finished(sequence) }
            var changes: [Change] = [.deliveryProgressed(sequence: sequence, progress)]
            var events: [EventRow] = []
            if case .delivery(let content?) = answer, sessions.byID[content.row.event.session] != nil {
                let told = content.row.event
                events = [
                    EventRow(
                        sequence: takeEvent(), time: loop.wallClockMilliseconds(), kind: .webhookFailed,
                        session: told.session, transfer: told.transfer, transferID: told.transferID,
                        schemaKey: told.schemaKey, error: sequence)
                ]
                changes.append(.events(events))
            }
            turn.commit(changes) { [self] in
                finished(sequence)
                if !events.isEmpty { onPublished(events) }
            }
        }
    }

    private func finished(_ sequence: Int64) { finishing.remove(sequence) }

    /// Makes deliveries again, each from its first attempt on; calls back with how many when this is on disk.
    func replay(_ rows: [DeliveryRow], _ done: @escaping (Int) -> Void) {
        let now = loop.wallClockMilliseconds()
        var known: [EndpointKey: Set<Int64>] = [:]
        let rows = rows.filter { row in
            guard row.progress.state == .pending, !givingUp.contains(row.sequence) else { return true }
            let key = row.pending.key
            let waiting = known[key] ?? machine.known(of: key)
            known[key] = waiting
            // Else it was delivered just now, and is only not on disk yet.
            return waiting.contains(row.sequence) || machine.isLeft(row.sequence, of: key)
        }
        guard !rows.isEmpty else { return done(0) }
        let sequences = rows.map(\.sequence)
        // What is on its way to be given up must not be written after this.
        givingUp.subtract(sequences)
        turn.commit([.deliveriesReplayed(sequences, at: now)]) { [self] in
            // Those that stand in the store only wait for their first attempt anyhow.
            let told = rows.filter { $0.progress.state != .pending || !machine.isLeft($0.sequence, of: $0.pending.key) }
            tell(.replayed(told.map { $0.replayed(at: now) }))
            done(rows.count)
        }
    }

    // MARK: Attempts

    private func attempt(_ sequence: Int64) {
        guard !isDraining else { return }
        store.read(.delivery(sequence: sequence)) { [self] answer in
            guard case .delivery(let content?) = answer else {
                return tell(.answered(sequence: sequence, .nothingToTell))
            }
            sessions.plan(session: content.row.event.session, revision: content.logged.revision) { [self] plan in
                guard let plan else { return tell(.answered(sequence: sequence, .nothingToTell)) }
                render(content, plan) { [self] in send(content.row, $0) }
            }
        }
    }

    private func render(_ content: DeliveryContent, _ plan: SessionPlan, _ done: @escaping ([UInt8]) -> Void) {
        func finish(_ write: @escaping (inout JSONWriter) -> Void, _ metadata: [UInt8]) {
            slices.add { _ in
                var writer = JSONWriter(reserving: 512)
                write(&writer)
                done(Payloads.body(writer.bytes, metadata: metadata))
                return true
            }
        }
        guard content.row.event.kind == .configuration else {
            let target = WebhookRoutes(text: content.routes)?.target(of: content.row.event.kind)
            return finish({ Payloads(plan: plan).payload(content.logged, into: &$0) }, target?.metadata ?? [])
        }
        store.read(.examples(session: content.row.event.session)) { [self] answer in
            guard case .examples(let examples) = answer else { return }
            let shown = examples.mapValues { Examples(text: $0) }
            finish(
                { [self] writer in
                    ConfigurationMethods.write(plan, shown, into: &writer) { writer in
                        if let session = sessions.byID[plan.session] { writeConfigured(session, &writer) }
                    }
                }, plan.webhooks.configuration?.metadata ?? [])
        }
    }

    private func send(_ row: DeliveryRow, _ body: [UInt8]) {
        guard !isDraining else { return }
        guard let keys = secrets[row.event.session] else {
            return tell(.answered(sequence: row.sequence, DeliveryOutcome(reason: "secret_unreadable")))
        }
        guard let target = HTTPOrigin.target(row.endpoint) else {
            return tell(.answered(sequence: row.sequence, DeliveryOutcome(reason: "bad_request")))
        }
        let seconds = loop.wallClockMilliseconds() / 1_000
        let id = row.id.text
        let headers = [
            Exchange.Header("content-type", "application/json"), Exchange.Header("webhook-id", id),
            Exchange.Header("webhook-timestamp", String(seconds)),
            Exchange.Header(
                "webhook-signature", WebhookSignature.text(id: id, timestamp: seconds, body: body, keys: keys)),
        ]
        guard let pool = openPool() else {
            return tell(.answered(sequence: row.sequence, DeliveryOutcome(reason: "no_place")))
        }
        attempts += 1
        underWay += 1
        let request = HTTPRequest(
            method: "POST", origin: target.origin, path: target.path, headers: headers, body: body,
            deadlines: Self.deadlines)
        pool.perform(request) { [self] outcome in
            underWay -= 1
            tell(.answered(sequence: row.sequence, DeliveryOutcome(outcome, now: loop.wallClockMilliseconds())))
        }
    }
}

/// What a start says about webhooks.
package struct WebhookConfiguration: Equatable, Sendable {
    /// Addresses that may be called though they are not public ones.
    package var allowed: [AddressRange] = []
    package var schedule = DeliverySchedule.standard
    /// Pending deliveries of one endpoint that are held in memory.
    package var endpointDeliveries = 1_000

    package init() {}
}

extension DeliveryOutcome {
    /// - Parameter now: milliseconds of the wall clock.
    init(_ outcome: HTTPOutcome, now: Int64) {
        switch outcome {
        case .success(let answer):
            let asked = answer.headers.first { $0.name == "retry-after" }
            self.init(
                status: answer.status, retryAfter: asked.flatMap { RetryAfter.milliseconds($0.value, now: now) })
        case .failure(let failure):
            // A status that came is what the receiver said, however its body went on.
            self.init(status: failure.status, reason: failure.status == nil ? Self.word(failure.kind) : nil)
        }
    }

    /// Part of the contract, as `reason`.
    private static func word(_ kind: HTTPFailure.Kind) -> String {
        switch kind {
        case .badRequest: "bad_request"
        case .noPlace: "no_place"
        case .nameNotFound: "name_not_found"
        case .addressForbidden: "address_forbidden"
        case .connectFailed: "connect_failed"
        case .tlsFailed: "tls_failed"
        case .connectDeadline, .firstByteDeadline, .totalDeadline: "timeout"
        case .sendFailed, .noAnswer, .truncated: "no_answer"
        case .malformed, .headTooLarge, .bodyTooLarge, .badEncoding: "malformed_answer"
        }
    }
}
