import JSON

/// A decimal number of at most 18 significant digits, held in two words: whole-number arithmetic decides comparisons and
/// multiples exactly and without allocation. Longer numbers take the way through `JSONDecimal`.
struct ExactNumber: Equatable, Sendable {
    /// Most digits that `mantissa` may hold: ten times such a number still fits into 64 bits.
    static let digits = 18
    /// Not divisible by ten, except for zero; so equal values are equal words.
    let mantissa: Int64
    /// Power of ten; 0 for zero.
    let exponent: Int

    /// - Parameter text: a number as the scanner accepts it. Nil if it has more digits or an absurd exponent.
    init?(_ text: UnsafeRawBufferPointer) {
        var at = 0
        let negative = text[0] == UInt8(ascii: "-")
        if negative { at = 1 }
        var mantissa: Int64 = 0
        var used = 0
        var exponent = 0
        var afterPoint = false
        while at < text.count {
            let byte = text[at]
            at += 1
            if byte == UInt8(ascii: ".") {
                afterPoint = true
                continue
            }
            guard byte &- 0x30 < 10 else { break }
            if used < Self.digits {
                mantissa = mantissa &* 10 &+ Int64(byte &- 0x30)
                if mantissa != 0 { used += 1 }
                if afterPoint { exponent -= 1 }
            } else if byte != 0x30 {
                return nil
            } else if !afterPoint {
                exponent += 1
            }
        }
        if at < text.count {
            guard let power = Self.power(UnsafeRawBufferPointer(rebasing: text[at...])) else { return nil }
            exponent += power
        }
        if mantissa == 0 {
            exponent = 0
        } else {
            while mantissa % 10 == 0 {
                mantissa /= 10
                exponent += 1
            }
        }
        guard abs(exponent) < 1 << 30 else { return nil }
        self.mantissa = negative ? -mantissa : mantissa
        self.exponent = exponent
    }

    /// The number after the `e`.
    private static func power(_ text: UnsafeRawBufferPointer) -> Int? {
        var power = 0
        for byte in text where byte &- 0x30 < 10 {
            power = power * 10 + Int(byte &- 0x30)
            if power > 1 << 31 { return nil }
        }
        return text[0] == UInt8(ascii: "-") ? -power : power
    }

    var isInteger: Bool { exponent >= 0 }

    /// Negative, zero or positive as this number is less than, equal to or greater than `other`.
    func compare(_ other: ExactNumber) -> Int {
        if exponent == other.exponent || mantissa.signum() != other.mantissa.signum() {
            return mantissa < other.mantissa ? -1 : mantissa > other.mantissa ? 1 : 0
        }
        let apart = exponent - other.exponent
        // Beyond 18 places the one with the higher power is farther from zero, whatever its digits.
        if apart > Self.digits { return Int(mantissa.signum()) }
        if apart < -Self.digits { return -Int(mantissa.signum()) }
        let (a, b) =
            apart > 0
            ? (Int128(mantissa) * Self.tenToThe(apart), Int128(other.mantissa))
            : (Int128(mantissa), Int128(other.mantissa) * Self.tenToThe(-apart))
        return a < b ? -1 : a > b ? 1 : 0
    }

    private static func tenToThe(_ power: Int) -> Int128 {
        var value: Int128 = 1
        for _ in 0..<power { value *= 10 }
        return value
    }
}

/// A number of a schema that values are measured against. A class, so that handing it on costs one count.
final class NumberBound: Sendable {
    let exact: ExactNumber?
    let decimal: JSONDecimal
    let text: String

    init(_ text: String) {
        var spelling = text
        self.text = text
        exact = spelling.withUTF8 { ExactNumber(UnsafeRawBufferPointer($0)) }
        decimal = JSONDecimal(text)
    }

    /// Negative, zero or positive as the number spelled in `text` is less than, equal to or greater than the bound.
    func compare(_ text: UnsafeRawBufferPointer) -> Int {
        if let exact, let number = ExactNumber(text) { return number.compare(exact) }
        let number = JSONDecimal(String(decoding: text, as: UTF8.self))
        return number < decimal ? -1 : number == decimal ? 0 : 1
    }

    /// True when the number spelled in `text` is a whole multiple of this one, which is positive and exact.
    ///
    /// Both numbers are whole numbers times powers of ten, neither divisible by ten. If the divisor's power is the
    /// higher one it asks for a factor of ten that is not there. Otherwise the zeros between the powers are appended one
    /// by one to the remainder; after 60 of them nothing can change, because a divisor below 2^60 has no more factors
    /// of two or five than that.
    func divides(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let exact else { return false }
        let divisor = exact.mantissa.magnitude
        var remainder: UInt64
        let zeros: Int
        if let number = ExactNumber(text) {
            if number.mantissa == 0 { return true }
            zeros = number.exponent - exact.exponent
            remainder = number.mantissa.magnitude % divisor
        } else {
            let number = JSONDecimal(String(decoding: text, as: UTF8.self))
            zeros = number.exponent - number.digits.count - exact.exponent
            remainder = number.digits.reduce(0) { ($0 * 10 + UInt64($1)) % divisor }
        }
        guard zeros >= 0 else { return false }
        for _ in 0..<min(zeros, 60) where remainder != 0 { remainder = remainder * 10 % divisor }
        return remainder == 0
    }
}

extension ExactNumber {
    /// True for a number without a fraction, however it is spelled: `1`, `1.0` and `10e-1` are whole.
    static func isWhole(_ text: UnsafeRawBufferPointer) -> Bool {
        if text.allSatisfy({ $0 &- 0x30 < 10 || $0 == UInt8(ascii: "-") }) { return true }
        if let number = ExactNumber(text) { return number.isInteger }
        return JSONDecimal(String(decoding: text, as: UTF8.self)).isInteger
    }
}
