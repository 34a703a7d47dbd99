import EventLoop
import LocalProvider
import Providers
import PushCore
import Store

/// Carries out what the push machine orders and reports back: store, providers, timers. Judges nothing.
final class Driver {
    private let loop: Loop
    private let store: DurableStore
    private let turn: Turn
    private let slices: Slices
    let sessions: Sessions
    private let carriers: Exchanges
    private let sealer: Sealer
    let exchangeLog: ExchangeLog
    private(set) var machine: PushMachine
    private var facts: [Fact] = []
    private var isTelling = false
    private var timers: [AccountKey: Timer] = [:]
    private var chance = SystemRandomNumberGenerator()

    /// What webhooks tell of changes, to be committed along with them; then, that it is on disk.
    var webhooks: WebhookDesk?
    /// Events that are on disk now.
    var onPublished: ([EventRow]) -> Void = { _ in }
    var onProgress: (TransferRow) -> Void = { _ in }
    var onCompleted: (TransferRow) -> Void = { _ in }
    /// For the first time, a sealed state did not open.
    var onUnopened: () -> Void = {}
    var exchanges: Int { carriers.count }
    /// Requests whose reply is awaited.
    private(set) var exchangesUnderWay = 0
    /// When drained, requests are no longer begun: what they would do is found in the store by the next start (K24).
    var isDraining = false {
        didSet { if isDraining { carriers.dropReads() } }
    }

    init(
        loop: Loop, store: DurableStore, turn: Turn, slices: Slices, sessions: Sessions, exchanges: Exchanges,
        sealer: Sealer, probeWait: UInt64
    ) {
        self.loop = loop
        self.store = store
        self.turn = turn
        self.slices = slices
        self.sessions = sessions
        carriers = exchanges
        self.sealer = sealer
        exchangeLog = ExchangeLog(store: store, turn: turn, exchanges)
        machine = PushMachine(
            lastIntent: store.state.lastIntent, lastError: store.state.lastError, lastEvent: store.state.lastEvent,
            probeWait: probeWait)
    }

    /// Facts are handled one after the other, also those that arise while one is being handled.
    func tell(_ fact: Fact) {
        facts.append(fact)
        guard !isTelling else { return }
        isTelling = true
        while !facts.isEmpty {
            for effect in machine.handle(facts.removeFirst(), at: moment) { carryOut(effect) }
        }
        isTelling = false
    }

    private func carryOut(_ effect: Effect) {
        switch effect {
        case .admit(let account, let transfer, let after, let limit):
            admit(account, transfer, after, limit)
        case .sweep(let transfer, let after, let limit): sweep(transfer, after, limit)
        case .readLedger(let batch, let scope, let resource, let ids):
            store.read(.ledger(scope: scope, resource: resource, internalIDs: ids)) { [self] answer in
                if case .ledger(let known) = answer { tell(.ledgerRead(batch: batch, known)) }
            }
        case .readConfirmed(let batch, let scope, let resource, let internalIDs, let ids):
            readConfirmed(scope, resource, internalIDs, ids) { [self] in tell(.confirmedRead(batch: batch, $0)) }
        case .readHolders(let batch, let scope, let resource, let ids):
            readHolders(scope, resource, ids) { [self] in tell(.holdersRead(batch: batch, $0)) }
        case .lookUp(let batch, let account, let request):
            let provider = carriers.provider(of: account)
            let matter = machine.matter(ofLookUp: batch, resource: request.resource, detailed: provider != nil)
            carry(ProviderRuns.lookUp(request, account, provider), matter) { [self] in
                tell(.lookedUp(batch: batch, $0))
            }
        case .write(let batch, let account, let request):
            let matter = machine.matter(ofWrite: batch, resource: request.resource)
            carry(ProviderRuns.write(request, account, carriers.provider(of: account)), matter) { [self] in
                tell(.written(batch: batch, $0))
            }
        case .link(let batch, let account, let request):
            let matter = machine.matter(ofWrite: batch, resource: request.resource)
            carry(ProviderRuns.link(request, account, carriers.provider(of: account)), matter) { [self] in
                tell(.linked(batch: batch, $0))
            }
        case .commit(let changes, let token):
            let deliveries = webhooks?.following(changes) { machine.transfer($0) } ?? []
            let all = deliveries.isEmpty ? changes : changes + [.deliveries(deliveries)]
            turn.commit(sealer.sealed(all)) { [self] in
                webhooks?.committed(deliveries)
                tell(.committed(token))
            }
        case .wake(let account, let time): wake(account, at: time)
        case .published(let events): onPublished(events)
        case .progressed(let row): onProgress(row)
        case .completed(let row): onCompleted(row)
        }
    }

    func pause(of account: AccountKey) -> AccountPause? {
        machine.pause(
            of: account, at: Moment(wall: loop.wallClockMilliseconds(), monotonic: loop.now, chance: 0))
    }

    /// The sequence of an event that somebody else is about to commit.
    func takeEvent() -> Int64 { machine.takeEvent() }

    // MARK: Reading, also for plans

    func readConfirmed(
        _ scope: LedgerScope, _ resource: String, _ internalIDs: [String], _ ids: [String],
        _ done: @escaping (ConfirmedAnswer) -> Void
    ) {
        store.read(.confirmed(scope: scope, resource: resource, internalIDs: internalIDs, ids: ids)) {
            [self] answer in
            guard case .confirmed(let sealed) = answer else { return }
            let before = sealer.unopened
            let opened = sealer.opened(sealed)
            if before == 0 && sealer.unopened > 0 { onUnopened() }
            done(opened)
        }
    }

    func readHolders(
        _ scope: LedgerScope, _ resource: String, _ ids: [String], _ done: @escaping ([String: [String]]) -> Void
    ) {
        store.read(.holders(scope: scope, resource: resource, ids: ids)) { answer in
            if case .holders(let found) = answer { done(found) }
        }
    }

    /// For a plan: the log of its exchanges names no records.
    func look(_ request: LookupRequest, _ account: AccountKey, _ answer: @escaping (Reply<LookupAnswer>) -> Void) {
        carry(
            ProviderRuns.lookUp(request, account, carriers.provider(of: account)),
            ExchangeMatter(resource: request.resource), answer)
    }

    private func carry<Answer>(
        _ run: any ProviderRun<Answer>, _ matter: ExchangeMatter, _ answer: @escaping (Reply<Answer>) -> Void
    ) {
        guard !isDraining else { return }
        exchangesUnderWay += 1
        RunCarrier(run, carriers) { [self] in
            moment
        } note: { [self] ended in
            exchangeLog.note(ended, matter)
        } answer: { [self] reply in
            exchangesUnderWay -= 1
            if let reply { answer(reply) }
        }.begin()
    }

    private var moment: Moment {
        Moment(wall: loop.wallClockMilliseconds(), monotonic: loop.now, chance: chance.next())
    }

    private func wake(_ account: AccountKey, at time: UInt64) {
        let timer = timers[account] ?? Timer(loop: loop)
        timers[account] = timer
        timer.keepsLoopAlive = false
        timer.start(after: time > loop.now ? time - loop.now : 0) { [self] in tell(.woke(account)) }
    }

    // MARK: Records from the store

    /// Bytes of record data that one read may bring.
    static let readBytes = 1 << 20

    private func admit(_ account: AccountKey, _ transfer: Int64, _ after: Int32, _ limit: Int) {
        guard let row = machine.transfer(transfer) else {
            // The lane reads nothing more before it has an answer.
            return tell(.admitted(account, transfer: transfer, [], isLast: true, moreFollow: false))
        }
        store.read(.unfinished(transfer: transfer, after: after, limit: limit, bytes: Self.readBytes)) {
            [self] answer in
            guard case .unfinished(let rows, let isLast) = answer else { return }
            sessions.plan(of: row) { [self] plan in
                guard let plan else {
                    return tell(.admitted(account, transfer: transfer, [], isLast: true, moreFollow: false))
                }
                prepare(rows, plan, row.disableUpsert) { [self] records, isWhole in
                    tell(
                        .admitted(
                            account, transfer: transfer, records, isLast: isLast && isWhole, moreFollow: !isWhole))
                }
            }
        }
    }

    /// A drain leaves the rest of a sweep to the next start, which finds the mark.
    private func sweep(_ transfer: Int64, _ after: Int32, _ limit: Int) {
        guard !isDraining else { return }
        store.read(.unfinished(transfer: transfer, after: after, limit: limit, bytes: Self.readBytes)) {
            [self] answer in
            guard case .unfinished(let rows, let isLast) = answer else { return }
            let records = rows.map(\.record)
            guard let row = machine.transfer(transfer) else {
                return tell(.swept(transfer: transfer, records, isLast: isLast))
            }
            sessions.plan(of: row) { [self] plan in
                tell(.swept(transfer: transfer, records, schemaKeys: plan?.schemas.map(\.key) ?? [], isLast: isLast))
            }
        }
    }

    func prepare(
        _ rows: [ResultRow], _ plan: SessionPlan, _ disablesUpsert: Bool,
        _ done: @escaping (_ slice: [PreparedRecord], _ isLast: Bool) -> Void
    ) {
        var next = 0
        slices.add { deadline in
            var records: [PreparedRecord] = []
            while next < rows.count {
                let row = rows[next]
                records.append(
                    PreparedRecord(
                        row.record, plan: plan, disablesUpsert: disablesUpsert, children: row.children,
                        planned: row.planned))
                next += 1
                if next & 7 == 0 && Clock.monotonic() > deadline { break }
            }
            done(records, next == rows.count)
            return next == rows.count
        }
    }

    // MARK: Start

    /// Takes up what the last run left behind, then calls `done`.
    func resume(_ done: @escaping () -> Void) {
        // A session that was taken away since is told nothing any more.
        var pauses = store.state.pauses
        for place in pauses.indices { pauses[place].told.removeAll { sessions.byID[$0] == nil } }
        tell(.foundPaused(pauses))
        var left = store.state.openTransfers.count + store.state.openIntents.count + store.state.doubts.count
        func finishOne() {
            left -= 1
            if left == 0 {
                tell(.started)
                done()
            }
        }
        guard left > 0 else {
            left = 1
            return finishOne()
        }
        for row in store.state.openTransfers {
            store.read(.finishedFrom(transfer: row.sequence, index: row.published)) { [self] answer in
                if case .finishedFrom(let finished) = answer { tell(.resumed(row, finished: finished)) }
                finishOne()
            }
        }
        for intent in store.state.openIntents { recover(intent, finishOne) }
        for doubt in store.state.doubts { takeUp(doubt, finishOne) }
    }

    private func recover(_ intent: IntentRow, _ done: @escaping () -> Void) {
        guard let plan = StoredPlan(intent.plan) else { return done() }
        let byTransfer = Dictionary(grouping: plan.items, by: \.place.transfer)
        var left = byTransfer.count
        var records: [PreparedRecord] = []
        func finishOne() {
            left -= 1
            guard left == 0 else { return }
            if records.isEmpty {
                // Its session was deleted: nobody waits for an outcome, and the intent must not be found again.
                turn.commit([.intentSettled(id: intent.id, at: loop.wallClockMilliseconds())]) {}
            } else {
                tell(.recovered(intent, plan, records))
            }
            done()
        }
        for (transfer, items) in byTransfer.sorted(by: { $0.key < $1.key }) {
            guard let row = store.state.openTransfers.first(where: { $0.sequence == transfer }) else {
                finishOne()
                continue
            }
            store.read(.records(transfer: transfer, ordinals: items.map(\.place.ordinal))) { [self] answer in
                guard case .records(let rows) = answer else { return finishOne() }
                sessions.plan(of: row) { plan in
                    if let plan {
                        records += rows.map {
                            PreparedRecord(
                                $0.record, plan: plan, disablesUpsert: row.disableUpsert, children: $0.children)
                        }
                    }
                    finishOne()
                }
            }
        }
    }

    func close() {
        for timer in timers.values { timer.close() }
        timers = [:]
    }
}
