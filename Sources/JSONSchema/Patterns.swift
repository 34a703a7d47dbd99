/// Compiles the patterns of schemas. The room is pure and has no matcher of its own: it is handed one that keeps limits,
/// because a caller's pattern meets a caller's text (K10).
package protocol PatternCompiler: Sendable {
    /// - Throws: `PatternRefused` when the pattern is malformed, too long or too large.
    func compile(_ pattern: String) throws(PatternRefused) -> any PatternMatching
}

/// A pattern that is ready to be matched.
package protocol PatternMatching: Sendable {
    /// True when the pattern is found anywhere in `text`, which is valid UTF-8. Nil when the limits were exceeded; the
    /// value is then refused.
    func matches(_ text: UnsafeRawBufferPointer) -> Bool?
}

/// Why a pattern cannot be used.
package struct PatternRefused: Error, Equatable, Sendable {
    /// A clause that can follow "the pattern is refused: ".
    package let reason: String
    /// Offset in bytes into the pattern, where one is known.
    package let offset: Int?

    package init(reason: String, offset: Int? = nil) {
        self.reason = reason
        self.offset = offset
    }
}
