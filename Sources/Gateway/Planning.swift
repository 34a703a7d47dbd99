import EventLoop
import JSON
import JSONRPC
import Providers
import PushCore
import Store

// Theory of operation.
//
// A plan is staged as a push is: its items become rows under a number of its own, part by part. Then the plan machine
// goes over them in windows that are read back, so that a plan of any size takes the memory of a window, and what it
// decides is on disk before it goes on. What one fact leads to without anybody's help is done in slices (K4).
//
// The answer is the first page of what is on disk. A plan whose call is cancelled, or whose session or gateway ends, goes
// with it: nobody knows its id. Who ends his input is still answered (K23).

/// Makes one plan for one caller.
final class Planning {
    private let server: Server
    private let session: Sessions.Session
    /// That of the session with the options of this plan.
    private let plan: SessionPlan
    private let responder: Responder
    private let page: Page
    private let intake: Intake
    private let warnings: [Warning]
    private var row: PlanRow
    private var machine: PlanMachine
    /// Facts to be told, in order.
    private var facts: [Fact] = []
    private var isTelling = false
    private var hasBegun = false
    private var hasEnded = false
    private let timer: Timer
    private let patience: Timer
    private var chance = SystemRandomNumberGenerator()

    init(
        server: Server, session: Sessions.Session, schemaPlace: Int, params: JSONView, responder: Responder
    ) {
        self.server = server
        self.session = session
        self.responder = responder
        page = Page(params)
        let data = params["transfer_data"] ?? params
        intake = Intake(server: server, plan: session.plan, schemaPlace: schemaPlace, data: data)
        let options = PushOptions.text(of: params)
        plan = session.plan.overridden(by: options)
        warnings = PushMethods.warnings(of: params, plan)
        row = PlanRow(
            sequence: 0, id: server.newIdentifier(), session: session.row.id, revision: session.row.revision,
            schemaKey: session.plan.schemas[schemaPlace].key, records: Int32(clamping: data.count), allRecords: 0,
            disableUpsert: params["disable_upsert"]?.bool ?? false, created: server.loop.wallClockMilliseconds())
        row.options = options
        machine = PlanMachine(
            row, plan: plan, prices: server.exchanges.prices(of: plan.account), doubts: server.driver.machine.doubts)
        timer = Timer(loop: server.loop)
        patience = Timer(loop: server.loop)
        timer.keepsLoopAlive = false
        patience.keepsLoopAlive = false
    }

    var sessionID: Identifier { row.session }

    // MARK: Staging

    func begin() {
        server.slices.addUnlessDone { [self] deadline in
            guard intake.check(until: deadline) else { return false }
            checked()
            return true
        }
    }

    private func checked() {
        guard server.refuseFaults(of: intake, session.plan, responder) == false else { return close() }
        guard !responder.isAnswered else { return close() }
        server.lastTransfer += 1
        row.sequence = server.lastTransfer
        row.allRecords = Int32(clamping: intake.count)
        intake.sequence = row.sequence
        server.plannings[row.sequence] = self
        responder.onCancel = { [self] in abandon { _ in } }
        stage()
    }

    private func stage() {
        server.slices.addUnlessDone { [self] deadline in
            guard !isOver else { return true }
            let (done, isFull) = intake.fill(until: deadline)
            guard done || isFull else { return false }
            let part = intake.takePart()
            var changes: [Change] = hasBegun ? [] : [.planBegun(row)]
            hasBegun = true
            if !part.isEmpty { changes.append(.records(part)) }
            server.turn.commit(changes) { [self] in
                guard !isOver else { return }
                if done { make() } else { stage() }
            }
            return true
        }
    }

    // MARK: Planning

    private var moment: Moment {
        Moment(wall: server.loop.wallClockMilliseconds(), monotonic: server.loop.now, chance: chance.next())
    }

    private func make() {
        machine = PlanMachine(
            row, plan: plan, prices: server.exchanges.prices(of: plan.account), doubts: server.driver.machine.doubts)
        waitPatiently()
        carryOut(machine.begin(at: moment))
    }

    /// A plan that gets nowhere for the time of synchronous pushes is given up.
    private func waitPatiently() {
        patience.start(after: server.ceilings.synchronousTime) { [self] in
            abandon { responder in
                responder.error(.deadlineExceeded, "The provider did not answer in time for a plan.") { writer in
                    writer.key("outcome")
                    writer.plain("not_started")
                }
            }
        }
    }

    private func tell(_ fact: Fact) {
        guard !isOver else { return }
        facts.append(fact)
        guard !isTelling else { return }
        isTelling = true
        server.slices.addUnlessDone { [self] deadline in
            while !isOver && !facts.isEmpty {
                let effects = machine.handle(facts.removeFirst(), at: moment)
                for effect in effects { carryOut(effect) }
                if Clock.monotonic() > deadline { break }
            }
            isTelling = !isOver && !facts.isEmpty
            return !isTelling
        }
    }

    private func carryOut(_ effects: [PlanEffect]) {
        for effect in effects { carryOut(effect) }
    }

    private func carryOut(_ effect: PlanEffect) {
        switch effect {
        case .admit(let after, let limit): admit(after, limit)
        case .readLedger(let batch, let scope, let resource, let ids):
            server.store.read(.ledger(scope: scope, resource: resource, internalIDs: ids)) { [self] answer in
                if case .ledger(let known) = answer { tell(.ledgerRead(batch: batch, known)) }
            }
        case .readConfirmed(let batch, let scope, let resource, let internalIDs, let ids):
            server.driver.readConfirmed(scope, resource, internalIDs, ids) { [self] in
                tell(.confirmedRead(batch: batch, $0))
            }
        case .readHolders(let batch, let scope, let resource, let ids):
            server.driver.readHolders(scope, resource, ids) { [self] in tell(.holdersRead(batch: batch, $0)) }
        case .lookUp(let batch, let account, let request):
            server.driver.look(request, account) { [self] reply in
                if case .answered = reply, !isOver { waitPatiently() }
                tell(.lookedUp(batch: batch, reply))
            }
        case .keep(let rows, let token):
            server.turn.commit([.planned(rows)]) { [self] in tell(.committed(token)) }
        case .wake(let account, let time):
            let now = server.loop.now
            timer.start(after: time > now ? time - now : 0) { [self] in tell(.woke(account)) }
        case .tell(let fact): tell(fact)
        case .finished: finish()
        }
    }

    private func admit(_ after: Int32, _ limit: Int) {
        let query = Query.unfinished(transfer: row.sequence, after: after, limit: limit, bytes: Driver.readBytes)
        server.store.read(query) { [self] answer in
            guard case .unfinished(let rows, let isLast) = answer else { return }
            server.driver.prepare(rows, plan, row.disableUpsert) { [self] records, isWhole in
                tell(
                    .admitted(
                        plan.account, transfer: row.sequence, records, isLast: isLast && isWhole,
                        moreFollow: !isWhole))
            }
        }
    }

    // MARK: The end

    private func finish() {
        row = machine.result
        server.turn.commit([.planReady(row)]) { [self] in
            guard !isOver else { return }
            close()
            server.plans.append(StoredState.PlanAge(sequence: row.sequence, created: row.created))
            guard server.sessions.byID[row.session] != nil else { return responder.error(.sessionNotFound) }
            PlanMethods.answer(server, row, plan, page, warnings, responder)
        }
    }

    private var isOver: Bool {
        if !hasEnded && responder.connection.isClosed { abandon { _ in } }
        return hasEnded
    }

    /// Nothing is kept of it.
    func abandon(_ answer: (Responder) -> Void) {
        guard !hasEnded else { return }
        close()
        if hasBegun { server.turn.commit([.planDropped(sequence: row.sequence)]) {} }
        answer(responder)
    }

    private func close() {
        guard !hasEnded else { return }
        hasEnded = true
        server.plannings[row.sequence] = nil
        timer.close()
        patience.close()
        facts = []
    }
}
