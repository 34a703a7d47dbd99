import JSON

// What the ledger says before a provider is asked: confirmed states (`ConfirmedState`), and who else holds a record.

/// Provider records of which nothing is certain any more.
struct Unconfirmed: Sendable {
    var account: AccountKey
    var resource: String
    var ids: Set<String>
}

/// What the ledger and the confirmed states say about the records of a batch.
package struct ConfirmedAnswer: Equatable, Sendable {
    /// Known ids, by internal id.
    package var known: [String: String]
    package var rows: [ConfirmedRow]

    package init(known: [String: String] = [:], rows: [ConfirmedRow] = []) {
        self.known = known
        self.rows = rows
    }
}

extension PreparedRecord {
    /// It need not be read when the gateway itself knows that it is as pushed.
    var trustsLedger: Bool { plan.options.freshness == .ledger && refusals.isEmpty }
}

extension Batch.Member {
    /// What was remembered for its internal id is gone, and it goes on as if nothing had been (D4), whether or not there
    /// is something to look for it by.
    func isRecreated(_ answer: LookupAnswer) -> Bool {
        guard let remembered, confirmed == nil, record.row.givenID == nil, record.refusals.isEmpty else { return false }
        return answer.records[remembered] == nil && record.plan.options.onDeleted == .recreate
    }
}

extension PushMachine {
    // MARK: Confirmed states

    /// Asks for what is remembered and confirmed. What a commit under way takes back is doubtful already.
    mutating func readConfirmed(_ id: Int64, internalIDs: [String], ids: [String]) {
        guard let batch = batches[id] else { return }
        for token in commits.keys.sorted() {
            guard let unconfirmed = commits[token]?.unconfirmed, unconfirmed.account == batch.account,
                unconfirmed.resource == batch.key.resource
            else { continue }
            batches[id]?.doubtful.formUnion(unconfirmed.ids)
        }
        effects.append(
            .readConfirmed(
                batch: id, LedgerScope(account: batch.account, namespace: batch.key.namespace),
                resource: batch.key.resource, internalIDs: internalIDs, ids: ids))
    }

    mutating func confirmedRead(_ id: Int64, _ answer: ConfirmedAnswer) {
        guard let batch = batches[id] else { return }
        let rows = Dictionary(answer.rows.map { ($0.providerID, $0) }, uniquingKeysWith: { first, _ in first })
        for place in batch.members.indices {
            let record = batch.members[place].record
            let remembered = record.row.internalID.flatMap { answer.known[$0] }
            batches[id]?.members[place].remembered = remembered
            guard record.trustsLedger, let target = record.row.givenID ?? remembered,
                remembered == nil || remembered == target, !batch.doubtful.contains(target),
                let row = rows[target], isFresh(row, record.plan.options),
                let state = ConfirmedState(row, provider: record.plan.provider)
            else { continue }
            var warnings: [Warning] = []
            let children = lanes[batch.account]?.entries[record.place]?.children ?? []
            guard state.holds(record, links: links(of: record, children, warnings: &warnings)) else { continue }
            batches[id]?.members[place].confirmed = state
        }
        lookUp(id)
    }

    /// A state from the future of the clock is not trusted, and setting the clock back makes none younger.
    private func isFresh(_ row: ConfirmedRow, _ options: PushOptions) -> Bool {
        row.confirmed <= now.wall && steadyWall - row.confirmed < options.maxAge
    }

    // MARK: Two internal ids, one record

    /// Provider records that members are about to be remembered for, and those that an earlier record which waits may
    /// be remembered for.
    func newlyHeld(_ batch: Batch, _ decisions: [Decision]) -> [String] {
        let behind = behindWaiting(batch, decisions)
        var ids: [String] = []
        for (member, decision) in zip(batch.members, decisions) {
            let isNew = member.record.row.internalID != nil && decision.target != member.remembered
            guard let target = decision.target, batch.holders?[target] == nil, !ids.contains(target),
                isNew || behind.contains(member.record.place)
            else { continue }
            ids.append(target)
        }
        return ids
    }

    /// Asks who else is remembered for these records. What a commit under way is about to store is known here already.
    mutating func readHolders(_ id: Int64, _ ids: [String]) {
        guard let batch = batches[id] else { return }
        var holders = batch.holders ?? [:]
        for id in ids { holders[id] = [] }
        for token in commits.keys.sorted() {
            for (record, outcome) in commits[token]?.finished ?? [] {
                guard record.plan.account == batch.account, record.plan.namespace == batch.key.namespace,
                    record.schema.resource.name == batch.key.resource, outcome.kind.isWritten,
                    let internalID = record.row.internalID, let providerID = outcome.providerID
                else { continue }
                holders[providerID, default: []].insert(internalID)
            }
        }
        batches[id]?.holders = holders
        effects.append(
            .readHolders(
                batch: id, LedgerScope(account: batch.account, namespace: batch.key.namespace),
                resource: batch.key.resource, ids: ids))
    }

    mutating func holdersRead(_ id: Int64, _ found: [String: [String]]) {
        for (providerID, internalIDs) in found {
            batches[id]?.holders?[providerID, default: []].formUnion(internalIDs)
        }
        decide(id)
    }

    /// What the caller should know about who the record turned out to be.
    static func identityWarnings(_ member: Batch.Member, _ decision: Decision, _ batch: Batch) -> [Warning] {
        let gone = "The record that was remembered for this internal_id is gone at the provider"
        var warnings: [Warning] = []
        if let collision = collision(member, target: decision.target, batch.holders ?? [:]) {
            warnings.append(collision)
        }
        if member.isRecreated(batch.answer) { warnings.append(Warning(.recordRecreated, gone + ".")) }
        if case .skip = decision { warnings.append(Warning(.recordDeleted, gone + "; it was left so.")) }
        return warnings
    }

    private static func collision(
        _ member: Batch.Member, target: String?, _ holders: [String: Set<String>]
    ) -> Warning? {
        guard let own = member.record.row.internalID, let target, target != member.remembered,
            let other = holders[target]?.subtracting([own]).min()
        else { return nil }
        return Warning(
            .identityCollision,
            "Record \(target) is remembered for the internal_id \"\(other)\" too: two of your records are one at the "
                + "provider, and the one pushed last wins.")
    }

    // MARK: Values that were not taken

    /// A warning for each value that the provider says it holds otherwise than it was sent. A field that it does not
    /// return says nothing.
    static func notTaken(_ member: Batch.Member, returned data: [UInt8]) -> [Warning] {
        let provider = member.record.plan.provider
        guard !provider.keepsValues, !data.isEmpty, let write = member.write,
            let root = try? JSONDocument(parsing: data).root
        else { return [] }
        let returned = provider.fieldsMember.flatMap { root[name: $0] } ?? root
        return write.fields.compactMap { place in
            let field = member.record.fields[place]
            guard let current = returned[name: field.name], !current.isEqual(to: field.value) else { return nil }
            return Warning(
                .valueNotTaken,
                "\(provider.displayName) holds another value of \"\(field.name)\" than it was sent.")
        }
    }
}
