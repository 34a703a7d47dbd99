import EventLoop

/// How long the loop was away from its callers at most, during the last minute: K4 promises them that it is never long.
final class LongestTurns {
    /// One entry a second, in microseconds, newest last.
    private var seconds: [Int] = []

    /// To be called each second.
    func tick(_ loop: Loop) {
        seconds.append(Int(loop.longestTurn / 1_000))
        loop.longestTurn = 0
        if seconds.count > 60 { seconds.removeFirst() }
    }

    func microseconds(_ loop: Loop) -> Int { max(seconds.max() ?? 0, Int(loop.longestTurn / 1_000)) }
}
