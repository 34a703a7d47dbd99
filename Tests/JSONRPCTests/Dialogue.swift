import JSON
import JSONRPC

/// A conversation with an owner behind it that knows `echo {a}` and `ping`, and answers at once.
struct Dialogue: ~Copyable {
    var conversation: Conversation
    private(set) var output: [UInt8] = []
    private(set) var cancelled: [RequestID] = []
    private(set) var notified: [String] = []
    private(set) var refused: [ErrorReply] = []
    private(set) var strayResponses = 0
    private(set) var calls = 0

    init(_ ceilings: FramingCeilings = FramingCeilings()) {
        conversation = Conversation(ceilings: ceilings)
    }

    mutating func feed(_ bytes: some Collection<UInt8>, drained: Bool = false) {
        Array(bytes).withUnsafeBytes { conversation.receive($0) }
        work(drained: drained)
    }

    mutating func feed(_ text: String, drained: Bool = false) { feed(Array(text.utf8), drained: drained) }

    mutating func end() {
        conversation.endOfInput()
        work(drained: true)
    }

    mutating func work(drained: Bool) {
        while let incoming = conversation.next(drained: drained) {
            switch incoming {
            case .call(let call): answer(call)
            case .cancel(let id): cancelled.append(id)
            case .refused(let error): refused.append(error)
            case .response: strayResponses += 1
            }
        }
        output += conversation.takeOutput()
    }

    private mutating func answer(_ call: Call) {
        calls += 1
        guard let ticket = call.replyTo else {
            notified.append(call.method)
            return
        }
        switch call.method {
        case "ping": conversation.reply(to: ticket) { $0.null() }
        case "echo":
            guard let value = call.params?["a"] else {
                conversation.reply(to: ticket, error: ErrorReply(.invalidParams))
                return
            }
            conversation.reply(to: ticket) { $0.value(value) }
        default: conversation.reply(to: ticket, error: .methodNotFound(call.method))
        }
    }

    /// The lines written so far. Every one has to be a JSON text of its own.
    var lines: [JSONValue] {
        get throws {
            let parts = output.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            guard parts.last?.isEmpty != false else { throw Unterminated() }
            return try parts.dropLast().map { try JSONValue(parsing: Array($0)) }
        }
    }

    struct Unterminated: Error {}
}

/// An answer in short: `result ID VALUE`, `error ID CODE`, `[a | b]` of a batch.
func summary(_ line: JSONValue) -> String {
    if let elements = line.elements { return "[" + elements.map(summary).joined(separator: " | ") + "]" }
    let id = line["id"].map { String(decoding: $0.text, as: UTF8.self) } ?? "none"
    guard line["jsonrpc"] == .string("2.0"), (line["result"] == nil) != (line["error"] == nil) else {
        return "no answer"
    }
    if let result = line["result"] { return "result \(id) \(String(decoding: result.text, as: UTF8.self))" }
    let name = line["error"]?["data"]?["name"]?.string ?? "unnamed"
    return "error \(id) \(line["error"]?["code"]?.integer ?? 0) \(name)"
}
