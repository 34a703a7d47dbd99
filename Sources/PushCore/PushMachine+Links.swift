// Links that are made after the records they link, at providers that take them apart (`ProviderDescription.linksAfter`).
// They may be made again as often as need be, so a lost answer is no doubt.

extension PushMachine {
    /// What of a record's links the provider does not have.
    static func unlinked(_ member: Batch.Member, known: KnownRecord?) -> [LinkTarget] {
        guard member.record.plan.provider.linksAfter else { return [] }
        return member.links.filter { known?.links[$0.resource]?.contains($0.id) != true }
    }

    /// Asks for the links of a batch whose records stand. Those of a cancelled transfer are not made.
    mutating func sendLinks(_ id: Int64) {
        guard let batch = batches[id] else { return }
        let over = batch.members.filter(isOver)
        guard over.isEmpty else {
            let rest = batch.members.filter { !isOver($0) }
            release(id)
            let ends = over.map { Self.unmade($0, "its transfer was cancelled before") }
            goOn(batch, ends, rest.isEmpty ? [] : [part(of: batch, rest, .link)])
            return
        }
        guard mayLeave(id, .link) else { return }
        batches[id]?.stage = .exchanging
        effects.append(
            .link(
                batch: id, batch.account,
                LinkRequest(
                    resource: batch.key.resource, key: String(batch.intent),
                    items: batch.members.indices.compactMap { place in
                        let member = batch.members[place]
                        return member.written.map {
                            LinkRequest.Item(trace: place, id: $0.id, links: member.unlinked)
                        }
                    })))
    }

    mutating func linked(_ id: Int64, _ reply: Reply<LinkAnswer>) {
        guard !hears(id, .link, reply), let batch = batches[id] else { return }
        switch reply {
        case .answered(let refused):
            release(id)
            goOn(batch, batch.members.indices.map { Self.madeLinks(batch.members[$0], refused[$0] ?? []) }, [])
        case .refused(let failure), .refusedTogether(let failure):
            release(id)
            goOn(batch, batch.members.map { Self.unmade($0, failure.text) }, [])
        case .notSent(let reason), .unknown(let reason):
            guard now.monotonic - batch.began <= batch.retryWindow else {
                release(id)
                return goOn(batch, batch.members.map { Self.unmade($0, reason) }, [])
            }
            again(id, .link, reply.wait(attempt: batch.attempt, chance: now.chance)) { Self.unmade($0, reason).1 }
        case .throttled:
            again(id, .link, reply.wait(attempt: batch.attempt, chance: now.chance)) {
                Self.unmade($0, "the provider asked to wait for too long").1
            }
        }
    }

    private static func madeLinks(_ member: Batch.Member, _ refused: [LinkTarget]) -> (Batch.Member, MemberEnd) {
        var member = member
        for link in refused {
            member.warnings.append(
                Warning(.linkSkipped, "The provider refused to link it to \(link.resource) \(link.id)."))
        }
        member.links.removeAll(where: refused.contains)
        return (member, end(member))
    }

    /// It was written, and its links are not made.
    static func unmade(_ member: Batch.Member, _ reason: String) -> (Batch.Member, MemberEnd) {
        var member = member
        for link in member.unlinked {
            member.warnings.append(
                Warning(.linkSkipped, "It was not linked to \(link.resource) \(link.id): \(reason)"))
        }
        member.links.removeAll(where: member.unlinked.contains)
        return (member, end(member))
    }

    private static func end(_ member: Batch.Member) -> MemberEnd {
        guard let written = member.written else { return .uncertain("its links were asked for without its id") }
        return .written(id: written.id, isNew: written.isNew, data: written.data)
    }
}

extension Batch.Member {
    /// An update that would only link is no write where links are made apart: the record stands, and is to be linked.
    mutating func standsUnlinked(_ fields: [Int], _ known: KnownRecord?) {
        unlinked = PushMachine.unlinked(self, known: known)
        guard fields.isEmpty, !unlinked.isEmpty, let known else { return }
        let data = record.plan.provider.returnsData ? known.source.compactText : []
        written = Written(id: known.id, isNew: false, data: data)
    }
}
