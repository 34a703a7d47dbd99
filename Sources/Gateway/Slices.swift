import EventLoop

/// Long work in short pieces, so that the loop never works long (K4): at most half a millisecond a job and about one a
/// turn, round robin.
final class Slices {
    /// Nanoseconds of one job in one turn.
    static let slice: UInt64 = 500_000
    /// Nanoseconds of all jobs in one turn.
    private static let turn: UInt64 = 1_000_000

    private let loop: Loop
    private var jobs: [(UInt64) -> Bool] = []
    private var isScheduled = false
    private let clock: () -> UInt64

    init(loop: Loop) {
        self.loop = loop
        clock = { Clock.monotonic() }
    }

    /// - Parameter job: works until about the deadline (monotonic nanoseconds) and says whether it is finished.
    func add(_ job: @escaping (UInt64) -> Bool) {
        jobs.append(job)
        schedule()
    }

    private func schedule() {
        guard !isScheduled, !jobs.isEmpty else { return }
        isScheduled = true
        loop.soon { [self] in
            isScheduled = false
            run()
            schedule()
        }
    }

    private func run() {
        let end = clock() + Self.turn
        var left = jobs.count
        while left > 0, !jobs.isEmpty {
            left -= 1
            let now = clock()
            guard now < end else { return }
            let job = jobs.removeFirst()
            if !job(min(now + Self.slice, end)) { jobs.append(job) }
        }
    }
}
