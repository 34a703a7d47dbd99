/// Times as the provider shows them.
enum LocalTime {
    /// RFC 3339 in UTC with milliseconds: `2026-03-01T12:00:00.000Z`. For years 0 to 9999; days by the proleptic
    /// Gregorian calendar, counted from 0000-03-01 so that the leap day is the last of its year.
    static func text(milliseconds: Int64) -> String {
        let dayLength: Int64 = 86_400_000
        let days = (milliseconds >= 0 ? milliseconds : milliseconds - dayLength + 1) / dayLength
        let rest = milliseconds - days * dayLength
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return String(unsafeUninitializedCapacity: 24) { buffer in
            var at = 0
            func put(_ value: Int64, _ width: Int, _ then: Character) {
                var value = value
                for place in stride(from: at + width - 1, through: at, by: -1) {
                    buffer[place] = UInt8(truncatingIfNeeded: 0x30 + value % 10)
                    value /= 10
                }
                buffer[at + width] = then.asciiValue ?? 0x20
                at += width + 1
            }
            put(year, 4, "-")
            put(month, 2, "-")
            put(day, 2, "T")
            put(rest / 3_600_000, 2, ":")
            put(rest / 60_000 % 60, 2, ":")
            put(rest / 1000 % 60, 2, ".")
            put(rest % 1000, 3, "Z")
            return at
        }
    }
}
