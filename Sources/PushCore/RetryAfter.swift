/// What an answer asks a client to wait (RFC 9110 section 10.2.3).
package enum RetryAfter {
    /// Milliseconds from `now`, never negative; nil when `text` is neither a number of seconds nor a date.
    ///
    /// - Parameter now: milliseconds of the wall clock since 1970.
    package static func milliseconds(_ text: String, now: Int64) -> Int64? {
        let digits = text.utf8
        if !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) {
            return digits.count > 9 ? .max : Int64(text).map { $0 * 1_000 }
        }
        return date(text).map { max(0, $0 - now) }
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may be sent; milliseconds since 1970.
    private static func date(_ text: String) -> Int64? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[0].hasSuffix(","), words[5] == "GMT", let day = Int64(words[1]),
            let month = months.firstIndex(of: String(words[2])), let year = Int64(words[3]),
            (1...31).contains(day), (1970...9999).contains(year)
        else { return nil }
        let clock = words[4].split(separator: ":").compactMap { Int64($0) }
        guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        // Days of the proleptic Gregorian calendar, with years that begin in March.
        let shifted = Int64(month < 2 ? month + 10 : month - 2)
        let from = month < 2 ? year - 1 : year
        let days = 365 * from + from / 4 - from / 100 + from / 400 + (153 * shifted + 2) / 5 + day - 1 - 719_468
        return (days * 86_400 + clock[0] * 3_600 + clock[1] * 60 + clock[2]) * 1_000
    }
}
