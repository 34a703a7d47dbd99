import PushCore
import Testing

@testable import Store

/// Accounts that are paused, as they are kept.
@Suite struct PauseTests {
    private let account = AccountKey(provider: "local", name: "main")

    private func row(_ reason: PauseReason, _ told: [Identifier] = []) -> PauseRow {
        PauseRow(account: account, reason: reason, since: 7, told: told)
    }

    @Test func aPauseComesBackAsItWas() throws {
        let scene = try Scene()
        scene.commit(.paused(row(.unavailable)))
        scene.commit(.paused(row(.authentication, [Sample.id(1), Sample.id(2)])))
        try scene.reopen()
        #expect(scene.store.state.pauses == [row(.authentication, [Sample.id(1), Sample.id(2)])])
        scene.commit(.resumed(account))
        try scene.reopen()
        #expect(scene.store.state.pauses == [])
        scene.end()
    }

    @Test func anEventOfASessionAloneIsReadWithTheRevisionOfTheSession() throws {
        let scene = try Scene()
        let session = Sample.session()
        scene.commit(.session(session))
        var event = EventRow(
            sequence: 1, time: 5, kind: .providerPaused, session: session.id, transfer: 0,
            transferID: Identifier(high: 0, low: 0), schemaKey: "", first: 1, error: 10_000)
        scene.commit(.events([event]))
        (event.sequence, event.kind) = (2, .providerResumed)
        scene.commit(.events([event]))
        func found(_ filter: EventFilter) -> [LoggedEvent] {
            guard
                case .events(let events, _, _, _) = scene.ask(.events(after: 0, filter: filter, limit: 9, bytes: 1_000))
            else { return [] }
            return events
        }
        #expect(found(EventFilter()).map(\.event.kind) == [.providerPaused, .providerResumed])
        #expect(found(EventFilter(session: session.id)).last == LoggedEvent(event: event, revision: session.revision))
        #expect(found(EventFilter(kinds: [.providerResumed])).map(\.event.sequence) == [2])
        #expect(found(EventFilter(kinds: [.data])) == [])
        scene.end()
    }

    @Test func aTransferIsAbortedOnceAndNotAfterItsEnd() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        for sequence in 1...3 as ClosedRange<Int64> {
            var transfer = Sample.transfer(sequence)
            transfer.life.abortIf = AbortRule(rejects: 1, hundredths: nil)
            scene.commit([
                .transferBegun(transfer), .records([Sample.record(sequence, 0)]), .transferAccepted(sequence: sequence),
            ])
        }
        scene.commit(.transferCancelled(sequence: 2, at: 4))
        scene.commit(.transferAdvanced(sequence: 3, counts: TransferCounts(), published: 0, completed: 4))
        for sequence in 1...3 as ClosedRange<Int64> { scene.commit(.transferAborted(sequence: sequence, at: 9)) }
        func life(_ sequence: Int64) -> TransferLife? {
            guard case .transfer(let row) = scene.ask(.transfer(id: Sample.transfer(sequence).id)) else { return nil }
            return row?.life
        }
        #expect(life(1)?.cancelled == 9 && life(1)?.isAborted == true)
        #expect(life(2)?.cancelled == 4 && life(2)?.isAborted == false, "its caller was first")
        #expect(life(3)?.cancelled == nil && life(3)?.isAborted == false)
        scene.end()
    }

    @Test func newCredentialsDealWithWhatTheOldOnesFailedAt() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        scene.commit([
            .transferBegun(Sample.transfer(1)), .records([Sample.record(1, 0)]), .transferAccepted(sequence: 1),
        ])
        let kinds: [Failure.Kind] = [.authentication, .upstream, .authentication]
        scene.commit(
            .errors(
                kinds.enumerated().map { place, kind in
                    ErrorRow(
                        sequence: Int64(place + 1), id: Sample.id(50 + place), session: Sample.session().id,
                        transfer: 1, transferID: Sample.transfer(1).id, ordinal: 0, index: 0, internalID: nil,
                        schemaKey: "crm-contact", failure: Failure(kind, .unauthorizedUpstream, "no"), time: 1)
                }))
        scene.commit(.authenticationResolved(AccountKey(provider: "local", name: "another")))
        func resolved() -> [Bool] {
            let query = Query.errors(session: nil, transfer: nil, offset: 0, limit: 9)
            guard case .errors(let rows, _) = scene.ask(query) else { return [] }
            return rows.sorted { $0.sequence < $1.sequence }.map(\.resolved)
        }
        #expect(resolved() == [false, false, false])
        scene.commit(.authenticationResolved(Sample.session().account))
        #expect(resolved() == [true, false, true])
        scene.end()
    }
}
