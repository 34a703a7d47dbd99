import JSON
import JSONRPC
import PushCore

/// Answers one call. Of a notification nothing is sent. Exactly one answer counts, later ones are ignored.
final class Responder {
    let connection: Connection
    private(set) var replyTo: ReplyTo?
    private(set) var isAnswered = true
    /// Called when the call is cancelled; what then answers is up to the one who set it.
    var onCancel: (() -> Void)?

    init(connection: Connection) { self.connection = connection }

    /// Takes up a call, after the one before was dealt with and nobody is left who could answer it.
    func begin(_ replyTo: ReplyTo?) {
        self.replyTo = replyTo
        isAnswered = false
        onCancel = nil
    }

    func result(_ write: (inout JSONWriter) -> Void) {
        guard begin(), let replyTo else { return }
        connection.conversation.reply(to: replyTo, result: write)
        connection.markDirty()
    }

    /// A result that is the same for all; nothing is allocated or counted for it.
    func result(constant text: StaticString) {
        guard begin(), let replyTo else { return }
        connection.conversation.reply(to: replyTo, resultText: text)
        connection.markDirty()
    }

    func object(_ write: (inout JSONWriter) -> Void) {
        result { writer in
            writer.beginObject()
            write(&writer)
            writer.endObject()
        }
    }

    /// A rendered result; over the outbound line it becomes `result_too_large`.
    func result(text: [UInt8]) {
        guard text.count <= connection.outboundLine else { return tooLarge(text.count) }
        guard begin(), let replyTo else { return }
        connection.conversation.reply(to: replyTo, resultText: text)
        connection.markDirty()
    }

    /// A result of so many bytes, with what is around it, is longer than the outbound line.
    func tooLarge(_ bytes: Int) {
        error(.resultTooLarge) { writer in
            writer.key("limit")
            writer.integer(self.connection.outboundLine)
            writer.key("size")
            writer.integer(bytes)
        }
    }

    func error(_ reply: ErrorReply) {
        guard begin(), let replyTo else { return }
        connection.server.counters.errors += 1
        connection.conversation.reply(to: replyTo, error: reply)
        connection.markDirty()
    }

    func error(
        _ code: ErrorCode, _ message: String? = nil, retryAfterMilliseconds: Int? = nil,
        details: ((inout JSONWriter) -> Void)? = nil
    ) {
        var text: [UInt8]?
        if let details {
            var writer = JSONWriter()
            writer.beginObject()
            details(&writer)
            writer.endObject()
            text = writer.bytes
        }
        error(ErrorReply(code, message: message, details: text, retryAfterMilliseconds: retryAfterMilliseconds))
    }

    /// `invalid_params` with every problem and its pointer.
    func invalid(_ problems: [ParamProblem]) {
        let first = problems.first.map { "\($0.path.isEmpty ? "params" : $0.path): \($0.message)" } ?? ""
        error(.invalidParams, "Invalid parameters. \(first)") { writer in
            writer.key("problems")
            writer.beginArray()
            for problem in problems.prefix(100) { problem.write(to: &writer) }
            writer.endArray()
        }
    }

    private func begin() -> Bool {
        guard !isAnswered else { return false }
        isAnswered = true
        onCancel = nil
        connection.answered(self)
        return !connection.isClosed
    }
}

/// One thing that is wrong with the params of a call.
struct ParamProblem: Equatable {
    /// JSON Pointer into the params.
    var path: String
    var message: String
    var suggestion: String?

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("path")
        writer.string(path)
        writer.key("message")
        writer.string(message)
        if let suggestion {
            writer.key("did_you_mean")
            writer.string(suggestion)
        }
        writer.endObject()
    }
}
