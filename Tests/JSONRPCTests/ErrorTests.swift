import Foundation
import JSON
import JSONRPC
import Testing

@Suite struct ErrorTests {
    /// The wire is defined in `protocol/`; the enum is its twin in code and may not differ in any row.
    @Test func theTableIsThatOfTheProtocol() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let data = try Data(contentsOf: root.appendingPathComponent("protocol/errors.json"))
        let rows = try #require(try JSONValue(parsing: Array(data)).elements)
        #expect(rows.count == ErrorCode.allCases.count)
        for row in rows {
            let code = try #require(row["code"]?.integer.flatMap { ErrorCode(rawValue: Int($0)) }, "\(row)")
            #expect(row["name"]?.string == code.name.description)
            #expect(row["retryable"]?.bool == code.isRetryable, "\(code)")
            #expect(row["message"]?.string == code.message.description)
        }
    }

    @Test func nothingOfOursIsInTheReservedRange() {
        let standard: Set<ErrorCode> = [
            .parseError, .invalidRequest, .methodNotFound, .invalidParams, .internal, .requestCancelled,
        ]
        for code in ErrorCode.allCases where !standard.contains(code) { #expect(code.rawValue > 0) }
        #expect(Set(ErrorCode.allCases.map { $0.name.description }).count == ErrorCode.allCases.count)
    }

    /// What leaves for this error.
    private func sent(_ error: ErrorReply) throws -> JSONValue {
        var conversation = Conversation()
        Array(#"{"jsonrpc":"2.0","method":"m","id":1}"#.utf8).withUnsafeBytes { conversation.receive($0) }
        guard case .call(let call) = conversation.next(drained: true) else { throw Missing() }
        conversation.reply(to: try #require(call.replyTo), error: error)
        return try #require(try JSONValue(parsing: conversation.takeOutput())["error"])
    }

    private struct Missing: Error {}

    @Test(arguments: ErrorCode.allCases)
    func dataHasAlwaysANameAndSaysIfTryingAgainHelps(code: ErrorCode) throws {
        let error = try sent(ErrorReply(code))
        #expect(error["code"]?.integer == Int64(code.rawValue))
        #expect(error["message"]?.string == code.message.description)
        #expect(
            error["data"]
                == .object([.init("name", .string(code.name.description)), .init("retryable", .bool(code.isRetryable))])
        )
    }

    @Test func everyPartOfTheDataIsWritten() throws {
        let details = Array(#"{"oldest":"c1"}"#.utf8)
        let reply = ErrorReply(
            .cursorExpired, message: "Tell \"me\".", details: details, retryAfterMilliseconds: 250, requestID: "r\n7")
        let error = try sent(reply)
        #expect(error["message"] == "Tell \"me\".")
        #expect(
            error["data"] == [
                "name": "cursor_expired", "retryable": false, "retry_after_ms": 250, "request_id": "r\n7",
                "details": ["oldest": "c1"],
            ])
    }

    @Test func anUnknownMethodIsNamedUpToAHundredBytes() throws {
        #expect(try sent(.methodNotFound("pushTransfr"))["message"] == "There is no method `pushTransfr`.")
        let near = try sent(.methodNotFound("pushTransfr", didYouMean: ["pushTransfer", "planTransfer"]))
        #expect(near["data"]?["details"] == ["did_you_mean": ["pushTransfer", "planTransfer"]])
        let exact = String(repeating: "m", count: 100)
        #expect(try sent(.methodNotFound(exact))["message"] == .string("There is no method `\(exact)`."))
        #expect(try sent(.methodNotFound(exact + "m"))["message"] == .string("There is no method `\(exact)…`."))
        // Never half a character.
        let wide = String(repeating: "m", count: 98) + "😀"
        #expect(
            try sent(.methodNotFound(wide))["message"]
                == .string("There is no method `\(String(repeating: "m", count: 98))…`."))
    }

    @Test func positionalParamsAreToldHow() throws {
        var dialogue = Dialogue()
        dialogue.feed(#"{"jsonrpc":"2.0","method":"echo","params":["s3cret"],"id":1}"# + "\n")
        let error = try #require(try dialogue.lines.first?["error"])
        #expect(error["message"]?.string?.contains("by name") == true)
        #expect(error["data"]?["details"]?["problems"] == [["path": "", "message": "must be an object"]])
    }

    /// No refusal of ours repeats what was sent.
    @Test(arguments: [
        #"{"s3cret":"#, #"{"jsonrpc":"s3cret","method":"x","id":1}"#, #"{"jsonrpc":"2.0","method":["s3cret"],"id":1}"#,
        #"{"jsonrpc":"2.0","method":"x","id":["s3cret"]}"#, #"{"jsonrpc":"2.0","method":"x","params":"s3cret","id":1}"#,
        #"{"jsonrpc":"2.0","method":"x","params":["s3cret"],"id":1}"#, #""s3cret""#, #"["s3cret"]"#,
        #"{"s3cret":1,"s3cret":2}"#, "s3cret", #"{"a":s3cret}"#,
    ])
    func refusalsQuoteNothing(line: String) {
        var dialogue = Dialogue()
        dialogue.feed(line + "\n")
        #expect(!dialogue.output.isEmpty && !dialogue.refused.isEmpty)
        #expect(!String(decoding: dialogue.output, as: UTF8.self).contains("s3cret"))
    }
}
