// Theory of operation.
//
// A provider counts a request when it arrives, which is some time between its leaving here and its answer. So an exchange
// takes its place in a window from the moment on at which it leaves, and keeps it for the length of the window after it was
// answered: whenever it was counted, the provider's window never holds more than ours. Ends are kept by the hundredth of a
// window, in which they count until the latest of them is over, so that a day takes no more memory than a second.

/// How many exchanges an account may begin now. Times are milliseconds of a monotonic clock.
package struct RateBudget: Sendable {
    private struct Window: Sendable {
        let rule: RateRule
        var underWay = 0
        /// Ended exchanges, oldest first.
        var ended: [(until: Int64, count: Int)] = []
        var inEnded = 0
        var pausedUntil: Int64 = 0

        init(_ rule: RateRule) { self.rule = rule }

        private var grain: Int64 { Swift.max(1, rule.window / 100) }

        mutating func forget(_ now: Int64) {
            while let first = ended.first, first.until <= now {
                inEnded -= first.count
                ended.removeFirst()
            }
        }

        /// When there is room; nil: when one of those under way has ended.
        func room(_ now: Int64) -> Int64? {
            if pausedUntil > now { return pausedUntil }
            guard underWay + inEnded >= rule.max else { return now }
            return ended.first?.until
        }

        mutating func end(_ now: Int64) {
            underWay -= 1
            recall(now, 1)
        }

        mutating func recall(_ time: Int64, _ count: Int) {
            // Clocks of a turn are a little behind.
            var until = ((time + RateBudget.slack) / grain + 1) * grain + rule.window
            inEnded += count
            // Whoever comes late with an older one lets it count for longer.
            if let last = ended.last { until = Swift.max(until, last.until) }
            if let last = ended.last, last.until == until {
                ended[ended.count - 1].count += count
            } else {
                ended.append((until, count))
            }
        }

        mutating func reserve(_ time: Int64, _ concurrency: Int) {
            forget(time)
            if rule.window <= 1_000 { return recall(time, Swift.max(0, rule.max - inEnded)) }
            // Twice what could be under way: as many again may have ended without having been noted down.
            recall(time, Swift.min(2 * concurrency, rule.max))
        }
    }

    /// Exchanges that an earlier run of the gateway has made, oldest first.
    ///
    /// - Parameter ended: may lie before the beginning of the clock.
    package mutating func recall(_ kind: Operation.Kind, ended: Int64, count: Int) {
        for place in windows.indices where windows[place].rule.counts(kind) {
            windows[place].recall(ended, count)
        }
    }

    /// Exchanges of an earlier run that nobody has noted down: those that were under way when it was killed, and the last
    /// that had ended. A window of a second is taken as used up.
    ///
    /// - Parameter time: when they had ended at the latest.
    package mutating func reserve(until time: Int64) {
        for place in windows.indices { windows[place].reserve(time, concurrency) }
    }

    private static let slack: Int64 = 20

    private var windows: [Window]
    private let concurrency: Int
    private var underWay = 0

    package init(_ rules: [RateRule], concurrency: Int) {
        windows = rules.map(Window.init)
        self.concurrency = concurrency
    }

    package enum Room: Equatable, Sendable {
        case now
        case at(Int64)
        /// When an exchange under way has ended.
        case later
    }

    package mutating func room(for kind: Operation.Kind, at now: Int64) -> Room {
        var latest = now
        for place in windows.indices where windows[place].rule.counts(kind) {
            windows[place].forget(now)
            guard let time = windows[place].room(now) else { return .later }
            latest = max(latest, time)
        }
        if underWay >= concurrency { return .later }
        return latest > now ? .at(latest) : .now
    }

    package mutating func begin(_ kind: Operation.Kind) {
        underWay += 1
        for place in windows.indices where windows[place].rule.counts(kind) { windows[place].underWay += 1 }
    }

    package mutating func end(_ kind: Operation.Kind, at now: Int64) {
        underWay -= 1
        for place in windows.indices where windows[place].rule.counts(kind) { windows[place].end(now) }
    }

    /// The provider said that it is too much, although there was room: somebody else uses the account as well. What the
    /// shortest window counts waits.
    package mutating func pause(_ kind: Operation.Kind, until time: Int64) {
        let shortest = windows.indices.filter { windows[$0].rule.counts(kind) }.min {
            windows[$0].rule.window < windows[$1].rule.window
        }
        guard let shortest else { return }
        windows[shortest].pausedUntil = max(windows[shortest].pausedUntil, time)
    }
}
