import JSON

/// The error half of an answer: `error.code`, `error.message` and `error.data`.
///
/// Nothing in it may quote a request, except the name of an unknown method: replies are logged by clients, and record
/// contents must not reach a log through an error.
package struct ErrorReply: Error, Equatable, Sendable {
    package var code: ErrorCode
    /// A sentence in place of the code's own.
    package var message: String?
    /// The text of a compact JSON object, for `data.details`.
    package var details: [UInt8]?
    /// When trying again is worth it, for `data.retry_after_ms`.
    package var retryAfterMilliseconds: Int?
    /// The id under which our log tells more, for `data.request_id`.
    package var requestID: String?

    package init(
        _ code: ErrorCode, message: String? = nil, details: [UInt8]? = nil, retryAfterMilliseconds: Int? = nil,
        requestID: String? = nil
    ) {
        self.code = code
        self.message = message
        self.details = details
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.requestID = requestID
    }

    /// An unknown method.
    ///
    /// - Parameters:
    ///   - name: quoted in the message, cut at 100 bytes.
    ///   - didYouMean: known names that are near.
    package static func methodNotFound(_ name: String, didYouMean: [String] = []) -> ErrorReply {
        let shown = prefix(of: name, bytes: 100)
        var details: [UInt8]?
        if !didYouMean.isEmpty {
            details = object { writer in
                writer.key("did_you_mean")
                writer.beginArray()
                for near in didYouMean { writer.string(near) }
                writer.endArray()
            }
        }
        return ErrorReply(.methodNotFound, message: "There is no method `\(shown)`.", details: details)
    }

    /// The whole characters of `text` that fit into so many bytes, with an ellipsis if any is missing.
    private static func prefix(of text: String, bytes: Int) -> String {
        guard text.utf8.count > bytes else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: bytes)
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end]) + "…"
    }

    /// Writes the error object. `data` has always a name and says always whether trying again can help.
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("code")
        writer.integer(code.rawValue)
        writer.key("message")
        if let message { writer.string(message) } else { writer.plain(code.message) }
        writer.key("data")
        writer.beginObject()
        writer.key("name")
        writer.plain(code.name)
        writer.key("retryable")
        writer.bool(code.isRetryable)
        if let retryAfterMilliseconds {
            writer.key("retry_after_ms")
            writer.integer(retryAfterMilliseconds)
        }
        if let requestID {
            writer.key("request_id")
            writer.string(requestID)
        }
        if let details {
            writer.key("details")
            writer.raw(details)
        }
        writer.endObject()
        writer.endObject()
    }
}

// MARK: What the conversation itself refuses

extension ErrorReply {
    /// - Parameter lineEnded: the line ended where the value should have gone on, as in pretty-printed JSON.
    static func parse(_ error: JSONSyntaxError, lineEnded: Bool) -> ErrorReply {
        let message =
            lineEnded
            ? "Parse error: the line ends inside a value at byte \(error.offset); send one JSON value a line."
            : "Parse error: \(error)."
        return ErrorReply(.parseError, message: message, details: detail("offset", error.offset))
    }

    static func lineTooLong(ceiling: Int) -> ErrorReply {
        ErrorReply(
            .requestTooLarge, message: "The line is longer than \(ceiling) bytes.", details: detail("limit", ceiling))
    }

    static func batchTooLong(ceiling: Int) -> ErrorReply {
        ErrorReply(
            .invalidRequest, message: "A batch may hold at most \(ceiling) calls.", details: detail("limit", ceiling))
    }

    static func tooManyInFlight(ceiling: Int) -> ErrorReply {
        ErrorReply(
            .overloaded, message: "This connection has \(ceiling) calls that are not answered yet.",
            details: detail("limit", ceiling), retryAfterMilliseconds: 100)
    }

    static func invalidRequest(_ message: String) -> ErrorReply { ErrorReply(.invalidRequest, message: message) }

    static var positionalParams: ErrorReply {
        ErrorReply(
            .invalidParams, message: "Parameters are given by name: `params` must be an object, not an array.",
            details: object { writer in
                writer.key("problems")
                writer.beginArray()
                writer.beginObject()
                writer.key("path")
                writer.plain("")
                writer.key("message")
                writer.plain("must be an object")
                writer.endObject()
                writer.endArray()
            })
    }

    private static func detail(_ key: StaticString, _ value: Int) -> [UInt8] {
        object { writer in
            writer.key(key)
            writer.integer(value)
        }
    }

    private static func object(_ members: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(reserving: 64)
        writer.beginObject()
        members(&writer)
        writer.endObject()
        return writer.bytes
    }
}
