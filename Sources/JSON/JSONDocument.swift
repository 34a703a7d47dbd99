/// A scanned text: its bytes and the tape over them. Never changed, so that any number of views may share it.
///
/// A class and not a struct, because a view is made for every value that is looked at: one reference to count, not two.
package final class JSONDocument: Sendable {
    package let bytes: [UInt8]
    let tape: ContiguousArray<JSONNode>

    init(bytes: [UInt8], tape: ContiguousArray<JSONNode>) {
        self.bytes = bytes
        self.tape = tape
    }

    /// Scans `bytes` as one whole text.
    ///
    /// - Throws: `JSONSyntaxError`, `.trailingText` when something but white space follows the value.
    package convenience init(
        parsing bytes: [UInt8], ceilings: JSONCeilings = JSONCeilings()
    ) throws(JSONSyntaxError) {
        var scanner = JSONScanner(ceilings: ceilings)
        try self.init(finishing: &scanner, bytes: bytes)
    }

    /// Ends a scan that may have begun on a prefix of `bytes`, and leaves the scanner ready for the next text.
    ///
    /// - Throws: `JSONSyntaxError`, `.trailingText` when something but white space follows the value.
    package convenience init(
        finishing scanner: inout JSONScanner, bytes: [UInt8]
    ) throws(JSONSyntaxError) {
        let failure: JSONSyntaxError? = bytes.withUnsafeBytes { buffer in
            do throws(JSONSyntaxError) {
                _ = try scanner.scan(buffer, isFinal: true)
                for offset in scanner.offset..<max(buffer.count, scanner.offset)
                where buffer[offset] != 0x20 && buffer[offset] != 0x09 && buffer[offset] != 0x0A
                    && buffer[offset] != 0x0D
                {
                    return JSONSyntaxError(.trailingText, at: offset)
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        self.init(bytes: bytes, tape: scanner.takeTape())
    }

    /// Takes what a scan found that has come to its end, and leaves the scanner ready for the next text.
    ///
    /// - Parameter bytes: the text that was scanned; what follows the value in it must be white space.
    package convenience init(taking scanner: inout JSONScanner, bytes: [UInt8]) {
        precondition(scanner.isComplete, "A document is made of a scan that has come to its end.")
        self.init(bytes: bytes, tape: scanner.takeTape())
    }

    package var root: JSONView { JSONView(document: self, index: 0) }
}

/// One value of a document. Two words; looking at it copies nothing.
package struct JSONView: Sendable {
    package let document: JSONDocument
    let index: Int

    private var node: JSONNode {
        @inline(__always) get { document.tape[index] }
    }

    package var kind: JSONKind {
        @inline(__always) get { node.kind }
    }

    package var isNull: Bool { node.kind == .null }
    package var bool: Bool? { node.kind == .bool ? node.flag : nil }

    /// The number as it was spelled.
    package var numberText: String? {
        guard node.kind == .number else { return nil }
        return withSource { String(decoding: $0, as: UTF8.self) }
    }

    /// The number if it is spelled as an integer (no fraction, no exponent) within 64 bits.
    package var integer: Int64? {
        guard node.kind == .number else { return nil }
        return withSource { text in
            var at = 0
            let negative = text[0] == UInt8(ascii: "-")
            if negative { at = 1 }
            var value: Int64 = 0
            while at < text.count {
                let digit = text[at] &- 0x30
                guard digit < 10 else { return nil }
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, over) =
                    negative
                    ? product.subtractingReportingOverflow(Int64(digit)) : product.addingReportingOverflow(Int64(digit))
                if overflow || over { return nil }
                value = sum
                at += 1
            }
            return value
        }
    }

    /// The decoded string.
    package var string: String? {
        guard node.kind == .string else { return nil }
        return withContents { String(decoding: $0, as: UTF8.self) }
    }

    /// The decoded bytes of a string, without a copy when it holds no escape; of other kinds: the source text.
    package func withContents<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let node = node
        if node.kind == .string && node.flag {
            var decoded: [UInt8] = []
            document.bytes.withUnsafeBytes {
                JSONEscape.decode(UnsafeRawBufferPointer(rebasing: $0[Int(node.start)..<Int(node.end)]), into: &decoded)
            }
            return decoded.withUnsafeBytes(body)
        }
        return document.bytes.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[Int(node.start)..<Int(node.end)]))
        }
    }

    /// The text of the value as it was written, quotes included.
    package func withSource<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        document.bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[sourceRange])) }
    }

    /// Where the value stands in `document.bytes`, quotes included.
    package var sourceRange: Range<Int> {
        let node = node
        let quote = node.kind == .string ? 1 : 0
        return Int(node.start) - quote..<Int(node.end) + quote
    }

    /// True when the value is a string with exactly these bytes.
    package func isString(_ text: StaticString) -> Bool {
        guard node.kind == .string else { return false }
        return hasContents(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Elements of an array or members of an object; 0 for other kinds.
    package var count: Int { node.kind == .array || node.kind == .object ? node.count : 0 }

    fileprivate var nextIndex: Int {
        @inline(__always) get {
            let node = node
            return node.kind == .array || node.kind == .object ? Int(node.link) : index + 1
        }
    }

    package var elements: Elements {
        Elements(next: index + 1, left: kind == .array ? node.count : 0, document: document)
    }
    package var members: Members {
        Members(next: index + 1, left: kind == .object ? node.count : 0, document: document)
    }

    /// The member with this key, compared by decoded bytes; nil if there is none or this is no object.
    package subscript(key: StaticString) -> JSONView? {
        let wanted = UnsafeRawBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)
        return member(wanted)
    }

    /// The member with this key, compared by decoded bytes; nil if there is none or this is no object.
    package subscript(name key: String) -> JSONView? {
        var key = key
        return key.withUTF8 { member(UnsafeRawBufferPointer($0)) }
    }

    /// Walks the keys by their index: a view of each would be a reference counted up and down for nothing.
    private func member(_ wanted: UnsafeRawBufferPointer) -> JSONView? {
        let node = node
        guard node.kind == .object, node.count > 0 else { return nil }
        let hash = JSONKeys.hash(wanted)
        var key = index + 1
        for _ in 0..<node.count {
            if document.tape[key].link == hash, JSONView(document: document, index: key).hasContents(wanted) {
                return JSONView(document: document, index: key + 1)
            }
            let value = document.tape[key + 1]
            key = value.kind == .array || value.kind == .object ? Int(value.link) : key + 2
        }
        return nil
    }

    /// True when the decoded bytes of this string are these.
    private func hasContents(_ wanted: UnsafeRawBufferPointer) -> Bool {
        withContents { found in
            guard found.count == wanted.count else { return false }
            for at in 0..<found.count where found[at] != wanted[at] { return false }
            return true
        }
    }

    /// The element at this place; nil outside of the array.
    package subscript(place: Int) -> JSONView? {
        guard node.kind == .array, place >= 0, place < node.count else { return nil }
        var view = JSONView(document: document, index: index + 1)
        for _ in 0..<place { view = JSONView(document: document, index: view.nextIndex) }
        return view
    }

    package struct Elements: Sequence, IteratorProtocol, Sendable {
        private var at: Int
        private var left: Int
        private let document: JSONDocument

        init(next: Int, left: Int, document: JSONDocument) {
            (self.at, self.left, self.document) = (next, left, document)
        }

        package mutating func next() -> JSONView? {
            guard left > 0 else { return nil }
            left -= 1
            let view = JSONView(document: document, index: at)
            at = view.nextIndex
            return view
        }
    }

    package struct Members: Sequence, IteratorProtocol, Sendable {
        private var at: Int
        private var left: Int
        private let document: JSONDocument

        init(next: Int, left: Int, document: JSONDocument) {
            (self.at, self.left, self.document) = (next, left, document)
        }

        package mutating func next() -> (key: JSONView, value: JSONView)? {
            guard left > 0 else { return nil }
            left -= 1
            let key = JSONView(document: document, index: at)
            let value = JSONView(document: document, index: at + 1)
            at = value.nextIndex
            return (key, value)
        }
    }
}

extension JSONView {
    /// Equality of values: members in any order, numbers by value (`1`, `1.0` and `10e-1` are equal), strings decoded.
    package func isEqual(to other: JSONView) -> Bool {
        JSONValue(self).isEqual(to: JSONValue(other))
    }
}
