import Glibc

/// Seeds of a simulation.
enum Seeds {
    /// How many times as many as the gate has time for: `$PUSHGATE_SEEDS`, for campaigns.
    private static let times = getenv("PUSHGATE_SEEDS").flatMap { Int(String(cString: $0)) } ?? 1

    static func some(_ count: Int) -> Range<Int> { 0..<(count * times) }
}
