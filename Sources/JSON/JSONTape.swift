/// The kinds of RFC 8259 section 3.
package enum JSONKind: UInt8, Sendable, CaseIterable {
    case null, bool, number, string, array, object
}

/// One value of a text, as the scanner leaves it on the tape: where it stands and what it is, never a copy of it.
///
/// The tape is in document order; a container is followed by its contents (an object by key, value, key, value …).
struct JSONNode: Sendable {
    /// First byte; of a string: the byte after the opening quote.
    var start: UInt32
    /// One past the last byte; of a string: the closing quote.
    var end: UInt32
    /// Of a container: the tape index after its contents. Of a string: a hash of its decoded bytes.
    var link: UInt32
    /// Bits 0–2 kind, bit 3 "has an escape" or, of a bool, "is true", bits 4… the number of elements or members.
    var info: UInt32

    @inline(__always) var kind: JSONKind { JSONKind(rawValue: UInt8(truncatingIfNeeded: info & 7)).unsafelyUnwrapped }
    @inline(__always) var flag: Bool { info & 8 != 0 }
    @inline(__always) var count: Int { Int(info >> 4) }

    @inline(__always)
    init(_ kind: JSONKind, start: Int, end: Int, link: UInt32 = 0, flag: Bool = false) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.end = UInt32(truncatingIfNeeded: end)
        self.link = link
        self.info = UInt32(kind.rawValue) | (flag ? 8 : 0)
    }
}
