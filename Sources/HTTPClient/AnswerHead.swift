import PushCore

/// Gathers the head of an answer line by line, within its ceilings.
struct AnswerHead {
    /// 0 until a status line came.
    private(set) var status = 0
    private(set) var headers: [Exchange.Header] = []
    /// True from the empty line after the head of a final answer on.
    private(set) var isComplete = false
    private var bytes = 0
    private var lines = 0

    /// Takes a line as libcurl gives it, with its end. Returns what is wrong, or nil.
    mutating func take(_ line: UnsafeRawBufferPointer, _ policy: PoolPolicy) -> HTTPFailure.Kind? {
        bytes += line.count
        lines += 1
        guard bytes <= policy.headBytes, lines <= policy.headLines else { return .headTooLarge }
        // What follows the body are trailers. Nobody asked for them.
        guard !isComplete else { return nil }
        var text = line
        while let last = text.last, last == 0x0D || last == 0x0A || last == 0x20 || last == 0x09 {
            text = UnsafeRawBufferPointer(rebasing: text.dropLast())
        }
        // Some servers understand a NUL as the end, others do not: no two readers would agree on this answer.
        guard !text.contains(0) else { return .malformed }
        if text.isEmpty { return finish() }
        if status == 0 || text.starts(with: "HTTP/".utf8) { return begin(text) }
        return append(text)
    }

    /// The values under a name, as one list.
    func values(_ name: String) -> [Substring] {
        headers.filter { $0.name == name }.flatMap {
            $0.value.lowercased().split { $0 == "," || $0 == " " || $0 == "\t" }
        }
    }

    private mutating func begin(_ text: UnsafeRawBufferPointer) -> HTTPFailure.Kind? {
        let parts = text.split(separator: 0x20, maxSplits: 2)
        guard parts.count >= 2, parts[0].starts(with: "HTTP/".utf8), parts[1].count == 3,
            let status = Int(String(decoding: parts[1], as: UTF8.self)), status >= 100
        else { return .malformed }
        self.status = status
        headers = []
        return nil
    }

    private mutating func append(_ text: UnsafeRawBufferPointer) -> HTTPFailure.Kind? {
        if text[0] == 0x20 || text[0] == 0x09 {
            // A folded line (RFC 9112 section 5.2): a space stands for the break.
            guard let last = headers.indices.last else { return .malformed }
            headers[last].value += " " + String(decoding: text.drop { $0 == 0x20 || $0 == 0x09 }, as: UTF8.self)
            return nil
        }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            text[..<colon].allSatisfy(RequestHeaders.isToken)
        else { return .malformed }
        let value = text[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
        headers.append(
            Exchange.Header(
                String(decoding: text[..<colon], as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self)))
        return nil
    }

    private mutating func finish() -> HTTPFailure.Kind? {
        guard status >= 200 else {
            // 101 would hand the connection to another protocol.
            return status == 101 || status == 0 ? .malformed : nil
        }
        isComplete = true
        // Two lengths, or a length beside chunks: readers disagree where such an answer ends (RFC 9112 section 6.3).
        let lengths = values("content-length")
        let encodings = values("transfer-encoding")
        guard lengths.allSatisfy({ $0 == lengths[0] }), lengths.isEmpty || encodings.isEmpty else { return .malformed }
        // libcurl would undo gzip here too, and nobody would have counted what comes out of it.
        return encodings.allSatisfy { $0 == "chunked" } ? nil : .malformed
    }
}
