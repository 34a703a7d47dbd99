import Gateway
import JSON

/// `pushgate explain TRANSFER [INDEX|INTERNAL_ID]`: what became of a record and why, on one screen.
enum Explain {
    static func run(_ options: Options) throws {
        guard let transfer = options.operands.first else {
            throw Exit.usage("pushgate explain TRANSFER [INDEX|INTERNAL_ID]")
        }
        var caller = try Caller(socket: options["socket"] ?? Paths.socket)
        defer { caller.close() }
        if let path = options["token-file"] {
            let token = String(decoding: try Paths.token(at: path), as: UTF8.self)
            let answer = try caller.call("hello", ["client": ["name": "pushgate explain"], "token": .string(token)])
            if let error = answer["error"] { throw refused(error) }
        }
        var answer: JSONView?
        for name in names(options.operands.count > 1 ? options.operands[1] : "0") {
            let found = try caller.call("getRecord", .object([.init("transfer_id", .string(transfer)), name]))
            answer = found
            // A number may be an internal id as well.
            if found["error"]?["data"]?["name"]?.isString("record_not_found") != true { break }
        }
        guard let answer else { return }
        if let error = answer["error"] { throw refused(error) }
        guard let result = answer["result"] else { return }
        if options.has("json") {
            Terminal.write(String(decoding: result.compactText, as: UTF8.self) + "\n")
        } else {
            Terminal.write(ExplainedText(result).text)
        }
    }

    private static func names(_ text: String) -> [JSONValue.Member] {
        let internalID = JSONValue.Member("internal_id", .string(text))
        guard let index = Int32(text), index >= 0 else { return [internalID] }
        return [.init("index", .number(String(index))), internalID]
    }

    private static func refused(_ error: JSONView) -> Exit {
        Terminal.write(String(decoding: error.compactText, as: UTF8.self) + "\n", to: 2)
        return .refused
    }
}

/// A result of `getRecord` for people.
struct ExplainedText {
    /// What is not shown here is in `--json`.
    private static let shownFields = 12
    private static let shownLinks = 6
    private static let shownAttempts = 8
    /// Characters of a line.
    private static let width = 118

    private let result: JSONView
    private let record: JSONView?

    init(_ result: JSONView) {
        self.result = result
        record = result["record"]
    }

    var text: String {
        var lines = head
        lines += section("fields", record?["mapping"], Self.shownFields, field)
        lines += section("links", record?["links"], Self.shownLinks, link)
        lines += section("exchanges", record?["attempts"], Self.shownAttempts, newest: true, attempt)
        return lines.map { Self.cut(Self.plain($0)) + "\n" }.joined()
    }

    // MARK: The record

    private var head: [String] {
        guard let record else { return [] }
        let row = record["result"]
        let outcome = row?["outcome"]?.string ?? record["state"]?.string ?? ""
        var title = "\(text(record["endgrate_type"])) \(text(record["index"]))"
        if let id = record["internal_id"]?.string { title += " \"\(id)\"" }
        title += " of \(text(result["transfer_id"])): \(outcome)"
        if let id = row?["id"]?.string { title += ", \(text(record["resource"])) \(id)" }
        var lines = [title + " at \(text(result["provider"]))/\(text(result["account"]))"]
        func add(_ name: String, _ value: String?) {
            if let value, !value.isEmpty { lines.append(Self.row(name, value)) }
        }
        add("pushed", record["pushed"]?["time"]?.string)
        add("finished", record["finished"]?.string)
        add("next try", record["next_attempt"]?.string)
        if let parent = record["parent"] {
            add("belongs to", "\(text(parent["endgrate_type"])) \(text(parent["internal_id"]))")
        }
        add("given id", record["pushed"]?["id"]?.string)
        add("remembered", record["remembered_id"]?.string)
        if let basis = row?["basis"]?.string { add("basis", "\(basis) as of \(text(row?["as_of"]))") }
        add("why", record["decision"]?["text"]?.string)
        for warning in row?["warnings"]?.elements.map({ $0 }) ?? [] {
            add("warning", "\(text(warning["name"])): \(text(warning["message"]))")
        }
        if let error = record["error"] {
            let resolved = error["resolved"]?.bool == true ? " (resolved)" : ""
            for (place, line) in text(error["error_resolve_text"]).split(separator: "\n").enumerated() {
                add(place == 0 ? "error" : "", String(line) + (place == 0 ? resolved : ""))
            }
        }
        return lines
    }

    private func field(_ view: JSONView) -> [String] {
        let value = view["value"].map { String(decoding: $0.compactText, as: UTF8.self) } ?? ""
        let isWritten = view["written"]?.bool == true
        return [
            "\(Self.padded(text(view["to"]), 20)) \(Self.padded(Self.cut(value, 40), 40)) "
                + "\(Self.padded(isWritten ? "written" : "not written", 11)) from \(text(view["from"])), \(text(view["mode"]))"
        ]
    }

    private func link(_ view: JSONView) -> [String] {
        let name = "\(text(view["endgrate_type"])) \(text(view["internal_id"]))"
        return ["\(Self.padded(name, 30)) \(Self.padded(text(view["id"]), 20)) \(text(view["state"]))"]
    }

    private func attempt(_ view: JSONView) -> [String] {
        let request = view["request"]
        // The time of day: the day stands above.
        let time = text(view["time"]).dropFirst(11)
        let ended = view["answer"]?["status"].map { text($0) } ?? text(view["answer"]?["failed"])
        let number = view["attempt"]?.integer ?? 1
        let again = number > 1 ? ", try \(number)" : ""
        let records = view["records"]?.integer ?? 1
        var lines = [
            "\(time) \(Self.padded(text(view["operation"]), 6)) \(text(request?["method"])) \(text(request?["path"])) "
                + "-> \(ended) \(text(view["outcome"])), \(text(view["duration_ms"])) ms, "
                + (records == 1 ? "for it alone" : "for \(records) records") + again
        ]
        if let reason = view["answer"]?["reason"]?.string { lines.append("    " + reason) }
        if let body = request?["body"] { lines.append("    " + String(decoding: body.compactText, as: UTF8.self)) }
        return lines
    }

    // MARK: Lines

    private func section(
        _ name: String, _ list: JSONView?, _ ceiling: Int, newest: Bool = false, _ line: (JSONView) -> [String]
    ) -> [String] {
        let all = list?.elements.map { $0 } ?? []
        let shown = newest ? all.suffix(ceiling) : all.prefix(ceiling)
        let lines = shown.flatMap(line)
        let left = all.count - shown.count
        let more = left > 0 ? ["and \(left) \(newest ? "earlier" : "more") ones, see --json"] : []
        return (newest ? more + lines : lines + more).enumerated().map { Self.row($0 == 0 ? name : "", $1) }
    }

    private static func row(_ name: String, _ value: String) -> String { padded(name, 12) + value }

    private func text(_ view: JSONView?) -> String { view?.string ?? view?.numberText ?? "" }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func cut(_ text: String, _ width: Int = width) -> String {
        text.count > width ? text.prefix(width - 1) + "…" : text
    }

    /// What a terminal would take for a command, or for the end of a line, is spelled out: values are not to be trusted.
    private static func plain(_ text: String) -> String {
        var plain = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                plain += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: plain.unicodeScalars.append(scalar)
            }
        }
        return plain
    }
}
