import JSON
import Testing

@testable import PushCore

/// Judgement about one account, on a clock that a test sets.
@Suite struct BreakerTests {
    private static let second: UInt64 = 1_000_000_000
    private static let wait = 10 * second

    /// A breaker behind a reference, so that an expectation may change it.
    private final class Subject {
        var breaker = Breaker()
        var time: UInt64 = 100 * second

        var now: Moment { Moment(wall: Int64(time / 1_000_000), monotonic: time, chance: 0) }

        func note(_ news: ExchangeNews, _ batch: Int64 = 1, shown: Int? = nil) -> Breaker.Verdict {
            breaker.note(news, of: batch, shown: shown ?? breaker.credentials, wait: wait, at: now)
        }

        /// Begins a probe with this batch, if one is due.
        func probe(_ batch: Int64) -> Bool {
            guard breaker.isProbeDue(at: time) else { return false }
            breaker.beginProbe(batch)
            return true
        }

        func isResumed(_ verdict: Breaker.Verdict) -> Bool {
            if case .resumed = verdict { true } else { false }
        }
    }

    private func paused(_ reason: PauseReason) -> Subject {
        let subject = Subject()
        if reason == .authentication {
            #expect(subject.note(.unauthorized) == .paused(.authentication))
        } else {
            for _ in 1...4 { #expect(subject.note(.failed) == .nothing) }
            #expect(subject.note(.failed) == .paused(.unavailable))
        }
        return subject
    }

    @Test func fiveFailuresInARowPause() {
        let subject = paused(.unavailable)
        #expect(subject.breaker.isPaused && !subject.breaker.admits(1) && !subject.probe(2))
    }

    @Test func anyAnswerBeginsTheRowAnew() {
        let subject = Subject()
        for _ in 1...4 { _ = subject.note(.failed) }
        #expect(subject.note(.answered) == .nothing)
        for _ in 1...4 { #expect(subject.note(.failed) == .nothing) }
        #expect(subject.note(.throttled(milliseconds: 5)) == .nothing)
        for _ in 1...4 { #expect(subject.note(.failed) == .nothing) }
        #expect(!subject.breaker.isPaused)
    }

    @Test func oneProbeAtATimeEveryTenSeconds() {
        let subject = paused(.unavailable)
        subject.time += 9 * Self.second
        #expect(!subject.probe(2))
        subject.time += Self.second
        #expect(subject.probe(2) && subject.breaker.admits(2) && !subject.breaker.admits(3))
        #expect(!subject.probe(3), "one is under way")
        #expect(subject.note(.failed, 2) == .nothing)
        #expect(!subject.probe(3))
        subject.time += Self.wait
        #expect(subject.probe(3))
        #expect(subject.isResumed(subject.note(.answered, 3)))
        #expect(!subject.breaker.isPaused && subject.breaker.failures == 0)
    }

    @Test func onlyTheProbeIsBelieved() {
        let subject = paused(.unavailable)
        subject.time += Self.wait
        #expect(subject.probe(7))
        #expect(subject.note(.answered, 1) == .nothing, "it was under way before")
        #expect(subject.note(.unauthorized, 2) == .nothing)
        #expect(subject.breaker.isPaused && subject.breaker.pause?.reason == .unavailable)
    }

    @Test func aProbeThatHadNothingToAskIsNone() {
        let subject = paused(.unavailable)
        subject.time += Self.wait
        #expect(subject.probe(7))
        subject.breaker.ended(7)
        #expect(subject.probe(8))
    }

    @Test func credentialsThatAreNotAcceptedPauseAtOnceAndBringNoProbe() {
        let subject = paused(.authentication)
        subject.time += 1_000_000 * Self.second
        #expect(!subject.probe(2))
        subject.breaker.credentialsGiven(at: subject.time)
        #expect(subject.probe(2))
        #expect(subject.note(.unauthorized, 2) == .nothing, "told already")
        subject.time += 1_000_000 * Self.second
        #expect(!subject.probe(3))
        subject.breaker.credentialsGiven(at: subject.time)
        #expect(subject.probe(3) && subject.isResumed(subject.note(.answered, 3)))
    }

    @Test func whatWasShownBeforeTheNewCredentialsSaysNothingAboutThem() {
        let running = Subject()
        let before = running.breaker.credentials
        running.breaker.credentialsGiven(at: running.time)
        #expect(running.note(.unauthorized, shown: before) == .nothing)
        #expect(!running.breaker.isPaused)

        let subject = paused(.authentication)
        subject.breaker.credentialsGiven(at: subject.time)
        #expect(subject.probe(2))
        let shown = subject.breaker.credentials
        subject.breaker.credentialsGiven(at: subject.time)
        #expect(subject.note(.unauthorized, 2, shown: shown) == .nothing)
        #expect(subject.probe(3), "the newest are tried at once")
    }

    @Test func aProbeMayFindAnotherReason() {
        let subject = paused(.unavailable)
        subject.time += Self.wait
        #expect(subject.probe(2))
        #expect(subject.note(.unauthorized, 2) == .paused(.authentication))
        subject.time += 1_000_000 * Self.second
        #expect(!subject.probe(3))
        subject.breaker.credentialsGiven(at: subject.time)
        #expect(subject.probe(3))
        #expect(subject.note(.failed, 3) == .nothing, "nobody there to say whether they are good")
        subject.time += Self.wait
        #expect(subject.probe(4))
        #expect(subject.note(.throttled(milliseconds: 60_000), 4) == .nothing, "nor does this say so")
        subject.time += 59 * Self.second
        #expect(!subject.probe(5))
        subject.time += Self.second
        #expect(subject.probe(5) && subject.isResumed(subject.note(.answered, 5)))
    }

    @Test func aThrottledProbeShowsThatSomebodyIsThere() {
        let subject = paused(.unavailable)
        subject.time += Self.wait
        #expect(subject.probe(2) && subject.isResumed(subject.note(.throttled(milliseconds: 5), 2)))
    }

    @Test func aPauseSurvivesARestartAndIsAskedAboutAtOnce() {
        let subject = paused(.authentication)
        let session = Identifier(high: 1, low: 2)
        #expect(subject.breaker.tell(session) && !subject.breaker.tell(session))
        let account = AccountKey(provider: "local", name: "a")
        let row = subject.breaker.row(of: account)
        #expect(row == PauseRow(account: account, reason: .authentication, since: 100_000, told: [session]))
        let next = Subject()
        next.time = 5 * Self.second
        let now = Moment(wall: 100_000 + 3_600_000, monotonic: next.time, chance: 0)
        if let row { next.breaker.restore(row, at: now) }
        #expect(next.breaker.row(of: account) == row)
        #expect(next.breaker.waited(since: 0, at: now) == 3_600 * Int64(Self.second))
        #expect(next.probe(1) && !next.breaker.tell(session))
        #expect(next.note(.unauthorized, 1) == .nothing)
        #expect(!next.probe(2))
    }

    @Test func aRecordWaitsFromThePauseOrFromItsOwnComing() {
        let subject = paused(.unavailable)
        subject.time += 60 * Self.second
        #expect(subject.breaker.waited(since: 0, at: subject.now) == 60 * Int64(Self.second))
        #expect(subject.breaker.waited(since: 100_000 + 45_000, at: subject.now) == 15 * Int64(Self.second))
        var later = subject.now
        later.wall += 1_000_000_000
        #expect(
            subject.breaker.waited(since: 100_000 + 45_000, at: later) == 60 * Int64(Self.second),
            "a clock that was set forward gives nothing up before the pause is as old")
        #expect(Breaker().waited(since: 0, at: subject.now) == 0)
    }

    @Test func callersSeeWhyAndUntilWhen() {
        let subject = paused(.unavailable)
        subject.time += 4 * Self.second
        #expect(
            subject.breaker.shown(at: subject.now)
                == AccountPause(reason: .unavailable, since: 100_000, until: 110_000))
        #expect(
            paused(.authentication).breaker.shown(at: subject.now)
                == AccountPause(reason: .authentication, since: 100_000, until: nil))
        #expect(Breaker().shown(at: subject.now) == nil)
    }

    @Test func repliesAreNews() {
        #expect(Reply.answered(1).news == .answered)
        #expect(Reply<Int>.notSent("").news == .failed)
        #expect(Reply<Int>.unknown("").news == .failed)
        #expect(Reply<Int>.throttled(milliseconds: 7).news == .throttled(milliseconds: 7))
        #expect(Reply<Int>.refused(Failure(.upstream, .refusedUpstream, "")).news == .answered)
        #expect(Reply<Int>.refused(Failure(.authentication, .unauthorizedUpstream, "")).news == .unauthorized)
    }
}

@Suite struct AbortRuleTests {
    private func counts(_ refused: Int32, _ created: Int32) -> TransferCounts {
        var counts = TransferCounts()
        counts[.refused] = refused
        counts[.created] = created
        return counts
    }

    private func rule(_ text: String) -> AbortRule? {
        (try? JSONDocument(parsing: Array(text.utf8)).root).flatMap { AbortRule($0) }
    }

    @Test func aNumberOfRejectsStrikesWhenItIsReached() {
        let rule = rule(#"{"rejects": 3}"#)
        #expect(rule?.strikes(counts(2, 0)) == false)
        #expect(rule?.strikes(counts(3, 1_000_000)) == true)
    }

    @Test func aShareCountsFromAHundredFinishedRecords() {
        let rule = rule(#"{"rejects_percent": 12.5}"#)
        #expect(rule?.strikes(counts(99, 0)) == false)
        #expect(rule?.strikes(counts(13, 87)) == true)
        #expect(rule?.strikes(counts(12, 88)) == false)
        #expect(rule?.strikes(counts(25, 175)) == true)
        #expect(self.rule(#"{"rejects_percent": 0.001}"#)?.strikes(counts(0, 100)) == false)
    }

    @Test func eitherStrikes() {
        let rule = rule(#"{"rejects": 5, "rejects_percent": 50}"#)
        #expect(rule?.strikes(counts(5, 0)) == true)
        #expect(rule?.strikes(counts(4, 4)) == false)
    }

    @Test func nothingSaidIsNoRule() {
        #expect(rule("{}") == nil)
    }
}
