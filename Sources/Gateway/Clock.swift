import Glibc

/// The clocks of the process. `Loop.now` stands still during a turn; slices need one that runs.
enum Clock {
    /// Nanoseconds of CLOCK_MONOTONIC.
    static func monotonic() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
