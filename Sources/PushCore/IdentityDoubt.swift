// Theory of operation.
//
// A create whose outcome nobody knows may have made a record. A later version with the same internal id would make another
// one: nothing is remembered for the id, and nothing may be found. So as long as nobody has said what became of it
// (`resolveRecord`), no version of that internal id is created; one that leads to a record of the provider, by an id or by a
// match key, is an update like any other. What is in doubt is found at a start among the errors that nobody has dealt with.

/// A record that may have been created.
package struct IdentityDoubt: Equatable, Sendable {
    package struct Key: Hashable, Sendable {
        package var account: AccountKey
        package var namespace: String
        package var resource: String
        package var internalID: String

        package init(account: AccountKey, namespace: String, resource: String, internalID: String) {
            self.account = account
            self.namespace = namespace
            self.resource = resource
            self.internalID = internalID
        }
    }

    package var key: Key
    package var place: RecordPlace
    package var transferID: Identifier
    package var session: Identifier

    package init(key: Key, place: RecordPlace, transferID: Identifier, session: Identifier) {
        self.key = key
        self.place = place
        self.transferID = transferID
        self.session = session
    }
}

extension PreparedRecord {
    /// Nil without an internal id.
    var identity: IdentityDoubt.Key? {
        row.internalID.map {
            IdentityDoubt.Key(
                account: plan.account, namespace: plan.namespace, resource: schema.resource.name, internalID: $0)
        }
    }
}

extension PushMachine {
    /// Takes the place of a create of an internal id that may have been created before.
    func refusal(of decision: Decision, _ record: PreparedRecord) -> Decision {
        guard case .create = decision, !doubts.isEmpty, let key = record.identity, let doubt = doubts[key] else {
            return decision
        }
        return .refuse([
            Failure(
                .transferData, .identityInDoubt,
                "An earlier version of this internal_id, in transfer \(doubt.transferID.text), may have been created. Look at "
                    + "\(record.plan.provider.displayName) and say with resolveRecord what became of it, then push this one "
                    + "again.")
        ])
    }

    /// What an end says about the identity of its record.
    mutating func noteDoubt(_ member: Batch.Member, _ end: MemberEnd, of transfer: TransferRow) {
        switch end {
        case .uncertain where member.write?.target == nil:
            guard let key = member.record.identity else { return }
            doubts[key] = IdentityDoubt(
                key: key, place: member.record.place, transferID: transfer.id, session: transfer.session)
        case .written, .unchanged:
            if !doubts.isEmpty, let key = member.record.identity { doubts[key] = nil }
        default: break
        }
    }

    /// Found at a start: errors that nobody has dealt with.
    mutating func takeUp(_ found: [IdentityDoubt]) {
        for doubt in found { doubts[doubt.key] = doubt }
    }

    /// Somebody has said what became of these records.
    mutating func forgetDoubts(where isOver: (IdentityDoubt) -> Bool) {
        guard !doubts.isEmpty else { return }
        doubts = doubts.filter { !isOver($0.value) }
    }
}
