import JSON
import JSONRPC
import Testing

/// Each input line with everything that has to be answered to it.
struct Vector: Sendable, CustomTestStringConvertible {
    let line: String
    let answers: [String]

    init(_ line: String, _ answers: String...) { (self.line, self.answers) = (line, answers) }

    var testDescription: String { line }

    static let parseError = "error null -32700 parse_error"
    static let badRequest = "error null -32600 invalid_request"

    static let all: [Vector] = [
        // Ids
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":1}"#, "result 1 1"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":"x"}"#, #"result "x" 1"#),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":""}"#, #"result "" 1"#),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":0}"#, "result 0 1"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":-5}"#, "result -5 1"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":null}"#, "result null 1"),
        Vector(
            #"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":9007199254740993}"#, "result 9007199254740993 1"),
        Vector(
            #"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":123456789012345678901234567890}"#,
            "result 123456789012345678901234567890 1"),
        Vector(
            #"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":"\u00e9\ud83d\ude00\n\""}"#,
            #"result "é😀\n\"" 1"#),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":1.5}"#, badRequest),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":1e2}"#, badRequest),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":true}"#, badRequest),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":[]}"#, badRequest),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":{}}"#, badRequest),
        // Notifications are never answered.
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1}}"#),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":[1]}"#),
        Vector(#"{"jsonrpc":"2.0","method":"nope"}"#),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"zzz":1}}"#),
        Vector(#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}"#),
        Vector(#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":[]}}"#),
        // Broken JSON
        Vector(#"{"jsonrpc":"2.0","method":"foobar,"params":"bar","baz]"#, parseError),
        Vector(#"{"jsonrpc":"2.0""#, parseError),
        Vector(#"[{"jsonrpc":"2.0","method":"ping","id":"1"},{"jsonrpc":"2.0","method"]"#, parseError),
        Vector("{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":\"\u{0}\"}", parseError),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":"\ud800"}"#, parseError),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":1,"id":2}"#, parseError),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":1,"\u0069d":2}"#, parseError),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":1,}"#, parseError),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":01}"#, parseError),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":1} {"jsonrpc":"2.0","method":"ping","id":2}"#, parseError),
        Vector("tru", parseError),
        Vector("\"", parseError),
        Vector("\"\\", parseError),
        Vector("-", parseError),
        Vector("\u{FEFF}{}", parseError),
        // No request
        Vector(#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#, badRequest),
        Vector(#"{"jsonrpc":"2.0","id":1}"#, "error 1 -32600 invalid_request"),
        Vector(#"{"method":"echo","params":{"a":1},"id":1}"#, "error 1 -32600 invalid_request"),
        Vector(#"{"jsonrpc":2.0,"method":"echo","params":{"a":1},"id":1}"#, "error 1 -32600 invalid_request"),
        Vector(#"{"jsonrpc":"1.0","method":"echo","params":{"a":1},"id":"q"}"#, #"error "q" -32600 invalid_request"#),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":"x","id":1}"#, "error 1 -32600 invalid_request"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":"x"}"#, badRequest),
        Vector("1", badRequest), Vector("null", badRequest), Vector("\"x\"", badRequest), Vector("{}", badRequest),
        // Params and methods
        Vector(#"{"jsonrpc":"2.0","method":"ping","params":null,"id":1}"#, "result 1 null"),
        Vector(#"{"jsonrpc":"2.0","method":"foobar","id":"1"}"#, #"error "1" -32601 method_not_found"#),
        Vector(#"{"jsonrpc":"2.0","method":"rpc.nope","id":1}"#, "error 1 -32601 method_not_found"),
        Vector(#"{"jsonrpc":"2.0","method":"$/cancelRequest","id":1}"#, "error 1 -32601 method_not_found"),
        Vector(
            #"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1},"id":2}"#, "error 2 -32601 method_not_found"
        ),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":[],"id":1}"#, "error 1 -32602 invalid_params"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":[1],"id":2}"#, "error 2 -32602 invalid_params"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":[1,2],"id":1}"#, "error 1 -32602 invalid_params"),
        // Answers to nothing
        Vector(#"{"jsonrpc":"2.0","result":1,"id":1}"#),
        Vector(#"{"jsonrpc":"2.0","error":{"code":1,"message":"x"},"id":null}"#),
        Vector(#"{"jsonrpc":"2.0","result":1,"id":true}"#),
        // Batches
        Vector("[]", badRequest),
        Vector("[1]", "[\(badRequest)]"), Vector("[null]", "[\(badRequest)]"), Vector("[[]]", "[\(badRequest)]"),
        Vector("[1,2,3]", "[\(badRequest) | \(badRequest) | \(badRequest)]"),
        Vector(#"[{"jsonrpc":"2.0","method":"echo","params":{"a":1}},{"jsonrpc":"2.0","method":"ping"}]"#),
        Vector(#"[{"jsonrpc":"2.0","method":"echo","params":[1]},{"jsonrpc":"2.0","result":1,"id":1}]"#),
        Vector(
            #"[{"jsonrpc":"2.0","method":"echo","params":{"a":7},"id":"1"},{"jsonrpc":"2.0","method":"ping"},"#
                + #"{"foo":"boo"},{"jsonrpc":"2.0","method":"foo.get","params":{"name":"x"},"id":"5"}]"#,
            #"[result "1" 7 | error null -32600 invalid_request | error "5" -32601 method_not_found]"#),
        // Freedom
        Vector(
            #"{"\u006asonrpc":"2.0","method":"ec\u0068o","params":{"a":1},"id":1}"#, "result 1 1"),
        Vector(#"{"id":1,"params":{"a":1},"method":"echo","jsonrpc":"2.0"}"#, "result 1 1"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":1,"x-trace":"t"}"#, "result 1 1"),
        Vector(#"{"jsonrpc":"2\u002e0","method":"ec\u0068o","params":{"a":1},"id":"\u0078"}"#, #"result "x" 1"#),
        Vector(#"{"JSONRPC":"2.0","methoD":"ping","Id":1}"#, badRequest),
        Vector(#"{"jsonrpc":"2.0","method":"ping","id":1,"result":1,"error":{}}"#, "result 1 null"),
        Vector(#"{"jsonrpc":"2.0","method":"","id":1}"#, "error 1 -32601 method_not_found"),
        Vector("\t { \"jsonrpc\" : \"2.0\" ,\"method\":\"ping\" , \"id\":\t1 } \t", "result 1 null"),
        Vector(#"{"jsonrpc":"2.0","method":"echo","params":{"a":1.10},"id":1}"#, "result 1 1.10"),
        Vector(
            "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"a\":\"\u{2028}\u{85}é\"},\"id\":1}",
            #"result 1 "\u2028\u0085é""#),
        Vector(""), Vector(" \t"),
    ]
}

@Suite struct VectorTests {
    private func answers(_ dialogue: borrowing Dialogue) throws -> [String] { try dialogue.lines.map(summary) }

    /// The text of an answer is compared in the writer's spelling, so expected values pass through it once.
    private func expected(_ vector: Vector) -> [String] {
        vector.answers.map {
            $0.replacing("\u{2028}", with: "\\u2028").replacing("\u{85}", with: "\\u0085")
        }
    }

    @Test(arguments: Vector.all, ["\n", "\r\n"])
    func whole(vector: Vector, ending: String) throws {
        var dialogue = Dialogue()
        dialogue.feed(vector.line + ending)
        #expect(try answers(dialogue) == expected(vector))
        // The line was taken to its end: the next one works.
        dialogue.feed(#"{"jsonrpc":"2.0","method":"ping","id":"next"}"# + "\n")
        #expect(try answers(dialogue) == expected(vector) + [#"result "next" null"#])
        #expect(dialogue.conversation.inFlight == 0 && dialogue.conversation.collectedBytes == 0)
        #expect(!dialogue.conversation.lineStarted && dialogue.conversation.bufferedBytes == 0)
    }

    @Test(arguments: Vector.all)
    func byteByByteAndAtEverySplit(vector: Vector) throws {
        let bytes = Array((vector.line + "\n").utf8)
        var slow = Dialogue()
        for byte in bytes { slow.feed([byte]) }
        slow.feed([], drained: true)
        #expect(try answers(slow) == expected(vector))
        for split in 0...bytes.count {
            var dialogue = Dialogue()
            dialogue.feed(bytes[..<split])
            dialogue.feed(bytes[split...], drained: true)
            #expect(dialogue.output == slow.output, "split at \(split)")
        }
    }

    /// Without a line feed at the end of input every vector has the same answers.
    @Test(arguments: Vector.all)
    func atTheEndOfInput(vector: Vector) throws {
        let bytes = Array(vector.line.utf8)
        for split in 0...bytes.count {
            var dialogue = Dialogue()
            dialogue.feed(bytes[..<split])
            dialogue.feed(bytes[split...])
            dialogue.end()
            #expect(try answers(dialogue) == expected(vector), "split at \(split)")
        }
    }

    /// A call that comes alone is mostly read in place, one in a batch never is: both must hear the same.
    @Test(arguments: Vector.all.filter { $0.line.hasPrefix("{") && $0.answers != [Vector.parseError] })
    func aloneAndInABatch(vector: Vector) throws {
        var dialogue = Dialogue()
        dialogue.feed("[\(vector.line)]\n")
        #expect(try answers(dialogue) == (vector.answers.isEmpty ? [] : ["[\(expected(vector).joined())]"]))
    }

    /// All vectors as one stream, cut into pieces of every length up to 40: nothing leaks from one line into the next.
    @Test func together() throws {
        let stream = Array(Vector.all.map { $0.line + "\n" }.joined().utf8)
        let all = Vector.all.flatMap { expected($0) }
        for length in 1...40 {
            var dialogue = Dialogue()
            var at = 0
            while at < stream.count {
                dialogue.feed(stream[at..<min(at + length, stream.count)])
                at += length
            }
            #expect(try answers(dialogue) == all, "pieces of \(length)")
        }
    }
}
