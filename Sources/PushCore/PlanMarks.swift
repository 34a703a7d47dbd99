import JSON

// How a plan is held against what stands at the provider when it is applied.

extension Decision {
    package var action: PlanAction? {
        switch self {
        case .create: .create
        case .update: .update
        // What is left as it is, though it is gone: its warning says so.
        case .unchanged, .skip: .unchanged
        case .refuse(let failures): failures.first?.code == .ambiguousMatch ? .ambiguous : .invalid
        case .search: nil
        }
    }

    /// What the decision rests on, as `PlannedMark.state` keeps it.
    func state(follows: Bool, _ answer: LookupAnswer, _ record: PreparedRecord) -> Int64 {
        switch self {
        case .update(let id, let fields):
            return follows
                ? StateHash.of(fields.map { record.fields[$0] }) : answer.records[id].map(StateHash.of) ?? 0
        case .unchanged(let known): return follows ? 0 : StateHash.of(known)
        case .create, .refuse, .search, .skip: return 0
        }
    }
}

extension PlannedMark {
    /// What is to be done with a record of an applied plan: what was planned, or nothing.
    func check(_ decision: Decision, _ answer: LookupAnswer, _ record: PreparedRecord) -> Decision {
        if decision.action == action && decision.state(follows: follows, answer, record) == state { return decision }
        // What is wrong with it now says more than that it was right before.
        if case .refuse(let failures) = decision, failures.first?.code != .ambiguousMatch, action == .invalid {
            return decision
        }
        return .refuse([
            Failure(
                .transferData, .planStale,
                "The provider's record is not what it was when the plan was made; nothing was written. Plan again.")
        ])
    }
}

extension Batch {
    /// What is to be done where a plan is applied; everything where none is.
    func asPlanned(_ decisions: [Decision]) -> [Decision] {
        zip(members, decisions).map { member, decision in
            member.record.planned?.check(decision, answer, member.record) ?? decision
        }
    }
}

/// Hashes by which a state is recognised (FNV-1a, the same in every run); 0 is never one.
enum StateHash {
    static func of(_ known: KnownRecord) -> Int64 { of(known.source.compactText) }

    static func of(_ fields: [PreparedField]) -> Int64 {
        var bytes: [UInt8] = []
        for field in fields.sorted(by: { $0.name < $1.name }) {
            bytes += field.name.utf8
            bytes.append(0)
            bytes += field.value.compactText
            bytes.append(0)
        }
        return of(bytes)
    }

    static func of(_ bytes: [UInt8]) -> Int64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int64(bitPattern: hash == 0 ? 1 : hash)
    }
}
