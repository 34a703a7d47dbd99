import JSON
import JSONRPC
import Testing

/// Feeds text and gives what came of it, without answering.
private func take(_ conversation: inout Conversation, _ text: String) -> [Incoming] {
    Array(text.utf8).withUnsafeBytes { conversation.receive($0) }
    var found: [Incoming] = []
    while let incoming = conversation.next(drained: false) { found.append(incoming) }
    return found
}

private func calls(_ incoming: [Incoming]) -> [Call] {
    incoming.compactMap { if case .call(let call) = $0 { call } else { nil } }
}

private func request(_ id: String, _ method: String = "ping") -> String {
    #"{"jsonrpc":"2.0","method":"\#(method)","id":\#(id)}"#
}

private func text(_ conversation: inout Conversation) -> String {
    String(decoding: conversation.takeOutput(), as: UTF8.self)
}

@Suite struct ReplyTests {
    /// The three ways to give a result write the same line, alone and inside of a batch.
    @Test(arguments: [false, true]) func resultsByText(inABatch: Bool) {
        let call = #"{"jsonrpc":"2.0","method":"ping","id":7}"#
        let ways: [(inout Conversation, ReplyTo) -> Bool] = [
            { $0.reply(to: $1) { $0.raw("{}") } },
            { $0.reply(to: $1, resultText: Array("{}".utf8)) },
            { $0.reply(to: $1, resultText: "{}") },
        ]
        for way in ways {
            var conversation = Conversation()
            Array(((inABatch ? "[\(call)]" : call) + "\n").utf8).withUnsafeBytes { conversation.receive($0) }
            guard case .call(let call) = conversation.next(drained: false), let ticket = call.replyTo else {
                Issue.record("a call awaits its answer")
                continue
            }
            #expect(way(&conversation, ticket))
            #expect(!way(&conversation, ticket), "a ticket answers once")
            let answer = #"{"jsonrpc":"2.0","id":7,"result":{}}"#
            _ = conversation.next(drained: false)
            #expect(conversation.takeOutput() == Array(((inABatch ? "[\(answer)]" : answer) + "\n").utf8))
        }
    }

    @Test func repliesLeaveInTheOrderOfTheOwner() throws {
        var conversation = Conversation()
        let tickets = calls(take(&conversation, "\(request("1"))\n\(request("2"))\n\(request("3"))\n")).map(\.replyTo)
        #expect(conversation.inFlight == 3)
        for ticket in tickets.reversed() {
            conversation.reply(to: try #require(ticket), resultText: Array(#"{"ok":true}"#.utf8))
        }
        #expect(conversation.inFlight == 0)
        #expect(
            text(&conversation)
                == [3, 2, 1].map { #"{"jsonrpc":"2.0","id":\#($0),"result":{"ok":true}}"# + "\n" }.joined())
        #expect(conversation.outputCount == 0 && conversation.takeOutput().isEmpty)
    }

    @Test func aTicketAnswersOnce() throws {
        var conversation = Conversation()
        let ticket = try #require(calls(take(&conversation, request("1") + "\n")).first?.replyTo)
        let cancelled = conversation.reply(to: ticket, error: ErrorReply(.requestCancelled))
        let late = conversation.reply(to: ticket) { $0.integer(1) }
        // The slot is used again: the old ticket must not answer the new call.
        let next = try #require(calls(take(&conversation, request("2") + "\n")).first?.replyTo)
        #expect(next != ticket)
        let stale = conversation.reply(to: ticket, error: ErrorReply(.internal))
        let fresh = conversation.reply(to: next) { $0.integer(2) }
        #expect(cancelled && !late && !stale && fresh)
        #expect(
            text(&conversation)
                == #"{"jsonrpc":"2.0","id":1,"error":{"code":-32800,"message":"Request cancelled.","#
                + #""data":{"name":"request_cancelled","retryable":false}}}"# + "\n"
                + #"{"jsonrpc":"2.0","id":2,"result":2}"# + "\n")
        // A ticket of another conversation is no ticket.
        var other = Conversation()
        let foreign = other.reply(to: ticket) { $0.null() }
        #expect(!foreign && other.outputCount == 0)
    }

    @Test func cancellationFindsTheOnlyCallWithItsID() throws {
        var conversation = Conversation()
        let found = take(
            &conversation,
            [#"1"#, #""1""#, #"7"#, #"7"#, #""é""#, #""e\u0301""#, "null"].map { request($0) + "\n" }.joined())
        let tickets = try calls(found).map { try #require($0.replyTo) }
        #expect(conversation.replyTo(pending: .number("1")) == tickets[0])
        #expect(conversation.replyTo(pending: .string("1")) == tickets[1])
        #expect(conversation.replyTo(pending: .number("7")) == nil)
        #expect(conversation.replyTo(pending: .number("8")) == nil)
        #expect(conversation.replyTo(pending: .string("é")) == tickets[4])
        #expect(conversation.replyTo(pending: .string("e\u{301}")) == tickets[5])
        #expect(conversation.replyTo(pending: .null) == tickets[6])
        conversation.reply(to: tickets[2]) { $0.null() }
        #expect(conversation.replyTo(pending: .number("7")) == tickets[3])
        conversation.reply(to: tickets[0]) { $0.null() }
        #expect(conversation.replyTo(pending: .number("1")) == nil)
    }

    /// The call is known as soon as it is read, so that a cancellation on the next line always finds it.
    @Test func cancelRequestComesAsItsOwnCase() {
        var conversation = Conversation()
        let found = take(
            &conversation,
            request("\"job\"") + "\n" + #"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"job"}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":3}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1.5}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"$/cancelRequest"}"# + "\n")
        var targets: [RequestID] = []
        for case .cancel(let id) in found { targets.append(id) }
        #expect(targets == [.string("job"), .number("3")])
        #expect(calls(found).map(\.method) == ["ping", "$/cancelRequest", "$/cancelRequest"])
        #expect(calls(found).dropFirst().allSatisfy { $0.replyTo == nil && $0.id == nil })
        #expect(conversation.replyTo(pending: targets[0]) == calls(found)[0].replyTo)
        #expect(conversation.outputCount == 0)
    }

    @Test func moreThanTheCeilingInFlightIsOverloaded() throws {
        var conversation = Conversation(ceilings: FramingCeilings(inFlight: 2))
        let found = take(&conversation, (1...3).map { request("\($0)") + "\n" }.joined())
        #expect(calls(found).map(\.id) == [.number("1"), .number("2")])
        let answer = try JSONValue(parsing: Array(text(&conversation).utf8))
        #expect(summary(answer) == "error 3 1002 overloaded")
        #expect(answer["error"]?["data"]?["retryable"] == true)
        #expect(answer["error"]?["data"]?["retry_after_ms"] == 100)
        #expect(answer["error"]?["data"]?["details"] == ["limit": 2])
        // Notifications are free, and an answer makes room.
        #expect(calls(take(&conversation, #"{"jsonrpc":"2.0","method":"note"}"# + "\n")).count == 1)
        conversation.reply(to: try #require(calls(found)[0].replyTo)) { $0.null() }
        #expect(calls(take(&conversation, request("4") + "\n")).count == 1)
        #expect(FramingCeilings().inFlight == 256 && FramingCeilings().batch == 100)
    }

    @Test func notificationsAndRenderedLines() {
        var conversation = Conversation()
        conversation.notify("event") { writer in
            writer.beginObject()
            writer.key("cursor")
            writer.string("a\u{2028}b")
            writer.endObject()
        }
        conversation.appendLines { $0 += Array("{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n".utf8) }
        conversation.notify("ping") { $0.raw("{}".utf8) }
        #expect(conversation.outputCount == 67 + 47 + 45)
        #expect(
            text(&conversation)
                == #"{"jsonrpc":"2.0","method":"event","params":{"cursor":"a\u2028b"}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"event","params":{}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"ping","params":{}}"# + "\n")
    }

    @Test func callsCarryWhatWasSent() throws {
        var conversation = Conversation()
        let line =
            #"{"jsonrpc":"2.0","method":"pushTransfer","params":{"transfer_data":[{"data":{"n":1.10}}]},"id":"a"}"#
        let call = try #require(calls(take(&conversation, line + "\r\n")).first)
        #expect(call.method == "pushTransfer" && call.id == .string("a") && call.lineBytes == line.utf8.count + 1)
        #expect(call.params?["transfer_data"]?[0]?["data"]?["n"]?.numberText == "1.10")
    }

    @Test func strayResponsesAreCountedAndNeverAnswered() {
        var dialogue = Dialogue()
        dialogue.feed(#"{"jsonrpc":"2.0","result":1,"id":1}"# + "\n" + #"{"error":{},"id":[]}"# + "\n")
        dialogue.feed(#"[{"jsonrpc":"2.0","result":1,"id":1},{"jsonrpc":"2.0","result":2,"id":2}]"# + "\n")
        #expect(dialogue.strayResponses == 4 && dialogue.output.isEmpty && dialogue.refused.isEmpty)
        // With a method it is a call, whatever else it carries.
        dialogue.feed(#"{"jsonrpc":"2.0","method":"ping","result":1,"id":1}"# + "\n")
        #expect(dialogue.strayResponses == 4 && dialogue.calls == 1)
    }
}

@Suite struct BatchTests {
    @Test func repliesAreCollectedInTheOrderOfTheOwner() throws {
        var conversation = Conversation()
        let found = take(&conversation, "[\(request("1")),\(request("2")),7,\(request("3"))]\n\(request("4"))\n")
        let tickets = try calls(found).map { try #require($0.replyTo) }
        #expect(conversation.inFlight == 4 && conversation.outputCount == 0 && conversation.collectedBytes > 0)
        conversation.reply(to: tickets[2]) { $0.integer(3) }
        conversation.reply(to: tickets[3]) { $0.integer(4) }
        conversation.reply(to: tickets[0], error: ErrorReply(.internal, requestID: "r1"))
        #expect(text(&conversation) == #"{"jsonrpc":"2.0","id":4,"result":4}"# + "\n")
        conversation.reply(to: tickets[1]) { $0.integer(2) }
        let line = try JSONValue(parsing: Array(text(&conversation).utf8))
        #expect(summary(line) == "[\(Vector.badRequest) | result 3 3 | error 1 -32603 internal | result 2 2]")
        #expect(line.elements?[2]["error"]?["data"]?["request_id"] == "r1")
        #expect(conversation.inFlight == 0 && conversation.collectedBytes == 0)
    }

    /// A batch that is answered while it is handed out leaves as soon as its last member is answered.
    @Test func answeredWhileItIsHandedOut() throws {
        var conversation = Conversation()
        Array("[\(request("1")),\(request("2"))]\n".utf8).withUnsafeBytes { conversation.receive($0) }
        for id in 1...2 {
            guard case .call(let call) = conversation.next(drained: false), let ticket = call.replyTo else {
                Issue.record("call \(id) is missing")
                return
            }
            #expect(conversation.outputCount == 0)
            conversation.reply(to: ticket) { $0.integer(id) }
        }
        #expect(
            text(&conversation)
                == #"[{"jsonrpc":"2.0","id":1,"result":1},{"jsonrpc":"2.0","id":2,"result":2}]"# + "\n")
    }

    @Test func twoBatchesAtOnce() throws {
        var conversation = Conversation()
        let found = take(
            &conversation, "[\(request("1")),\(request("2"))]\n[\(request("3")),\(request("4"))]\n[\(request("5"))]\n")
        let tickets = try calls(found).map { try #require($0.replyTo) }
        for place in [1, 2, 4, 3, 0] { conversation.reply(to: tickets[place]) { $0.integer(place) } }
        let lines = text(&conversation).split(separator: "\n")
        #expect(
            try lines.map { summary(try JSONValue(parsing: Array($0.utf8))) } == [
                "[result 5 4]", "[result 3 2 | result 4 3]", "[result 2 1 | result 1 0]",
            ])
    }

    @Test func theCeilingOfABatch() throws {
        for (count, accepted) in [(100, true), (101, false)] {
            var dialogue = Dialogue()
            dialogue.feed("[" + (0..<count).map { request("\($0)") }.joined(separator: ",") + "]\n")
            let lines = try dialogue.lines
            #expect(lines.count == 1 && dialogue.calls == (accepted ? 100 : 0))
            if accepted {
                #expect(lines[0].elements?.count == 100)
            } else {
                #expect(summary(lines[0]) == Vector.badRequest)
                #expect(lines[0]["error"]?["data"]?["details"] == ["limit": 100])
            }
        }
    }

    @Test func membersOverTheCeilingInFlightAreRefusedOneByOne() throws {
        var conversation = Conversation(ceilings: FramingCeilings(inFlight: 1))
        let found = take(&conversation, "[\(request("1")),\(request("2"))]\n")
        #expect(calls(found).count == 1 && conversation.outputCount == 0)
        conversation.reply(to: try #require(calls(found)[0].replyTo)) { $0.null() }
        #expect(
            summary(try JSONValue(parsing: Array(text(&conversation).utf8)))
                == "[error 2 1002 overloaded | result 1 null]")
    }

    @Test func aMemberKnowsItsOwnLength() throws {
        var conversation = Conversation()
        let found = calls(take(&conversation, "[ \(request("1")) , \(request("22"))]\n"))
        #expect(found.map(\.lineBytes) == [request("1").utf8.count, request("22").utf8.count])
    }
}
