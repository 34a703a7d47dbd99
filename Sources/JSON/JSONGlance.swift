/// A complete scan looked at in place, before its text and its tape are copied into a `JSONDocument`: of a short text
/// the copies cost more than the reading. Valid inside of `JSONScanner.glance` only; it counts no references.
package struct JSONGlance {
    /// A member of the object at the root.
    package struct Member {
        /// Decoded if `keyHasEscape` is false, else as it was written.
        package let key: UnsafeRawBufferPointer
        package let keyHasEscape: Bool
        package let kind: JSONKind
        /// Of a string: it is not decoded in `contents`.
        package let hasEscape: Bool
        /// The text of the value; of a string: between its quotes.
        package let contents: UnsafeRawBufferPointer
        /// Finds the value again in the document: `JSONDocument.value(at:)`.
        package let place: Int
    }

    private let base: UnsafeRawPointer
    private let nodes: UnsafePointer<JSONNode>
    private var at = 1
    private var left: Int

    /// Nil when the root is no object.
    fileprivate init?(_ base: UnsafeRawPointer, _ nodes: UnsafePointer<JSONNode>) {
        guard nodes[0].kind == .object else { return nil }
        self.base = base
        self.nodes = nodes
        left = nodes[0].count
    }

    /// The next member, in the order in which they were written.
    package mutating func next() -> Member? {
        guard left > 0 else { return nil }
        left &-= 1
        let key = nodes[at]
        let value = nodes[at &+ 1]
        let member = Member(
            key: contents(key), keyHasEscape: key.flag, kind: value.kind,
            hasEscape: value.kind == .string && value.flag,
            contents: contents(value), place: at &+ 1)
        at = value.kind == .array || value.kind == .object ? Int(value.link) : at &+ 2
        return member
    }

    @inline(__always)
    private func contents(_ node: JSONNode) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(node.start), count: Int(node.end &- node.start))
    }
}

extension JSONScanner {
    /// Looks at a text whose scan has come to its end; of any other value than an object there is nothing to see, and
    /// `body` is not called. Neither generic nor reading a copy: this happens once a line.
    ///
    /// - Parameter text: the text that was scanned, from its first byte on.
    package mutating func glance(_ text: UnsafeRawBufferPointer, _ body: (inout JSONGlance) -> Void) {
        precondition(isComplete && offset <= text.count, "Only a text that was scanned to its end can be looked at.")
        guard let base = text.baseAddress else { return }
        withNodes { nodes in
            guard var glance = JSONGlance(base, nodes) else { return }
            body(&glance)
        }
    }
}

extension JSONDocument {
    /// The value that a glance at the same text has found.
    package func value(at place: Int) -> JSONView {
        precondition(place < tape.count, "A place belongs to the text that it was found in.")
        return JSONView(document: self, index: place)
    }
}
