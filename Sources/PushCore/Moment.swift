/// Time and chance, handed to the pure rooms with each fact.
package struct Moment: Equatable, Sendable {
    /// Milliseconds of the wall clock since 1970.
    package var wall: Int64
    /// Nanoseconds of the monotonic clock.
    package var monotonic: UInt64
    /// 64 random bits, fresh with each fact.
    package var chance: UInt64

    package init(wall: Int64, monotonic: UInt64, chance: UInt64) {
        self.wall = wall
        self.monotonic = monotonic
        self.chance = chance
    }
}

/// How long to wait before a request is repeated: doubling from 0.5 s to 60 s, of which a random half is taken off.
///
/// attempt 1: 0.25–0.5 s, 2: 0.5–1 s, 3: 1–2 s … from 8 on: 30–60 s.
package enum Backoff {
    package static func nanoseconds(attempt: Int32, chance: UInt64) -> UInt64 {
        let step = UInt64(min(max(attempt, 1), 8) - 1)
        let whole = min(UInt64(500_000_000) << step, 60_000_000_000)
        return whole / 2 + chance % (whole / 2)
    }
}
