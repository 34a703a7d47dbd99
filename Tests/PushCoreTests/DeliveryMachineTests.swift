import Testing

@testable import PushCore

/// Receivers, time and the machine between them; what the machine orders is done at once, and answers take a while.
private final class Post {
    struct Attempt: Equatable {
        var sequence: Int64
        /// Milliseconds since the beginning.
        var time: Int64
    }

    static let start: Int64 = 1_700_000_000_000
    private(set) var machine: DeliveryMachine
    /// Milliseconds since the beginning.
    private(set) var time: Int64 = 0
    private(set) var attempts: [Attempt] = []
    private(set) var kept: [Int64: DeliveryProgress] = [:]
    private(set) var mostInFlight = 0
    /// Milliseconds that an answer takes.
    var pace: Int64 = 10
    /// What is answered to an attempt.
    var receiver: (Attempt) -> DeliveryOutcome = { _ in DeliveryOutcome(status: 200) }
    /// Most deliveries that the machine held at a time.
    private(set) var mostHeld = 0
    /// What is not finished, as the store has it.
    private var stored: [Int64: PendingDelivery] = [:]
    private var agenda: [(at: Int64, fact: DeliveryFact)] = []
    private var last: Int64 = 0

    init(_ schedule: DeliverySchedule = .standard, ceiling: Int = 1_000) {
        machine = DeliveryMachine(schedule: schedule, ceiling: ceiling)
    }

    static func key(_ url: String = "https://a", session: UInt32 = 1) -> EndpointKey {
        EndpointKey(session: Identifier(high: 1, low: session), url: url)
    }

    /// New deliveries, now; gives their sequences.
    @discardableResult
    func add(_ count: Int, to key: EndpointKey = Post.key(), concurrent: Bool = false) -> [Int64] {
        let sequences = (0..<count).map { last + 1 + Int64($0) }
        last += Int64(count)
        let new = sequences.map {
            PendingDelivery(
                sequence: $0, key: key, isConcurrent: concurrent, created: Self.start + time, attempts: 0, due: 0)
        }
        for delivery in new { stored[delivery.sequence] = delivery }
        tell(.added(new))
        return sequences
    }

    /// They are in the store.
    func take(_ deliveries: [PendingDelivery]) {
        for delivery in deliveries { stored[delivery.sequence] = delivery }
    }

    func tell(_ fact: DeliveryFact) {
        let moment = Moment(
            wall: Self.start + time, monotonic: UInt64(time + 1) * 1_000_000, chance: UInt64(time) &* 0x9E37_79B9)
        for effect in machine.handle(fact, at: moment) {
            switch effect {
            case .attempt(_, let sequence):
                let attempt = Attempt(sequence: sequence, time: time)
                attempts.append(attempt)
                agenda.append((time + pace, .answered(sequence: sequence, receiver(attempt))))
            case .keep(let sequence, let progress):
                kept[sequence] = progress
                if progress.state != .pending { stored[sequence] = nil }
            case .load(let key, let from, let limit):
                let all = stored.values.filter { $0.key == key && $0.sequence >= from }
                let found = Array(all.sorted { $0.sequence < $1.sequence }.prefix(limit))
                let next = found.count == limit ? found.last.map { $0.sequence + 1 } : nil
                agenda.append((time + 1, .loaded(key, found, next: next)))
            case .wake(let key, let at): agenda.append((Int64(at / 1_000_000) - 1, .woke(key)))
            }
        }
        mostInFlight = max(mostInFlight, machine.inFlight)
        mostHeld = max(mostHeld, machine.known(of: Self.key()).count)
    }

    /// Lets time pass until then, or until nothing more would happen.
    func run(until end: Int64 = .max) {
        while let place = agenda.indices.min(by: { agenda[$0].at < agenda[$1].at }), agenda[place].at <= end {
            let next = agenda.remove(at: place)
            time = max(time, next.at)
            tell(next.fact)
        }
        if end < .max { time = end }
    }

    func times(_ sequence: Int64) -> [Int64] { attempts.filter { $0.sequence == sequence }.map(\.time) }
    var order: [Int64] { attempts.map(\.sequence) }
    func states(_ sequences: [Int64]) -> Set<DeliveryRow.State?> { Set(sequences.map { kept[$0]?.state }) }
}

@Suite struct DeliveryMachineTests {
    private static let minute: Int64 = 60_000
    private static let hour: Int64 = 3_600_000

    @Test func firstAttemptsGoInOrderEachAfterTheAnswerBefore() {
        let post = Post()
        let sequences = post.add(5)
        #expect(post.order == [1], "one at a time")
        post.run()
        #expect(post.attempts.map(\.time) == [0, 10, 20, 30, 40])
        #expect(post.order == sequences && post.mostInFlight == 1)
        #expect(post.states(sequences) == [.delivered])
        #expect(post.machine.pending == 0 && post.machine.isQuiet)
    }

    @Test func underConcurrencyFourOverlap() {
        let post = Post()
        let sequences = post.add(10, concurrent: true)
        #expect(post.order == [1, 2, 3, 4])
        post.run()
        #expect(post.order == sequences && post.mostInFlight == 4)
    }

    @Test func aFailedOneHoldsBackNobody() {
        let post = Post()
        post.receiver = { DeliveryOutcome(status: $0.sequence == 1 && $0.time < 1_000 ? 500 : 200) }
        let sequences = post.add(3)
        post.run(until: 100)
        #expect(post.order == [1, 2, 3])
        #expect(post.kept[1]?.state == .pending && post.kept[1]?.attempts == 1 && post.kept[1]?.status == 500)
        post.run()
        #expect(post.order == [1, 2, 3, 1])
        #expect(post.states(sequences) == [.delivered])
    }

    @Test func endpointsKnowNothingOfEachOther() {
        let post = Post()
        post.receiver = { DeliveryOutcome(reason: $0.sequence <= 10 ? "timeout" : nil).answered($0.sequence > 10) }
        post.add(10)
        post.add(3, to: Post.key("https://b"))
        post.add(3, to: Post.key(session: 2))
        post.run(until: 1_000)
        #expect(Set(post.order.filter { $0 > 10 }) == [11, 12, 13, 14, 15, 16])
    }

    @Test func theScheduleIsKeptAndEndsAfterEightAttempts() {
        let post = Post()
        post.receiver = { _ in DeliveryOutcome(reason: "connect_failed") }
        post.add(1)
        post.run()
        let times = post.times(1)
        #expect(times.count == 8)
        for (place, wait) in DeliverySchedule.standard.waits.enumerated() {
            let waited = times[place + 1] - times[place] - post.pace
            #expect(waited >= wait && waited <= wait + wait / 10 + 1, "wait \(place)")
        }
        #expect(post.kept[1]?.state == .failed && post.kept[1]?.reason == "connect_failed")
        #expect(post.kept[1]?.finished == Post.start + post.time)
    }

    /// The promise of K27: a receiver that is down for an hour gets everything afterwards, and is not stormed meanwhile.
    @Test func aReceiverThatIsDownForAnHourGetsEverythingAfterwards() {
        let post = Post()
        post.receiver = { DeliveryOutcome(reason: "connect_failed").answered($0.time >= Self.hour) }
        var sequences = post.add(200)
        for minute in 1...59 as ClosedRange<Int64> {
            post.run(until: minute * Self.minute)
            sequences += post.add(10)
        }
        post.run(until: Self.hour)
        #expect(post.attempts.count == 20, "five in a row, and those five again after 5 s, 5 min and 30 min")
        #expect(Set(post.order) == [1, 2, 3, 4, 5] && post.machine.paused == 1)
        post.run()
        #expect(post.states(sequences) == [.delivered] && post.machine.paused == 0)
        #expect(post.time < 3 * Self.hour)
        let firsts = sequences.map { post.times($0)[0] }
        #expect(firsts == firsts.sorted(), "first attempts stay in order")
    }

    private func replayed(_ post: Post, _ sequences: [Int64]) -> DeliveryFact {
        .replayed(
            sequences.map {
                PendingDelivery(
                    sequence: $0, key: Post.key(), isConcurrent: false, created: Post.start, attempts: 0,
                    due: Post.start + post.time)
            })
    }

    @Test func whatIsAskedForAgainBeginsAnewBehindTheLine() {
        let post = Post()
        post.receiver = { DeliveryOutcome(status: $0.sequence == 1 && $0.time < 1_000 ? 410 : 200) }
        post.add(1)
        post.run(until: 1_000)
        #expect(post.kept[1]?.state == .failed)
        post.add(2)
        post.tell(replayed(post, [1]))
        post.run()
        #expect(post.order == [1, 2, 3, 1] && post.states([1, 2, 3]) == [.delivered])
        #expect(post.kept[1]?.attempts == 1)
    }

    @Test func whatWaitsIsNotMadeTwiceWhenItIsAskedFor() {
        let post = Post()
        post.receiver = { DeliveryOutcome(status: $0.sequence == 1 && $0.time < 1_000 ? 500 : 200) }
        post.add(1)
        post.run(until: 1_000)
        post.add(3)
        post.tell(replayed(post, [1, 2, 3, 4]))
        #expect(post.order == [1, 2, 1], "what was to wait for 5 s is due")
        post.run()
        #expect(post.order.sorted() == [1, 1, 2, 3, 4] && post.machine.pending == 0)
        #expect(post.kept[1]?.attempts == 2, "its attempts count on")
    }

    @Test func askingEndsAPauseUntilTheReceiverHasFailedAsOften() {
        let post = Post()
        post.receiver = { _ in DeliveryOutcome(reason: "connect_failed") }
        post.add(10)
        post.run(until: 1_000)
        #expect(post.order == [1, 2, 3, 4, 5] && post.machine.paused == 1)
        post.tell(replayed(post, [5]))
        #expect(post.machine.paused == 0)
        post.run(until: 2_000)
        #expect(post.order == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9] && post.machine.paused == 1)
        post.receiver = { _ in DeliveryOutcome(status: 200) }
        post.tell(replayed(post, Array(1...10)))
        post.run(until: 3_000)
        #expect(post.machine.pending == 0, "nobody waits for the schedule")
    }

    @Test func whatIsAskedForAgainIsNotGivenUpForItsAge() {
        let post = Post()
        post.receiver = { _ in DeliveryOutcome(reason: "connect_failed") }
        post.add(20)
        post.run(until: 40 * Self.hour)
        #expect(post.states(Array(1...20)) == [.failed])
        post.receiver = { DeliveryOutcome(reason: "connect_failed").answered($0.time > 41 * Self.hour) }
        post.tell(replayed(post, Array(1...20)))
        post.run(until: 60 * Self.hour)
        #expect(post.states(Array(1...20)) == [.delivered])
    }

    @Test func whatIsOverTheCeilingWaitsInTheStoreInItsOrder() {
        let post = Post(ceiling: 10)
        post.pace = 3
        var sequences = post.add(25)
        let others = post.add(3, to: Post.key("https://b"))
        sequences += post.add(30)
        #expect(post.machine.pending == 58 && post.mostHeld == 10)
        // More comes while it is read.
        for _ in 0..<20 {
            post.run(until: post.time + 7)
            sequences += post.add(4)
        }
        post.run()
        #expect(post.order.filter { !others.contains($0) } == sequences)
        #expect(post.mostHeld == 10 && post.machine.pending == 0 && post.machine.isQuiet)
        #expect(post.order.count == sequences.count + 3, "nothing twice")
    }

    @Test func anEndpointThatIsDownHoldsNoMoreThanItsCeiling() {
        let post = Post(ceiling: 20)
        post.receiver = { DeliveryOutcome(reason: "connect_failed").answered($0.time >= Self.hour) }
        let sequences = post.add(3_000)
        post.run(until: Self.hour)
        #expect(post.mostHeld == 20 && post.machine.pending == 3_000)
        post.run()
        #expect(post.states(sequences) == [.delivered] && post.mostHeld == 20)
        let firsts = sequences.map { post.times($0)[0] }
        #expect(firsts == firsts.sorted())
    }

    @Test func whatWaitsInTheStoreIsGivenUpAsWell() {
        let post = Post(ceiling: 20)
        post.receiver = { _ in DeliveryOutcome(reason: "connect_failed") }
        let sequences = post.add(3_000)
        post.run(until: 60 * Self.hour)
        #expect(post.states(sequences) == [.failed] && post.mostHeld == 20)
    }

    @Test func whatAStartLeavesIsReadInTime() {
        let post = Post(ceiling: 4)
        let all = (1...20 as ClosedRange<Int64>).map {
            PendingDelivery(
                sequence: $0, key: Post.key(), isConcurrent: false, created: Post.start, attempts: $0 == 18 ? 1 : 0,
                due: $0 == 18 ? Post.start + 50 : 0)
        }
        post.take(all)
        var pending = PendingDeliveries()
        for delivery in all { pending.add(delivery, ceiling: 4) }
        #expect(pending.left[Post.key()] == LeftDeliveries(from: 5, through: 20, count: 15))
        post.tell(.left(pending.left))
        post.tell(.added(pending.held))
        #expect(post.machine.pending == 20)
        post.run()
        #expect(post.order.filter { $0 != 18 } == (1...20).filter { $0 != 18 } && post.times(18).count == 1)
        #expect(post.machine.pending == 0)
    }

    @Test func whilePausedOneProbeGoesAtATime() {
        let post = Post()
        post.pace = 14_000
        post.receiver = { _ in DeliveryOutcome(reason: "timeout") }
        post.add(20, concurrent: true)
        post.run(until: 60_000)
        let before = post.attempts.count
        #expect(post.machine.paused == 1)
        post.run(until: Self.hour)
        let probes = post.attempts[before...].map(\.time)
        #expect(!probes.isEmpty && zip(probes, probes.dropFirst()).allSatisfy { $1 - $0 >= post.pace })
    }

    @Test func nothingIsGivenUpWhenTheLastProbeIsDueAndSucceeds() {
        let schedule = DeliverySchedule(waits: [100, 100, 100, 10_000])
        let post = Post(schedule)
        post.receiver = { DeliveryOutcome(status: $0.time < 5_000 ? 500 : 200) }
        let early = post.add(2)
        post.run(until: 300)
        let late = post.add(2)
        post.run(until: 60_000)
        #expect(post.states(early + late) == [.delivered], "\(post.kept)")
    }

    @Test func whatWaitedForAWholeScheduleIsGivenUpWithIt() {
        let post = Post()
        post.receiver = { _ in DeliveryOutcome(reason: "connect_failed") }
        let sequences = post.add(1_000)
        post.run(until: 20 * Self.hour)
        let late = post.add(1)
        post.run(until: 40 * Self.hour)
        #expect(post.states(sequences) == [.failed])
        #expect(post.kept[1_000]?.attempts == 0 && post.kept[1_000]?.reason == "endpoint_paused")
        #expect(post.kept[late[0]]?.state != .failed, "it has its time yet")
        post.run()
        #expect(post.states(late) == [.failed] && post.machine.pending == 0)
        #expect(post.attempts.count < 60)
    }

    @Test func afterALongStopNothingIsGivenUpUntried() {
        let post = Post()
        post.run(until: 100 * Self.hour)
        post.receiver = { DeliveryOutcome(status: $0.time < 100 * Self.hour + 2_000 ? 502 : 200) }
        let old = (1...300).map {
            PendingDelivery(
                sequence: $0, key: Post.key(), isConcurrent: false, created: Post.start, attempts: 0, due: 0)
        }
        post.tell(.added(old))
        post.run()
        #expect(post.states(old.map(\.sequence)) == [.delivered])
    }

    @Test func theScheduleGoesOnAfterARestart() {
        let post = Post()
        post.run(until: Self.hour)
        let due = Post.start + 2 * Self.hour
        let found = [
            PendingDelivery(
                sequence: 7, key: Post.key(), isConcurrent: false, created: Post.start, attempts: 3, due: due),
            PendingDelivery(
                sequence: 8, key: Post.key(), isConcurrent: false, created: Post.start, attempts: 1, due: Post.start),
            PendingDelivery(
                sequence: 9, key: Post.key(), isConcurrent: false, created: Post.start, attempts: 0, due: 0),
        ]
        post.tell(.added(found))
        post.run()
        #expect(post.times(8)[0] == Self.hour && post.times(9)[0] == Self.hour)
        #expect(post.times(7)[0] == 2 * Self.hour)
        #expect(post.kept[7]?.attempts == 4)
    }

    @Test func aClockThatWasSetBackDelaysByADayOrTwoAtMost() {
        let post = Post()
        let due = Post.start + 9_000 * Self.hour
        let found = PendingDelivery(
            sequence: 1, key: Post.key(), isConcurrent: false, created: due, attempts: 1, due: due)
        post.tell(.added([found]))
        post.run()
        #expect(post.times(1)[0] <= 48 * Self.hour)
    }

    @Test func retryAfterIsObeyed() {
        let post = Post()
        post.receiver = { attempt in
            attempt.time < 100 ? DeliveryOutcome(status: 429, retryAfter: 120_000) : DeliveryOutcome(status: 200)
        }
        let sequences = post.add(3)
        post.run()
        #expect(post.order.first == 1 && post.attempts.count == 4)
        #expect(post.attempts.dropFirst().allSatisfy { $0.time >= 120_000 }, "also those that were not sent yet")
        #expect(post.states(sequences) == [.delivered])
        let other = Post()
        other.receiver = { DeliveryOutcome(status: $0.time < 100 ? 500 : 200, retryAfter: 60_000) }
        other.add(2)
        other.run()
        #expect(other.times(2)[0] == 10, "a 500 speaks for its delivery only")
        #expect(other.times(1)[1] >= 60_000)
    }

    @Test func retryAfterIsBounded() {
        let post = Post()
        post.receiver = { DeliveryOutcome(status: $0.time == 0 ? 503 : 200, retryAfter: .max) }
        post.add(1)
        post.run()
        #expect(post.times(1)[1] == post.pace + 24 * Self.hour)
    }

    @Test func goneEndsADelivery() {
        let post = Post()
        post.receiver = { _ in DeliveryOutcome(status: 410) }
        let sequences = post.add(2)
        post.run()
        #expect(post.order == [1, 2] && post.states(sequences) == [.failed])
        #expect(post.kept[1]?.status == 410)
    }

    @Test func whatIsNotTwoHundredIsAFailure() {
        for (status, isDelivered) in [(199, false), (200, true), (299, true), (300, false), (302, false), (404, false)]
        {
            #expect(DeliveryOutcome(status: status).isDelivered == isDelivered, "\(status)")
        }
        #expect(!DeliveryOutcome(reason: "timeout").isDelivered)
    }

    @Test func nothingOfADeletedSessionIsSent() {
        let post = Post()
        post.receiver = { _ in DeliveryOutcome(status: 500) }
        post.add(3)
        post.add(1, to: Post.key(session: 2))
        #expect(post.machine.hasPending(session: Post.key().session))
        post.tell(.sessionDeleted(Post.key().session))
        #expect(!post.machine.hasPending(session: Post.key().session))
        let before = post.order
        post.run(until: 100)
        #expect(post.order == before && post.kept[1] == nil, "the answer that was under way interests nobody")
        #expect(post.kept[4]?.attempts == 1)
    }

    @Test func manyEndpointsShareTheFlights() {
        let post = Post()
        for number in 0..<200 { post.add(2, to: Post.key("https://e\(number)")) }
        #expect(post.machine.inFlight == DeliveryMachine.flightCeiling)
        post.run()
        #expect(post.mostInFlight == DeliveryMachine.flightCeiling)
        #expect(post.states(Array(1...400)) == [.delivered])
    }

    @Test func aWaitIsReadInBothForms() {
        let now: Int64 = 784_111_777_000
        for (text, milliseconds) in [
            ("120", 120_000), ("0", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Sun, 06 Nov 1994 08:50:37 GMT", 60_000),
            ("Sat, 05 Nov 1994 08:50:37 GMT", 0), ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400_000 - now),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200_000 - now), ("9999999999", Int64.max),
        ] as [(String, Int64)] {
            #expect(RetryAfter.milliseconds(text, now: now) == milliseconds, "\(text)")
        }
        for text in ["", "-1", "1.5", "soon", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Now 1994 08:49:37 GMT"] {
            #expect(RetryAfter.milliseconds(text, now: now) == nil, "\(text)")
        }
    }
}

extension DeliveryOutcome {
    fileprivate func answered(_ isGood: Bool) -> DeliveryOutcome { isGood ? DeliveryOutcome(status: 200) : self }
}
