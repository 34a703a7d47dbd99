import JSON
import JSONRPC
import Testing

private let ping = #"{"jsonrpc":"2.0","method":"ping","id":1}"#

private func offset(_ line: JSONValue) -> Int64? { line["error"]?["data"]?["details"]?["offset"]?.integer }
private func message(_ line: JSONValue) -> String { line["error"]?["message"]?.string ?? "" }

@Suite struct FramingTests {
    @Test func tenThousandPipelined() throws {
        var stream: [UInt8] = []
        for index in 0..<10_000 {
            stream += Array(#"{"jsonrpc":"2.0","method":"echo","params":{"a":\#(index)},"id":\#(index)}"#.utf8) + [0x0A]
        }
        let clock = ContinuousClock()
        let start = clock.now
        for piece in [1000, 65_536, stream.count] {
            var dialogue = Dialogue()
            for at in stride(from: 0, to: stream.count, by: piece) {
                dialogue.feed(stream[at..<min(at + piece, stream.count)])
            }
            let lines = try dialogue.lines
            #expect(lines.count == 10_000)
            #expect(lines.enumerated().allSatisfy { summary($0.element) == "result \($0.offset) \($0.offset)" })
        }
        // Unoptimised it takes about a second; what a line costs must not grow with what stands behind it.
        #expect(start.duration(to: clock.now) < .seconds(20))
    }

    /// The owner may stop after some calls and go on later; nothing is lost while bytes go on coming.
    @Test func takenAFewAtATime() {
        var conversation = Conversation()
        var taken = 0
        func take(_ most: Int) {
            for _ in 0..<most {
                guard case .call(let call) = conversation.next(drained: false) else { return }
                #expect(call.id == .number(String(taken)))
                #expect(call.lineBytes == 39 + String(taken).utf8.count)
                if let ticket = call.replyTo { conversation.reply(to: ticket) { $0.bool(true) } }
                taken += 1
            }
        }
        for round in 0..<100 {
            var piece = ""
            for id in round * 50..<round * 50 + 50 { piece += #"{"jsonrpc":"2.0","method":"ping","id":\#(id)}"# + "\n" }
            Array(piece.utf8).withUnsafeBytes { conversation.receive($0) }
            take(30)
        }
        #expect(taken == 3000 && conversation.bufferedBytes > 0 && conversation.lineStarted)
        take(3000)
        #expect(taken == 5000 && conversation.bufferedBytes == 0 && !conversation.lineStarted)
    }

    @Test func aBadLineBetweenGoodOnes() throws {
        var dialogue = Dialogue()
        dialogue.feed("\(ping)\n{\"secret\":\"hunter2\",}\n\(ping)\n")
        let lines = try dialogue.lines
        #expect(lines.map(summary) == ["result 1 null", Vector.parseError, "result 1 null"])
        #expect(offset(lines[1]) == 20)
        #expect(message(lines[1]) == "Parse error: unexpected byte at byte 20.")
        #expect(dialogue.refused.map(\.code) == [.parseError])
    }

    /// A bad line is answered as soon as it is seen to be bad, and its rest takes no memory.
    @Test func theRestOfABadLineIsDropped() throws {
        var dialogue = Dialogue()
        dialogue.feed("nope")
        #expect(try dialogue.lines.map(summary) == [Vector.parseError])
        for _ in 0..<100 { dialogue.feed(String(repeating: "x", count: 10_000)) }
        #expect(dialogue.conversation.bufferedBytes == 0 && dialogue.conversation.lineStarted)
        dialogue.feed("x\n\(ping)\n")
        #expect(try dialogue.lines.map(summary) == [Vector.parseError, "result 1 null"])
        #expect(dialogue.conversation.lineStarted == false)
    }

    /// Also while the owner takes nothing: what is skipped is not even kept until it does.
    @Test func skippedBytesAreNotKept() {
        var conversation = Conversation()
        func receive(_ text: String) { Array(text.utf8).withUnsafeBytes { conversation.receive($0) } }
        receive("nope")
        guard case .refused = conversation.next(drained: false) else {
            Issue.record("a bad line was not refused")
            return
        }
        while conversation.next(drained: false) != nil {}
        for _ in 0..<10 { receive(String(repeating: "x", count: 1000)) }
        #expect(conversation.bufferedBytes == 0 && conversation.lineStarted)
        receive("x\n[")
        #expect(conversation.bufferedBytes == 1)
    }

    /// One byte is looked at once, however small the pieces: else this takes minutes.
    @Test func longStringsInTheSmallestPieces() throws {
        let clock = ContinuousClock()
        let start = clock.now
        // The space makes pieces of three bytes cut each of the letters of three bytes.
        for (letter, count, piece) in [("x", 60_000, 1), ("漢", 60_000, 3), ("\\u6f22", 10_000, 1)] {
            let text = String(repeating: letter, count: count)
            let line = Array(#" {"jsonrpc":"2.0","method":"echo","params":{"a":"\#(text)"},"id":1}"#.utf8) + [0x0A]
            var dialogue = Dialogue()
            for at in stride(from: 0, to: line.count, by: piece) {
                dialogue.feed(line[at..<min(at + piece, line.count)])
            }
            #expect(try dialogue.lines.first?["result"]?.string?.count == count)
        }
        #expect(start.duration(to: clock.now) < .seconds(30))
    }

    @Test func prettyPrintedJSONIsToldWhy() throws {
        for text in [
            "{\n", "{\"a\":\n", "[1,\n", "{\"a\":\"b\n", "{\"a\":tr\n", "{\"a\":-\n",
            "{\"a\n",
        ] {
            var dialogue = Dialogue()
            dialogue.feed(text + ping + "\n")
            let lines = try dialogue.lines
            #expect(lines.map(summary) == [Vector.parseError, "result 1 null"])
            #expect(message(lines[0]).hasSuffix("send one JSON value a line."), "\(text)")
            #expect(offset(lines[0]) == Int64(text.utf8.count - 1))
        }
        var dialogue = Dialogue()
        dialogue.feed("{\n  \"jsonrpc\": \"2.0\",\n  \"method\": \"ping\",\n  \"id\": 1\n}\n\(ping)\n")
        #expect(try dialogue.lines.last.map(summary) == "result 1 null")
        #expect(try dialogue.lines.dropLast().allSatisfy { summary($0) == Vector.parseError })
    }

    @Test func aByteOrderMarkIsRefusedAtItsPlace() throws {
        var dialogue = Dialogue()
        dialogue.feed("\u{FEFF}\(ping)\n\(ping)\n")
        let lines = try dialogue.lines
        #expect(lines.map(summary) == [Vector.parseError, "result 1 null"])
        #expect(offset(lines[0]) == 0 && message(lines[0]).contains("byte order mark"))
    }

    @Test func blankLinesAndCarriageReturns() throws {
        var dialogue = Dialogue()
        dialogue.feed("\n\n\r\n \t\r\n\(ping)\r\n\r\n\n\(ping) \r\n" + String(repeating: "\n", count: 100_000))
        #expect(try dialogue.lines.map(summary) == ["result 1 null", "result 1 null"])
        #expect(!dialogue.conversation.lineStarted && dialogue.refused.isEmpty)
    }

    @Test func depthCountsTheBatch() throws {
        var dialogue = Dialogue(FramingCeilings(depth: 3))
        dialogue.feed(#"{"jsonrpc":"2.0","method":"echo","params":{"a":[]},"id":1}"# + "\n")
        dialogue.feed(#"[{"jsonrpc":"2.0","method":"echo","params":{"a":[]},"id":1}]"# + "\n")
        #expect(try dialogue.lines.map(summary) == ["result 1 []", Vector.parseError])
        #expect(message(try dialogue.lines[1]).contains("nested deeper"))
    }

    @Test func valuesAndMembersHaveCeilings() throws {
        var dialogue = Dialogue(FramingCeilings(values: 20, members: 5))
        let many = (0..<30).map(String.init).joined(separator: ",")
        dialogue.feed(#"{"jsonrpc":"2.0","method":"echo","params":{"a":[\#(many)]},"id":1}"# + "\n")
        dialogue.feed(#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}"# + "\n" + ping + "\n")
        let lines = try dialogue.lines
        #expect(lines.map(summary) == [Vector.parseError, Vector.parseError, "result 1 null"])
        #expect(message(lines[0]).contains("more values") && message(lines[1]).contains("more members"))
    }
}

@Suite struct LineCeilingTests {
    static let tooLarge = "error null 1006 request_too_large"

    /// A line of just the ceiling is read, one byte more is not, whatever follows and however it is cut.
    @Test(arguments: [0, 1, 2, 500], ["\n", "\r\n"])
    func aroundTheCeiling(excess: Int, ending: String) throws {
        let frame = #"{"jsonrpc":"2.0","method":"echo","params":{"a":""},"id":1}"#.utf8.count
        let length = 300 + excess - (ending.utf8.count - 1)
        let filler = String(repeating: "x", count: length - frame)
        let line = #"{"jsonrpc":"2.0","method":"echo","params":{"a":"\#(filler)"},"id":1}"#
        let stream = Array("\(ping)\n\(line)\(ending)\(ping)\n".utf8)
        let middle = excess == 0 ? #"result 1 "\#(filler)""# : Self.tooLarge
        for split in 0...stream.count {
            var dialogue = Dialogue(FramingCeilings(line: 300))
            dialogue.feed(stream[..<split])
            dialogue.feed(stream[split...])
            #expect(
                try dialogue.lines.map(summary) == ["result 1 null", middle, "result 1 null"], "split at \(split)")
        }
        var slow = Dialogue(FramingCeilings(line: 300))
        for byte in stream {
            slow.feed([byte])
            #expect(slow.conversation.bufferedBytes <= 301)
        }
        #expect(try slow.lines.map(summary) == ["result 1 null", middle, "result 1 null"])
    }

    @Test func theAnswerNamesTheCeilingAndComesOnce() throws {
        var dialogue = Dialogue(FramingCeilings(line: 64))
        for _ in 0..<1000 { dialogue.feed("[" + String(repeating: " ", count: 100)) }
        dialogue.end()
        let lines = try dialogue.lines
        #expect(lines.map(summary) == [Self.tooLarge])
        #expect(lines.first?["error"]?["data"]?["details"]?["limit"] == 64)
        #expect(lines.first?["error"]?["data"]?["retryable"] == false)
    }

    @Test func aCompleteValueOverTheCeilingIsTooLargeToo() throws {
        for tail in ["", "\n", "       \n", "       "] {
            var dialogue = Dialogue(FramingCeilings(line: 20))
            dialogue.feed(#"[1,2,3,4,5,6,7,8,9,10]"# + tail, drained: true)
            dialogue.end()
            #expect(try dialogue.lines.map(summary) == [Self.tooLarge])
        }
        var spaces = Dialogue(FramingCeilings(line: 20))
        spaces.feed("[1]" + String(repeating: " ", count: 30) + "\n[]\n")
        #expect(try spaces.lines.map(summary) == [Self.tooLarge, Vector.badRequest])
    }

    /// The ceiling holds for a last line that nobody had looked at before the end, too.
    @Test func theLastLineIsTooLong() throws {
        var dialogue = Dialogue(FramingCeilings(line: 64))
        let text = "[]\n[" + String(repeating: "1,", count: 100)
        Array(text.utf8).withUnsafeBytes { dialogue.conversation.receive($0) }
        dialogue.end()
        #expect(try dialogue.lines.map(summary) == [Vector.badRequest, Self.tooLarge])
    }

    /// Lines over 64 KiB are handed over with their buffer; what follows them in it must not be lost.
    @Test func longLinesKeepTheirNeighbours() throws {
        let long = String(repeating: "é", count: 100_000)
        let line = #"{"jsonrpc":"2.0","method":"echo","params":{"a":"\#(long)"},"id":2}"#
        let stream = Array("\(line)\n\(ping)\n\(line)\r\n\(line)\n\(ping)\n".utf8)
        let expected = [#"result 2 "\#(long)""#, "result 1 null"]
        for piece in [777, 65_536, 1 << 20, stream.count] {
            var dialogue = Dialogue()
            for at in stride(from: 0, to: stream.count, by: piece) {
                dialogue.feed(stream[at..<min(at + piece, stream.count)])
            }
            let lines = try dialogue.lines.map(summary)
            #expect(lines == [expected[0], expected[1], expected[0], expected[0], expected[1]])
        }
    }

    @Test func theDefaultCeilingIs16MiB() throws {
        let frame = #"{"jsonrpc":"2.0","method":"ping","params":{"a":""},"id":1}"#.utf8.count
        for (length, answer) in [(16 << 20, "result 1 null"), ((16 << 20) + 1, Self.tooLarge)] {
            var dialogue = Dialogue()
            dialogue.feed(#"{"jsonrpc":"2.0","method":"ping","params":{"a":""#)
            let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
            var left = length - frame
            while left > 0 {
                dialogue.feed(piece.prefix(left))
                left -= piece.count
            }
            dialogue.feed(#""},"id":1}"# + "\n" + ping + "\n")
            #expect(try dialogue.lines.map(summary) == [answer, "result 1 null"])
        }
    }
}

@Suite struct UnterminatedTests {
    @Test func aDrainedSocketEndsAValue() throws {
        var dialogue = Dialogue()
        dialogue.feed(ping)
        #expect(dialogue.output.isEmpty && dialogue.conversation.lineStarted)
        dialogue.feed("", drained: true)
        #expect(try dialogue.lines.map(summary) == ["result 1 null"])
        #expect(dialogue.conversation.lineStarted == false)
        dialogue.feed("\n" + ping + " ", drained: true)
        dialogue.feed("[\(ping)]", drained: true)
        #expect(try dialogue.lines.map(summary) == ["result 1 null", "result 1 null", "[result 1 null]"])
    }

    /// A number may go on, half an object has to: neither is taken by a pause.
    @Test(arguments: ["1", "\"x\"", "null", #"{"a":1"#, "[", "{}{", "[]x"])
    func aDrainedSocketEndsNothingElse(text: String) throws {
        var dialogue = Dialogue()
        dialogue.feed(text, drained: true)
        let bad = text == "{}{" || text == "[]x"
        #expect(try dialogue.lines.map(summary) == (bad ? [Vector.parseError] : []))
        #expect(dialogue.calls == 0 && dialogue.conversation.lineStarted)
    }

    /// Complete lines before it are taken first; a value with text behind it is bad.
    @Test func onlyTheRestOfTheBufferIsTaken() throws {
        var dialogue = Dialogue()
        dialogue.feed("\(ping)\n\(ping)\n\(ping)", drained: true)
        #expect(try dialogue.lines.map(summary) == ["result 1 null", "result 1 null", "result 1 null"])
    }

    @Test func endOfInputTakesTheLastValue() throws {
        for (text, answers) in [
            (ping, ["result 1 null"]), ("\(ping)\n\(ping)", ["result 1 null", "result 1 null"]),
            ("12", [Vector.badRequest]),
            ("", []), (" \t\r", []), ("\n\n", []), (#"{"a":"b"#, [Vector.parseError]), ("[1,2", [Vector.parseError]),
            ("nul", [Vector.parseError]), ("\(ping)\n{", ["result 1 null", Vector.parseError]),
        ] {
            var dialogue = Dialogue()
            dialogue.feed(text)
            dialogue.end()
            #expect(try dialogue.lines.map(summary) == answers, "\(text)")
            #expect(dialogue.conversation.bufferedBytes == 0)
        }
        var cut = Dialogue()
        cut.feed(#"{"a":"b"#)
        cut.end()
        #expect(offset(try cut.lines[0]) == 7)
        #expect(message(try cut.lines[0]) == "Parse error: the text ends inside a value at byte 7.")
    }

    /// Answers to calls that were read before the end still leave (K23).
    @Test func answersAfterTheEnd() throws {
        var conversation = Conversation()
        Array(ping.utf8).withUnsafeBytes { conversation.receive($0) }
        conversation.endOfInput()
        guard case .call(let call) = conversation.next(drained: false), let ticket = call.replyTo else {
            Issue.record("the call was not read")
            return
        }
        if conversation.next(drained: true) != nil { Issue.record("there was nothing more") }
        conversation.reply(to: ticket) { $0.integer(3) }
        #expect(
            String(decoding: conversation.takeOutput(), as: UTF8.self)
                == "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":3}\n")
    }
}
