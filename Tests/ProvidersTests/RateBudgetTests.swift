import Testing

@testable import Providers

@Suite struct RateBudgetTests {
    private static let rules = [
        RateRule(operations: [.search], max: 2, window: 1_000),
        RateRule(except: [.search], max: 3, window: 10_000),
        RateRule(max: 20, window: 86_400_000),
    ]

    private func budget(concurrency: Int = 100) -> RateBudget { RateBudget(Self.rules, concurrency: concurrency) }

    @Test func eachRateCountsItsOwn() {
        var budget = budget()
        for _ in 0..<3 {
            #expect(budget.room(for: .create, at: 0) == .now)
            budget.begin(.create)
        }
        #expect(budget.room(for: .read, at: 0) == .later, "nobody knows when one will end")
        #expect(budget.room(for: .search, at: 0) == .now, "a search passes")
        budget.begin(.search)
        budget.begin(.search)
        #expect(budget.room(for: .search, at: 0) == .later)
    }

    @Test func aPlaceIsKeptForTheWindowAfterTheAnswer() {
        var budget = budget()
        for _ in 0..<3 { budget.begin(.create) }
        budget.end(.create, at: 5_000)
        guard case .at(let time) = budget.room(for: .create, at: 5_000) else {
            Issue.record("a time is known")
            return
        }
        #expect(time > 15_000 && time <= 15_220)
        #expect(budget.room(for: .create, at: time - 1) == .at(time))
        #expect(budget.room(for: .create, at: time) == .now)
    }

    /// Against a vendor that counts each exchange at the worst moment for us.
    @Test func theVendorsWindowIsNeverFull() {
        var budget = RateBudget([RateRule(max: 5, window: 1_000)], concurrency: 3)
        var counted: [Int64] = []
        var underWay: [(end: Int64, counted: Int64)] = []
        var made = 0
        var state: UInt64 = 88_172_645_463_325_252
        func chance(_ below: Int64) -> Int64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int64(state % UInt64(below))
        }
        for now in Int64(0)..<60_000 {
            for place in underWay.indices.reversed() where underWay[place].end <= now {
                budget.end(.read, at: now)
                underWay.remove(at: place)
            }
            while budget.room(for: .read, at: now) == .now {
                budget.begin(.read)
                let time = chance(700) + 1
                let arrived = now + chance(time)
                counted.append(arrived)
                underWay.append((now + time, arrived))
                made += 1
                #expect(underWay.count <= 3)
            }
        }
        counted.sort()
        for place in counted.indices.dropFirst(5) { #expect(counted[place] - counted[place - 5] >= 1_000) }
        #expect(made > 100)
    }

    @Test func concurrencyCountsEverything() {
        var budget = budget(concurrency: 2)
        budget.begin(.search)
        budget.begin(.read)
        #expect(budget.room(for: .link, at: 0) == .later)
        budget.end(.search, at: 1)
        #expect(budget.room(for: .link, at: 1) == .now)
    }

    @Test func aPauseHoldsWhatTheShortestWindowCounts() {
        var budget = budget()
        budget.pause(.search, until: 1_500)
        #expect(budget.room(for: .search, at: 0) == .at(1_500))
        #expect(budget.room(for: .create, at: 0) == .now)
        #expect(budget.room(for: .search, at: 1_500) == .now)
        budget.pause(.update, until: 3_000)
        #expect(budget.room(for: .read, at: 0) == .at(3_000) && budget.room(for: .search, at: 2_000) == .now)
        var free = RateBudget([], concurrency: 1)
        free.pause(.read, until: 9)
        #expect(free.room(for: .read, at: 0) == .now)
    }

    @Test func aDayIsForgottenInTheEnd() {
        var budget = RateBudget([RateRule(max: 1_000, window: 86_400_000)], concurrency: 1)
        for place in 0..<1_000 {
            budget.begin(.read)
            budget.end(.read, at: Int64(place) * 10)
        }
        guard case .at(let time) = budget.room(for: .read, at: 10_000) else {
            Issue.record("a time is known")
            return
        }
        #expect(time > 86_400_000 && time < 88_000_000)
        #expect(budget.room(for: .read, at: time) == .now)
    }

    // MARK: A restart

    @Test func whatAnEarlierRunHasUsedIsUsed() {
        var budget = budget()
        budget.recall(.create, ended: -9_000, count: 1)
        budget.recall(.create, ended: -100, count: 2)
        guard case .at(let time) = budget.room(for: .read, at: 0) else {
            Issue.record("the window is full")
            return
        }
        #expect(time > 1_000 && time <= 1_220, "until the oldest has left it")
        #expect(budget.room(for: .search, at: 0) == .now, "searches have a window of their own")
        #expect(budget.room(for: .read, at: time) == .now)
    }

    @Test func theDayOutlivesTheRun() {
        var budget = budget()
        budget.recall(.read, ended: -80_000_000, count: 5)
        budget.recall(.search, ended: -70_000_000, count: 15)
        guard case .at(let time) = budget.room(for: .search, at: 0) else {
            Issue.record("the day is used up")
            return
        }
        #expect(time >= 6_400_000 && time <= 6_400_000 + 2 * 864_000)
    }

    @Test func whatNobodyCouldNoteDownIsReserved() {
        var budget = RateBudget(
            [RateRule(operations: [.search], max: 5, window: 1_000), RateRule(max: 100, window: 10_000)], concurrency: 4
        )
        budget.recall(.search, ended: -50_000, count: 5)
        budget.reserve(until: 0)
        guard case .at(let time) = budget.room(for: .search, at: 10) else {
            Issue.record("a short window begins as used up")
            return
        }
        #expect(time > 1_000 && time <= 1_040)
        for _ in 0..<92 {
            #expect(budget.room(for: .read, at: 10) == .now)
            budget.begin(.read)
            budget.end(.read, at: 10)
        }
        #expect(budget.room(for: .read, at: 10) != .now, "a long one without twice what could be under way")
    }
}
