// Theory of operation.
//
// The judgement about webhooks, apart from everything that carries them: facts go in, effects come out, as with
// `PushMachine`. What is pending stands here in a few numbers a delivery; the rows are in the store.
//
// An endpoint has two lines. First attempts go in order, each after the answer to the one before. A delivery that failed
// leaves that line for the schedule, and from there it goes when its time has come, one at a time, and holds back nobody.
// With `webhook_concurrency` up to four attempts of both kinds overlap.
//
// After five failures in a row the endpoint is paused: no first attempts. Those that are in the schedule go on, and are the
// probes; if there is none, the next first attempt is one. Any success ends the pause. When an endpoint has done nothing but
// fail for as long as a whole schedule lasts, what waited that long for its first attempt is given up as well.
//
// An attempt is not noted before it is made. If the gateway dies meanwhile, it is made again, with the same id.

package enum DeliveryFact: Sendable {
    /// Deliveries that are on disk, in their order: found at a start, new, or to be made again.
    case added([PendingDelivery])
    /// Deliveries that somebody asked for again, on disk as well: those that wait are due, others begin anew.
    case replayed([PendingDelivery])
    case answered(sequence: Int64, DeliveryOutcome)
    /// What a start leaves in the store. Comes before `added`.
    case left([EndpointKey: LeftDeliveries])
    /// The answer to `load`; `next`: there may be more from this sequence on.
    case loaded(EndpointKey, [PendingDelivery], next: Int64?)
    /// The time of `wake` has come.
    case woke(EndpointKey)
    case sessionDeleted(Identifier)
}

package enum DeliveryEffect: Equatable, Sendable {
    /// Make the call and report `answered`.
    case attempt(EndpointKey, sequence: Int64)
    /// Keep how far the delivery has come.
    case keep(sequence: Int64, DeliveryProgress)
    /// Read what is pending from this sequence on, and report `loaded`.
    case load(EndpointKey, from: Int64, limit: Int)
    /// Report `woke` at this time of the monotonic clock.
    case wake(EndpointKey, at: UInt64)
}

package struct DeliveryMachine: Sendable {
    /// Failures in a row after which an endpoint is paused (K27).
    package static let failuresToPause = 5
    /// Attempts in flight to one endpoint under `webhook_concurrency` (K27).
    package static let overlapCeiling = 4
    /// Attempts in flight in all.
    package static let flightCeiling = 64
    /// Deliveries that are given up at once; the rest follow shortly.
    private static let sweepCeiling = 256

    let schedule: DeliverySchedule
    /// Deliveries of one endpoint that are in memory; more stay in the store, in their order. Those that were asked for
    /// again while older ones wait come on top.
    let ceiling: Int
    private var endpoints: [EndpointKey: Endpoint] = [:]
    private var flights: [Int64: Flight] = [:]
    /// Endpoints that could go on if fewer attempts were in flight, in the order of asking.
    private var starved: [EndpointKey] = []
    private var effects: [DeliveryEffect] = []
    private var now = Moment(wall: 0, monotonic: 0, chance: 0)

    private struct Waiting: Sendable {
        var sequence: Int64
        var created: Int64
        var isConcurrent: Bool
        var attempts: Int32 = 0
        /// Of the monotonic clock; for those in the schedule.
        var due: UInt64 = 0
    }

    private struct Flight: Sendable {
        var key: EndpointKey
        var waiting: Waiting
        var isFirst: Bool
    }

    private struct Endpoint: Sendable {
        /// First attempts in order; those before `next` have been made.
        var line: [Waiting] = []
        var next = 0
        /// By due time.
        var scheduled: [Waiting] = []
        var firstInFlight = 0
        var laterInFlight = 0
        var failures = 0
        /// When the first of the failures in a row came.
        var failingSince: UInt64 = 0
        /// Nothing goes before this time, because the receiver asked for it.
        var heldUntil: UInt64 = 0
        var wakesAt: UInt64?
        var left: LeftDeliveries?
        /// `left.through` as it was when a load was ordered that is not answered yet.
        var loadingThrough: Int64?

        var held: Int { line.count - next + scheduled.count + inFlight }
        var inFlight: Int { firstInFlight + laterInFlight }
        var isPaused: Bool { failures >= DeliveryMachine.failuresToPause }
        var first: Waiting? { next < line.count ? line[next] : nil }
        var isEmpty: Bool { next == line.count && scheduled.isEmpty && inFlight == 0 && left == nil }

        mutating func landed(first: Bool) {
            if first { firstInFlight -= 1 } else { laterInFlight -= 1 }
        }

        mutating func takeFirst() {
            next += 1
            guard next > 64, next * 2 > line.count else { return }
            line.removeFirst(next)
            next = 0
        }

        /// Those that are in the schedule are due now.
        mutating func hurry(_ sequences: Set<Int64>, _ now: UInt64) {
            let hurried = scheduled.filter { sequences.contains($0.sequence) }
            scheduled.removeAll { sequences.contains($0.sequence) }
            for var waiting in hurried {
                waiting.due = min(waiting.due, now)
                schedule(waiting)
            }
        }

        mutating func schedule(_ waiting: Waiting) {
            var place = scheduled.endIndex
            while place > 0, scheduled[place - 1].due > waiting.due { place -= 1 }
            scheduled.insert(waiting, at: place)
        }
    }

    package init(schedule: DeliverySchedule = .standard, ceiling: Int = 1_000) {
        self.schedule = schedule
        self.ceiling = max(1, ceiling)
    }

    /// Attempts whose answer is awaited.
    package var inFlight: Int { flights.count }
    /// Deliveries that are not finished.
    package var pending: Int {
        endpoints.values.reduce(flights.count) {
            $0 + $1.line.count - $1.next + $1.scheduled.count + ($1.left?.count ?? 0)
        }
    }
    /// Endpoints that are paused.
    package var paused: Int { endpoints.values.count(where: \.isPaused) }
    /// The deliveries to an endpoint that wait or are in flight.
    package func known(of key: EndpointKey) -> Set<Int64> {
        var known = Set(flights.lazy.filter { $0.value.key == key }.map(\.key))
        guard let endpoint = endpoints[key] else { return known }
        known.formUnion(endpoint.line[endpoint.next...].lazy.map(\.sequence))
        known.formUnion(endpoint.scheduled.lazy.map(\.sequence))
        return known
    }
    /// Whether it stands in the store only, if it is pending at all.
    package func isLeft(_ sequence: Int64, of key: EndpointKey) -> Bool {
        endpoints[key]?.left.map { $0.from <= sequence } ?? false
    }
    /// Whether something of a session is pending: it counts as unfinished then.
    package func hasPending(session: Identifier) -> Bool { endpoints.keys.contains { $0.session == session } }
    /// No attempt is in flight, and none could be made before time passes.
    package var isQuiet: Bool {
        flights.isEmpty
            && !endpoints.values.contains {
                ($0.first != nil || $0.loadingThrough != nil) && !$0.isPaused && $0.heldUntil <= now.monotonic
            }
    }

    package mutating func handle(_ fact: DeliveryFact, at moment: Moment) -> [DeliveryEffect] {
        now = moment
        switch fact {
        case .added(let deliveries): add(deliveries)
        case .replayed(let deliveries): replay(deliveries)
        case .answered(let sequence, let outcome): answered(sequence, outcome)
        case .left(let all): for (key, left) in all { endpoints[key, default: Endpoint()].left = left }
        case .loaded(let key, let deliveries, let next): loaded(key, deliveries, next)
        case .woke(let key):
            endpoints[key]?.wakesAt = nil
            pump(key)
            // What is due now may succeed, and then nothing is given up.
            if endpoints[key]?.inFlight == 0 {
                giveUpLine(key)
                pump(key)
            }
        case .sessionDeleted(let session):
            for key in endpoints.keys.sorted() where key.session == session { endpoints[key] = nil }
            starved.removeAll { $0.session == session }
        }
        defer { effects = [] }
        return effects
    }

    // MARK: Lines

    private mutating func add(_ deliveries: [PendingDelivery]) {
        var keys: [EndpointKey] = []
        for delivery in deliveries {
            if keys.last != delivery.key { keys.append(delivery.key) }
            let endpoint = endpoints[delivery.key, default: Endpoint()]
            let isFull = endpoint.left.map { $0.from <= delivery.sequence } ?? (endpoint.held >= ceiling)
            // What is in the schedule was held before.
            if isFull && delivery.attempts == 0 {
                let none = LeftDeliveries(from: .max, through: 0, count: 0)
                endpoints[delivery.key]?.left = endpoint.left ?? none
                endpoints[delivery.key]?.left?.add(delivery.sequence)
            } else {
                hold(delivery)
            }
        }
        for key in Set(keys).sorted() { pump(key) }
    }

    private mutating func hold(_ delivery: PendingDelivery) {
        var waiting = Waiting(
            sequence: delivery.sequence, created: delivery.created, isConcurrent: delivery.isConcurrent,
            attempts: delivery.attempts)
        if delivery.attempts == 0 {
            endpoints[delivery.key, default: Endpoint()].line.append(waiting)
        } else {
            // The wall clock may have been set back since.
            let wait = min(max(0, delivery.due - now.wall), 2 * DeliverySchedule.longestWait)
            waiting.due = now.monotonic + UInt64(wait) * 1_000_000
            endpoints[delivery.key, default: Endpoint()].schedule(waiting)
        }
    }

    private mutating func loaded(_ key: EndpointKey, _ deliveries: [PendingDelivery], _ next: Int64?) {
        guard var left = endpoints[key]?.left, let through = endpoints[key]?.loadingThrough else { return }
        let known = known(of: key)
        let new = deliveries.filter { !known.contains($0.sequence) }
        left.from = next ?? max(through, deliveries.last?.sequence ?? 0) + 1
        left.count = max(1, left.count - new.count)
        // More may have come since it was read.
        endpoints[key]?.left = next != nil || left.through >= left.from ? left : nil
        endpoints[key]?.loadingThrough = nil
        for delivery in new { hold(delivery) }
        giveUpLine(key)
        pump(key)
    }

    /// Who asks again says that the receiver is there: a pause ends, until it has failed as often once more.
    private mutating func replay(_ deliveries: [PendingDelivery]) {
        var asked: [EndpointKey: [PendingDelivery]] = [:]
        for delivery in deliveries { asked[delivery.key, default: []].append(delivery) }
        var new: [PendingDelivery] = []
        for key in asked.keys.sorted() {
            let known = known(of: key)
            endpoints[key]?.hurry(Set(asked[key, default: []].map(\.sequence)), now.monotonic)
            new += asked[key, default: []].filter { !known.contains($0.sequence) }
            endpoints[key]?.failures = 0
        }
        add(new)
        for key in asked.keys.sorted() { pump(key) }
    }

    /// Makes what attempts may be made.
    private mutating func pump(_ key: EndpointKey) {
        while let endpoint = endpoints[key] {
            guard let (waiting, isFirst) = choice(endpoint) else { break }
            guard flights.count < Self.flightCeiling else {
                if !starved.contains(key) { starved.append(key) }
                break
            }
            if isFirst {
                endpoints[key]?.takeFirst()
                endpoints[key]?.firstInFlight += 1
            } else {
                endpoints[key]?.scheduled.removeFirst()
                endpoints[key]?.laterInFlight += 1
            }
            flights[waiting.sequence] = Flight(key: key, waiting: waiting, isFirst: isFirst)
            effects.append(.attempt(key, sequence: waiting.sequence))
        }
        rest(key)
    }

    private func choice(_ endpoint: Endpoint) -> (Waiting, isFirst: Bool)? {
        guard endpoint.heldUntil <= now.monotonic, endpoint.inFlight < Self.overlapCeiling else { return nil }
        if endpoint.isPaused && endpoint.inFlight > 0 { return nil }
        if let later = endpoint.scheduled.first, later.due <= now.monotonic,
            later.isConcurrent || endpoint.laterInFlight == 0
        {
            return (later, false)
        }
        guard let first = endpoint.first, first.isConcurrent || endpoint.firstInFlight == 0,
            !endpoint.isPaused || endpoint.scheduled.isEmpty
        else { return nil }
        return (first, true)
    }

    /// Sees to it that the endpoint is looked at again when time alone changes something.
    private mutating func rest(_ key: EndpointKey) {
        guard let endpoint = endpoints[key] else { return }
        if endpoint.isEmpty {
            endpoints[key] = nil
            return
        }
        if let left = endpoint.left, endpoint.loadingThrough == nil, endpoint.held <= ceiling / 2 {
            endpoints[key]?.loadingThrough = left.through
            effects.append(.load(key, from: left.from, limit: ceiling - endpoint.held))
        }
        var time: UInt64?
        if let later = endpoint.scheduled.first { time = max(later.due, endpoint.heldUntil) }
        if endpoint.first != nil, endpoint.heldUntil > now.monotonic { time = min(time ?? .max, endpoint.heldUntil) }
        guard let time, time > now.monotonic, endpoint.wakesAt.map({ time < $0 }) ?? true else { return }
        endpoints[key]?.wakesAt = time
        effects.append(.wake(key, at: time))
    }

    // MARK: Answers

    private mutating func answered(_ sequence: Int64, _ outcome: DeliveryOutcome) {
        guard let flight = flights.removeValue(forKey: sequence) else { return }
        let key = flight.key
        // Its session may have been deleted meanwhile.
        if endpoints[key] != nil {
            endpoints[key]?.landed(first: flight.isFirst)
            var waiting = flight.waiting
            waiting.attempts += 1
            if outcome.isDelivered {
                endpoints[key]?.failures = 0
                finish(waiting, .delivered, outcome)
            } else {
                failed(waiting, key, outcome)
            }
            pump(key)
        }
        while flights.count < Self.flightCeiling, !starved.isEmpty { pump(starved.removeFirst()) }
    }

    private mutating func failed(_ waiting: Waiting, _ key: EndpointKey, _ outcome: DeliveryOutcome) {
        var waiting = waiting
        if endpoints[key]?.failures == 0 { endpoints[key]?.failingSince = now.monotonic }
        endpoints[key]?.failures += 1
        defer { giveUpLine(key) }
        let asked = min(max(0, outcome.retryAfter ?? 0), DeliverySchedule.longestWait)
        if outcome.holdsEndpoint, asked > 0 {
            let until = now.monotonic + UInt64(asked) * 1_000_000
            let before = endpoints[key]?.heldUntil ?? 0
            endpoints[key]?.heldUntil = max(before, until)
        }
        guard !outcome.isFinal, let wait = schedule.wait(after: waiting.attempts, chance: now.chance) else {
            return finish(waiting, .failed, outcome)
        }
        let delay = max(wait, asked)
        waiting.due = now.monotonic + UInt64(delay) * 1_000_000
        endpoints[key]?.schedule(waiting)
        var progress = DeliveryProgress()
        progress.attempts = waiting.attempts
        progress.due = now.wall + delay
        progress.status = outcome.status.map { Int32(clamping: $0) }
        progress.reason = outcome.reason
        effects.append(.keep(sequence: waiting.sequence, progress))
    }

    private mutating func finish(_ waiting: Waiting, _ state: DeliveryRow.State, _ outcome: DeliveryOutcome) {
        var progress = DeliveryProgress()
        progress.state = state
        progress.attempts = waiting.attempts
        progress.finished = now.wall
        progress.status = outcome.status.map { Int32(clamping: $0) }
        progress.reason = outcome.reason
        effects.append(.keep(sequence: waiting.sequence, progress))
    }

    /// What has waited for as long as a schedule lasts, if the endpoint has been failing for as long.
    private mutating func giveUpLine(_ key: EndpointKey) {
        guard let endpoint = endpoints[key], endpoint.isPaused,
            now.monotonic - endpoint.failingSince > UInt64(schedule.length) * 1_000_000
        else { return }
        var left = Self.sweepCeiling
        while left > 0, let first = endpoints[key]?.first, first.created + schedule.length < now.wall {
            endpoints[key]?.takeFirst()
            finish(first, .failed, DeliveryOutcome(reason: "endpoint_paused"))
            left -= 1
        }
        guard left == 0 else { return }
        let time = now.monotonic + 10_000_000
        endpoints[key]?.wakesAt = time
        effects.append(.wake(key, at: time))
    }
}
