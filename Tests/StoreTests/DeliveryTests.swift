import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

/// Calls of webhooks in the store.
@Suite struct DeliveryTests {
    private func delivery(_ sequence: Int64, transfer: Int64 = 1, kind: EventRow.Kind = .completed) -> DeliveryRow {
        DeliveryRow(
            sequence: sequence, id: Sample.id(1_000 + Int(sequence)), endpoint: "https://a/\(sequence)",
            isConcurrent: sequence % 2 == 0,
            event: EventRow(
                sequence: sequence, time: 40 + sequence, kind: kind, session: Sample.session().id, transfer: transfer,
                transferID: transfer == 0 ? Identifier(high: 0, low: 0) : Sample.transfer(transfer).id,
                schemaKey: transfer == 0 ? "" : Sample.transfer(transfer).schemaKey, isCompleted: true),
            revision: transfer == 0 ? 3 : 0)
    }

    private func progress(_ change: (inout DeliveryProgress) -> Void) -> DeliveryProgress {
        var progress = DeliveryProgress()
        change(&progress)
        return progress
    }

    private func scene(_ routes: WebhookRoutes?) throws -> Scene {
        let scene = try Scene()
        var row = Sample.transfer(1)
        row.life.webhooks = routes
        scene.commit([
            .session(Sample.session()), .transferBegun(row), .records([Sample.record(1, 0)]),
            .transferAccepted(sequence: 1),
        ])
        return scene
    }

    private func content(_ scene: Scene, _ sequence: Int64) -> DeliveryContent? {
        guard case .delivery(let content) = scene.ask(.delivery(sequence: sequence)) else { return nil }
        return content
    }

    @Test func aDeliveryComesBackAsItWas() throws {
        var routes = WebhookRoutes()
        routes.completed = WebhookTarget(endpoint: "https://a/", metadata: Array(#"{"a":1.10}"#.utf8))
        routes.isConcurrent = true
        let scene = try scene(routes)
        scene.commit(.deliveries([delivery(1), delivery(2, transfer: 0, kind: .configuration)]))
        #expect(content(scene, 1)?.row == delivery(1))
        #expect(content(scene, 1).flatMap { WebhookRoutes(text: $0.routes) } == routes)
        #expect(content(scene, 2)?.row == delivery(2, transfer: 0, kind: .configuration))
        #expect(content(scene, 2)?.logged.revision == 3)
        #expect(content(scene, 3) == nil)
        try scene.reopen()
        #expect(scene.store.state.openTransfers.first?.life.webhooks == routes)
        #expect(scene.store.state.lastDelivery == 2)
        scene.end()
    }

    @Test func whatIsPendingIsFoundAtAStart() throws {
        let scene = try scene(nil)
        scene.commit(.deliveries((1...4).map { delivery($0) }))
        let later = progress {
            $0.attempts = 2
            $0.due = 99
            $0.reason = "timeout"
        }
        let done = progress {
            $0.state = .delivered
            $0.attempts = 1
            $0.finished = 50
            $0.status = 204
        }
        scene.commit(
            .deliveryProgressed(sequence: 2, later), .deliveryProgressed(sequence: 3, done),
            .deliveryProgressed(sequence: 77, done))
        #expect(content(scene, 2)?.row.progress == later)
        #expect(content(scene, 3)?.row.progress == done)
        try scene.reopen()
        #expect(scene.store.state.pendingDeliveries.held.map(\.sequence) == [1, 2, 4])
        #expect(scene.store.state.pendingDeliveries.held.map(\.attempts) == [0, 2, 0])
        #expect(scene.store.state.pendingDeliveries.held.map(\.due) == [0, 99, 0])
        let urls = ["https://a/1", "https://a/2", "https://a/4"]
        #expect(scene.store.state.pendingDeliveries.held.map(\.key.url) == urls)
        scene.end()
    }

    private func listed(
        _ scene: Scene, _ filter: DeliveryFilter, from: Int64, isBackwards: Bool = true, limit: Int = 10
    ) -> [Int64] {
        let query = Query.deliveries(filter, from: from, isBackwards: isBackwards, limit: limit)
        guard case .deliveries(let rows, let next) = scene.ask(query) else { return [-1] }
        return rows.map(\.sequence) + [next ?? 0]
    }

    @Test func deliveriesAreListedFromBothEnds() throws {
        let scene = try scene(nil)
        let all = DeliveryFilter()
        #expect(listed(scene, all, from: .max) == [0] && listed(scene, all, from: 1, isBackwards: false) == [0])
        scene.commit(.deliveries([1, 2, 3, 4].map { delivery($0) } + [delivery(5, transfer: 0, kind: .configuration)]))
        scene.commit(
            .deliveryProgressed(
                sequence: 2,
                progress {
                    $0.state = .failed
                    $0.finished = 50
                }))
        #expect(listed(scene, all, from: .max) == [5, 4, 3, 2, 1, 0])
        #expect(listed(scene, all, from: .max, limit: 2) == [5, 4, 3])
        #expect(listed(scene, all, from: 3, limit: 3) == [3, 2, 1, 0])
        #expect(listed(scene, all, from: 0) == [0])
        #expect(listed(scene, all, from: 2, isBackwards: false, limit: 2) == [2, 3, 4])
        #expect(listed(scene, all, from: 9, isBackwards: false) == [0])
        #expect(listed(scene, DeliveryFilter(state: .failed), from: .max) == [2, 0])
        #expect(listed(scene, DeliveryFilter(transfer: Sample.transfer(1).id), from: .max) == [4, 3, 2, 1, 0])
        #expect(listed(scene, DeliveryFilter(session: Sample.session().id, state: .pending), from: 4) == [4, 3, 1, 0])
        #expect(listed(scene, DeliveryFilter(session: Sample.id(77)), from: .max) == [0])
        #expect(scene.ask(.deliveryByID(delivery(3).id)) == .deliveryByID(delivery(3)))
        #expect(scene.ask(.deliveryByID(Sample.id(77))) == .deliveryByID(nil))
        scene.end()
    }

    @Test func aListLooksAtABoundedStretch() throws {
        let scene = try scene(nil)
        scene.commit(.deliveries([delivery(1), delivery(50_000)]))
        #expect(listed(scene, DeliveryFilter(), from: .max) == [50_000, 30_000])
        #expect(listed(scene, DeliveryFilter(), from: 30_000) == [10_000])
        #expect(listed(scene, DeliveryFilter(), from: 10_000) == [1, 0])
        #expect(listed(scene, DeliveryFilter(), from: 1, isBackwards: false) == [1, 20_001])
        #expect(listed(scene, DeliveryFilter(), from: 40_001, isBackwards: false) == [50_000, 0])
        scene.end()
    }

    @Test func whatIsAskedForAgainIsPending() throws {
        let scene = try scene(nil)
        scene.commit(.deliveries((1...3).map { delivery($0) }))
        scene.commit(
            .deliveryProgressed(
                sequence: 1,
                progress {
                    $0.state = .failed
                    $0.attempts = 8
                    $0.due = 60
                    $0.finished = 70
                    $0.status = 500
                }),
            .deliveryProgressed(
                sequence: 2,
                progress {
                    $0.attempts = 3
                    $0.due = 900
                }))
        scene.commit(.deliveriesReplayed([1, 2, 3, 77], at: 200))
        #expect(
            content(scene, 1)?.row.progress
                == progress {
                    $0.due = 200
                    $0.status = 500
                })
        #expect(content(scene, 2)?.row.progress.attempts == 3 && content(scene, 2)?.row.progress.due == 200)
        #expect(content(scene, 3)?.row.progress == DeliveryProgress())
        try scene.reopen()
        #expect(scene.store.state.pendingDeliveries.held.map(\.sequence) == [1, 2, 3])
        let times = scene.store.state.pendingDeliveries.held.map(\.created)
        #expect(times == [200, 42, 43], "its age counts from the asking")
        scene.end()
    }

    @Test func aStartReadsABoundedNumberForAnEndpoint() throws {
        let scene = try scene(nil)
        let rows = (1...9 as ClosedRange<Int64>).map { sequence in
            var row = delivery(sequence)
            row.endpoint = sequence == 5 ? "https://b" : "https://a"
            return row
        }
        scene.commit(.deliveries(rows))
        scene.commit(
            .deliveryProgressed(
                sequence: 9,
                progress {
                    $0.attempts = 1
                    $0.due = 99
                }))
        var settings = StoreSettings()
        settings.endpointDeliveries = 3
        try scene.reopen(settings: settings)
        let pending = scene.store.state.pendingDeliveries
        let key = EndpointKey(session: Sample.session().id, url: "https://a")
        #expect(pending.held.map(\.sequence) == [1, 2, 3, 5, 9])
        #expect(pending.left == [key: LeftDeliveries(from: 4, through: 8, count: 4)])
        func read(_ from: Int64, _ limit: Int) -> [Int64] {
            let answer = scene.ask(.pendingDeliveries(key, from: from, limit: limit))
            guard case .pendingDeliveries(let rows, let next) = answer else { return [-1] }
            return rows.map(\.sequence) + [next ?? 0]
        }
        #expect(read(4, 3) == [4, 6, 7, 8])
        #expect(read(8, 3) == [8, 9, 0])
        #expect(read(10, 3) == [0])
        scene.end()
    }

    @Test func secretsGoWithTheirSession() throws {
        let scene = try scene(nil)
        let id = Sample.session().id
        scene.commit(.webhookSecrets(session: id, [1, 2]), .deliveries([delivery(1)]))
        scene.commit(.webhookSecrets(session: id, [3]))
        try scene.reopen()
        #expect(scene.store.state.webhookSecrets == [id: [3]])
        scene.commit(.sessionDeleted(id, forgetting: nil))
        scene.pass { scene.count("delivery") == 0 && scene.count("webhook_secret") == 0 }
        #expect(scene.count("delivery") == 0 && scene.count("webhook_secret") == 0)
        #expect(content(scene, 1) == nil)
        // What comes too late is dropped.
        scene.commit(.deliveries([delivery(2)]), .webhookSecrets(session: id, [4]))
        #expect(scene.count("delivery") == 0 && scene.count("webhook_secret") == 0 && scene.failures.isEmpty)
        try scene.reopen()
        #expect(scene.store.state.lastDelivery == 1, "a number is not used twice")
        scene.end()
    }

    @Test func finishedOnesAreKeptAsLongAsEvents() throws {
        let scene = try scene(nil)
        scene.commit(.deliveries((1...3).map { delivery($0) }))
        for (sequence, time) in [(1, 100), (2, 200)] as [(Int64, Int64)] {
            scene.commit(
                .deliveryProgressed(
                    sequence: sequence,
                    progress {
                        $0.state = .failed
                        $0.finished = time
                    }))
        }
        scene.commit(.trim(transfersBefore: 0, eventsBefore: 150, limit: 10))
        #expect(content(scene, 1) == nil && content(scene, 2) != nil && content(scene, 3) != nil)
        scene.end()
    }

    @Test func aTransferStaysAsLongAsItIsToBeTold() throws {
        let scene = try scene(nil)
        let far: Int64 = 9_000_000_000_000
        scene.commit(
            .transferAdvanced(sequence: 1, counts: TransferCounts(), published: 0, completed: 10),
            .deliveries([delivery(1)]))
        scene.commit(.trim(transfersBefore: far, eventsBefore: far, limit: 10))
        #expect(scene.count("transfer") == 1 && content(scene, 1) != nil)
        scene.commit(
            .deliveryProgressed(
                sequence: 1,
                progress {
                    $0.state = .delivered
                    $0.finished = far - 1
                }))
        scene.commit(.trim(transfersBefore: far, eventsBefore: 0, limit: 10))
        #expect(scene.count("transfer") == 0 && scene.count("delivery") == 0)
        scene.end()
    }

    @Test func anEventTellsWhichDeliveryWasGivenUp() throws {
        let scene = try scene(nil)
        scene.commit(.deliveries([delivery(1), delivery(2, transfer: 0, kind: .configuration)]))
        let events = [(1, 1), (2, 0)].map { sequence, transfer in
            EventRow(
                sequence: Int64(sequence), time: 60, kind: .webhookFailed, session: Sample.session().id,
                transfer: Int64(transfer), transferID: delivery(1, transfer: Int64(transfer)).event.transferID,
                schemaKey: delivery(1, transfer: Int64(transfer)).event.schemaKey, error: Int64(sequence))
        }
        scene.commit(.events(events))
        let query = Query.events(
            after: 0, filter: EventFilter(session: Sample.session().id, kinds: [.webhookFailed]), limit: 10,
            bytes: 1_000)
        guard case .events(let logged, _, _, _) = scene.ask(query) else {
            Issue.record("no events")
            return
        }
        #expect(logged.map(\.event) == events)
        #expect(logged.map(\.delivery?.sequence) == [1, 2])
        #expect(logged.map(\.revision) == [Sample.transfer(1).revision, Sample.session().revision])
        scene.end()
    }
}
