/// Letters that take two bytes in UTF-8 and whose lower case does too: Latin-1 (U+0080 to U+00FF) and the Cyrillic of
/// today (U+0400 to U+045F). Names are mostly of these, and `lowercased()` makes a text of each scalar.
enum TwoByteLetter {
    /// True when the text is made of these letters and ASCII, and has no white space but that of ASCII.
    static func suffices(for bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte < 0x80 { continue }
            guard at < bytes.count else { return false }
            let trail = bytes[at]
            at += 1
            switch byte {
            case 0xC2 where trail != 0x85 && trail != 0xA0: continue
            case 0xC3, 0xD0: continue
            case 0xD1 where trail < 0xA0: continue
            default: return false
            }
        }
        return true
    }

    /// Lowers the letter whose second byte was written last, where it stands.
    static func fold(_ text: UnsafeMutableBufferPointer<UInt8>, endingAt end: Int) {
        let trail = text[end - 1]
        switch text[end - 2] {
        // U+00C0 to U+00DE, but for the sign of multiplication.
        case 0xC3 where trail <= 0x9E && trail != 0x97: text[end - 1] = trail + 0x20
        // U+0400 to U+040F become U+0450 to U+045F, U+0410 to U+042F become U+0430 to U+044F.
        case 0xD0 where trail <= 0x8F: (text[end - 2], text[end - 1]) = (0xD1, trail + 0x10)
        case 0xD0 where trail <= 0x9F: text[end - 1] = trail + 0x20
        case 0xD0 where trail <= 0xAF: (text[end - 2], text[end - 1]) = (0xD1, trail - 0x20)
        default: break
        }
    }
}
