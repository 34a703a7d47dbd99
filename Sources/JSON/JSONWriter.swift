/// Writes compact JSON into a growing buffer.
///
/// Commas need no bookkeeping: one is due exactly when the last byte ends a value, and that can be seen. The output
/// never holds a raw line break, and U+2028, U+2029 and U+0085 are escaped, because readers that split text into lines
/// at any of these exist (Python's `str.splitlines`, several Node readers).
package struct JSONWriter: Sendable {
    package var bytes: [UInt8]

    package init(reserving capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Goes on at the end of a buffer whose last byte ends a line, or that is empty.
    package init(continuing bytes: consuming [UInt8]) {
        self.bytes = bytes
    }

    @inline(__always)
    private mutating func comma() {
        switch bytes.last {
        case nil, UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ":"), UInt8(ascii: "\n"), UInt8(ascii: ","): break
        default: bytes.append(UInt8(ascii: ","))
        }
    }

    @inline(__always)
    private mutating func ascii(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func beginObject() {
        comma()
        bytes.append(UInt8(ascii: "{"))
    }

    package mutating func endObject() { bytes.append(UInt8(ascii: "}")) }

    package mutating func beginArray() {
        comma()
        bytes.append(UInt8(ascii: "["))
    }

    package mutating func endArray() { bytes.append(UInt8(ascii: "]")) }

    /// A key that needs no escape; the value must follow.
    @inline(__always)
    package mutating func key(_ key: StaticString) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        ascii(key)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    /// Any key; the value must follow.
    package mutating func key(text: String) {
        string(text)
        bytes.append(UInt8(ascii: ":"))
    }

    package mutating func null() {
        comma()
        ascii("null")
    }

    package mutating func bool(_ value: Bool) {
        comma()
        ascii(value ? "true" : "false")
    }

    package mutating func integer(_ value: some BinaryInteger) {
        raw(String(value).utf8)
    }

    package mutating func string(_ value: String) {
        comma()
        var value = value
        value.withUTF8 { quoted(UnsafeRawBufferPointer($0)) }
    }

    /// A string that is ASCII without quote, backslash or control, such as an identifier of ours.
    package mutating func plain(_ value: StaticString) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        ascii(value)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Text that is compact JSON already: something that `compact` or another writer made.
    package mutating func raw(_ text: some Sequence<UInt8>) {
        comma()
        bytes.append(contentsOf: text)
    }

    // The same for what it mostly is: a generic append across targets costs more than all else in a short answer.

    package mutating func raw(_ text: [UInt8]) {
        comma()
        bytes.append(contentsOf: text)
    }

    package mutating func raw(_ text: String.UTF8View) {
        comma()
        // A view that is not contiguous is one of a foreign string, and there are none here.
        if text.withContiguousStorageIfAvailable({ bytes.append(contentsOf: $0) }) == nil {
            bytes.append(contentsOf: text)
        }
    }

    /// The same behind a key that was written as `raw`: no comma can be due.
    package mutating func raw(joined text: [UInt8]) { bytes.append(contentsOf: text) }

    package mutating func raw(joined text: StaticString) { ascii(text) }

    package mutating func raw(_ text: StaticString) {
        comma()
        ascii(text)
    }

    /// A value of a document, without its white space.
    package mutating func value(_ view: JSONView) {
        comma()
        compact(view)
    }

    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let flag): bool(flag)
        case .number(let text): raw(text.utf8)
        case .string(let text): string(text)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members {
                key(text: member.key)
                self.value(member.value)
            }
            endObject()
        }
    }

    /// Ends a line.
    package mutating func endLine() { bytes.append(UInt8(ascii: "\n")) }

    // MARK: Strings

    private mutating func quoted(_ text: UnsafeRawBufferPointer) {
        bytes.append(UInt8(ascii: "\""))
        escape(text, isSource: false)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Copies runs of harmless bytes whole. In source text a backslash begins an escape that stays as it is.
    private mutating func escape(_ text: UnsafeRawBufferPointer, isSource: Bool) {
        var from = 0
        var at = 0
        while at < text.count {
            if at + 8 <= text.count {
                let stop = JSONWord.stops(text.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                if stop == 0 {
                    at += 8
                    continue
                }
                at += stop.trailingZeroBitCount >> 3
            }
            let byte = text[at]
            var length = 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                if isSource {
                    at += 2
                    continue
                }
                flush(text, from, at)
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                flush(text, from, at)
                control(byte)
            case 0xC2 where at + 1 < text.count && text[at + 1] == 0x85:
                flush(text, from, at)
                ascii("\\u0085")
                length = 2
            case 0xE2 where at + 2 < text.count && text[at + 1] == 0x80 && text[at + 2] & 0xFE == 0xA8:
                flush(text, from, at)
                if text[at + 2] == 0xA8 { ascii("\\u2028") } else { ascii("\\u2029") }
                length = 3
            default:
                at += 1
                continue
            }
            at += length
            from = at
        }
        flush(text, from, text.count)
    }

    @inline(__always)
    private mutating func flush(_ text: UnsafeRawBufferPointer, _ from: Int, _ to: Int) {
        if to > from { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[from..<to])) }
    }

    private mutating func control(_ byte: UInt8) {
        switch byte {
        case 0x08: ascii("\\b")
        case 0x09: ascii("\\t")
        case 0x0A: ascii("\\n")
        case 0x0C: ascii("\\f")
        case 0x0D: ascii("\\r")
        default:
            ascii("\\u00")
            for digit in [byte >> 4, byte & 15] { bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
        }
    }

    // MARK: Views

    /// Iterative, as the scanner is: the tape is walked once, and the containers under way wait on a stack.
    private mutating func compact(_ view: JSONView) {
        let document = view.document
        var open: [(end: Int, isObject: Bool, keyIsDue: Bool)] = []
        var index = view.index
        let stop = view.endIndex
        document.bytes.withUnsafeBytes { source in
            while true {
                while let top = open.last, top.end == index {
                    bytes.append(top.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"))
                    open.removeLast()
                }
                guard index < stop else { break }
                comma()
                let node = document.tape[index]
                let text = UnsafeRawBufferPointer(rebasing: source[Int(node.start)..<Int(node.end)])
                var isKey = false
                if let top = open.last, top.isObject {
                    isKey = top.keyIsDue
                    open[open.count - 1].keyIsDue = !isKey
                }
                switch node.kind {
                case .string:
                    bytes.append(UInt8(ascii: "\""))
                    escape(text, isSource: true)
                    bytes.append(UInt8(ascii: "\""))
                    if isKey { bytes.append(UInt8(ascii: ":")) }
                case .array, .object:
                    let isObject = node.kind == .object
                    bytes.append(isObject ? UInt8(ascii: "{") : UInt8(ascii: "["))
                    open.append((Int(node.link), isObject, isObject))
                default:
                    bytes.append(contentsOf: text)
                }
                index += 1
            }
        }
    }
}

extension JSONView {
    /// The tape index after this value.
    var endIndex: Int {
        let node = document.tape[index]
        return node.kind == .array || node.kind == .object ? Int(node.link) : index + 1
    }

    /// The value as compact text, safe to be put into a line.
    package var compactText: [UInt8] {
        var writer = JSONWriter(reserving: sourceRange.count)
        writer.value(self)
        return writer.bytes
    }
}
