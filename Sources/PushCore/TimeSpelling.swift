import JSONSchema

// Times as callers and providers spell them. Whole numbers only: no time ever becomes a floating-point number.

/// A date, or a date and a time, taken apart.
struct TimeSpelling {
    /// Days since 1970 of the date as it was written.
    let days: Int64
    /// Nil for a date alone.
    let clock: Clock?

    struct Clock {
        /// Since midnight, as it was written; 60 for a leap second.
        let seconds: Int64
        /// Digits behind the point, without zeros at the end.
        let fraction: Substring
        /// Minutes east of UTC; nil when it was not written, which means UTC.
        let offset: Int64?
        /// A blank stood between date and time.
        let hasBlank: Bool
    }

    /// - Parameter text: `2026-01-31`, `2026-01-31 09:30:00` with or without an offset, or RFC 3339. Nil for anything else.
    init?(_ text: String) {
        var text = text
        let (isDate, isTime) = text.withUTF8 { bytes in
            let raw = UnsafeRawBufferPointer(bytes)
            return (TimeText.isDate(raw), TimeText.isDateTime(raw, isLenient: true))
        }
        guard isDate || isTime else { return nil }
        let bytes = Array(text.utf8)
        func two(_ at: Int) -> Int64 { Int64(bytes[at] &- 0x30) * 10 + Int64(bytes[at + 1] &- 0x30) }
        days = Self.days(year: two(0) * 100 + two(2), month: two(5), day: two(8))
        guard isTime else {
            clock = nil
            return
        }
        var end = 19
        var fraction: Substring = ""
        if bytes.count > 19, bytes[19] == UInt8(ascii: ".") {
            end = 20
            while end < bytes.count, bytes[end] &- 0x30 < 10 { end += 1 }
            fraction = Substring(String(decoding: bytes[20..<end], as: UTF8.self))
            while fraction.last == "0" { fraction.removeLast() }
        }
        var offset: Int64?
        if end < bytes.count {
            offset = 0
            if bytes.count - end == 6 {
                offset = (two(end + 1) * 60 + two(end + 4)) * (bytes[end] == UInt8(ascii: "-") ? -1 : 1)
            }
        }
        clock = Clock(
            seconds: two(11) * 3600 + two(14) * 60 + two(17), fraction: fraction, offset: offset,
            hasBlank: bytes[10] == UInt8(ascii: " "))
    }

    /// Days since 1970 of a date of the proleptic Gregorian calendar, with years that begin in March.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Seconds since 1970, in UTC; of a date those of its midnight.
    var seconds: Int64 {
        guard let clock else { return days * 86_400 }
        return days * 86_400 + clock.seconds - (clock.offset ?? 0) * 60
    }

    /// Milliseconds since 1970, in UTC; what is finer is cut off.
    var milliseconds: Int64 {
        let digits = Array((clock?.fraction.prefix(3) ?? "").utf8) + [0x30, 0x30, 0x30]
        let thousandths = digits.prefix(3).reduce(into: Int64(0)) { $0 = $0 * 10 + Int64($1 &- 0x30) }
        return seconds * 1_000 + thousandths
    }

    /// In UTC, with `T` and `Z` or with a blank.
    func text(blank: Bool) -> String {
        let whole = WireTime.text(seconds * 1_000)
        let fraction = clock.map { $0.fraction.isEmpty ? "" : "." + $0.fraction } ?? ""
        return whole.prefix(10) + (blank ? " " : "T") + whole.dropFirst(11).prefix(8) + fraction + (blank ? "" : "Z")
    }

    /// The date as it was written: whoever closes a deal at 23:00 in New York closes it on that day.
    var date: String { String(WireTime.text(days * 86_400_000).prefix(10)) }
}
