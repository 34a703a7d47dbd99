import JSON
import JSONSchema
import PushCore
import Store

/// The sessions that are alive, and the plans made of them.
final class Sessions {
    struct Session {
        var row: SessionRow
        var plan: SessionPlan
    }

    private struct PlanKey: Hashable {
        var session: Identifier
        var revision: Int32
    }

    private let store: DurableStore
    private let catalogue: Catalogue
    private let patterns: any PatternCompiler
    private(set) var byID: [Identifier: Session] = [:]
    private var byName: [String: Identifier] = [:]
    /// Older revisions that were asked for lately (K20). Whoever updates a session all day must not fill the memory with
    /// plans: the store has every revision.
    private var older: [PlanKey: SessionPlan] = [:]
    /// Their keys, oldest first.
    private var olderKeys: [PlanKey] = []
    private static let olderCeiling = 64

    init(store: DurableStore, catalogue: Catalogue, patterns: any PatternCompiler) {
        self.store = store
        self.catalogue = catalogue
        self.patterns = patterns
    }

    /// Takes up a session found in the store. False when its definition no longer makes a plan.
    func restore(_ row: SessionRow) -> Bool {
        guard let plan = try? makePlan(row) else { return false }
        keep(Session(row: row, plan: plan))
        return true
    }

    func keep(_ session: Session) {
        if let old = byID[session.row.id] {
            remember(old.plan, as: PlanKey(session: old.row.id, revision: old.row.revision))
        }
        byID[session.row.id] = session
        if let name = session.row.name { byName[name] = session.row.id }
    }

    func remove(_ id: Identifier) {
        guard let session = byID.removeValue(forKey: id) else { return }
        if let name = session.row.name, byName[name] == id { byName[name] = nil }
        older = older.filter { $0.key.session != id }
        olderKeys.removeAll { $0.session == id }
    }

    private func remember(_ plan: SessionPlan, as key: PlanKey) {
        if older.updateValue(plan, forKey: key) == nil { olderKeys.append(key) }
        if olderKeys.count > Self.olderCeiling { older[olderKeys.removeFirst()] = nil }
    }

    func named(_ name: String) -> Session? { byName[name].flatMap { byID[$0] } }

    /// - Throws: what is wrong with the definition.
    func makePlan(_ row: SessionRow) throws(DefinitionProblem) -> SessionPlan {
        let definition: JSONView
        do {
            definition = try JSONDocument(parsing: row.definition).root
        } catch {
            throw DefinitionProblem(kind: .params, pointer: "", text: "The stored definition cannot be read.")
        }
        guard let provider = catalogue.provider(row.account.provider, settings: definition["settings"]) else {
            throw DefinitionProblem(kind: .params, pointer: "/provider", text: "There is no such provider.")
        }
        return try SessionPlan(
            session: row.id, revision: row.revision, account: row.account, definition: definition, provider: provider,
            defaultSchema: catalogue.defaultSchema, knownTypes: catalogue.knownTypes, patterns: patterns)
    }

    /// The plan that a transfer goes by: of the revision that it pinned, with its own options.
    func plan(of transfer: TransferRow, _ done: @escaping (SessionPlan?) -> Void) {
        plan(session: transfer.session, revision: transfer.revision) { plan in
            done(plan?.overridden(by: transfer.options))
        }
    }

    /// The plan of a revision, also of one that is no longer current; nil when the session is gone.
    func plan(session: Identifier, revision: Int32, _ done: @escaping (SessionPlan?) -> Void) {
        guard let current = byID[session] else { return done(nil) }
        if current.row.revision == revision { return done(current.plan) }
        let key = PlanKey(session: session, revision: revision)
        if let plan = older[key] { return done(plan) }
        store.read(.revision(session: session, revision: revision)) { [self] answer in
            guard case .revision(let definition?) = answer, var row = byID[session]?.row else { return done(nil) }
            row.definition = definition
            row.revision = revision
            let plan = try? makePlan(row)
            if let plan { remember(plan, as: key) }
            done(plan)
        }
    }
}
