import JSON

/// `pushgate webhooks list|replay`: what became of the calls of webhooks, and having them made again.
enum Webhooks {
    static let options = ["socket", "token-file", "session", "transfer", "state"]
    private static let usage = Exit.usage(
        "pushgate webhooks list | replay [DELIVERY] [--session ID] [--transfer ID] [--state pending|delivered|failed]")

    static func run(_ options: Options) throws {
        guard let what = options.operands.first, ["list", "replay"].contains(what) else { throw usage }
        var params: [JSONValue.Member] = []
        for (option, name) in [("session", "session_id"), ("transfer", "transfer_id"), ("state", "state")] {
            if let value = options[option] { params.append(.init(name, .string(value))) }
        }
        if options.operands.count > 1 {
            guard what == "replay" else { throw usage }
            params.append(.init("delivery_id", .string(options.operands[1])))
        }
        var caller = try Caller(options)
        defer { caller.close() }
        if what == "list" {
            try pages("listWebhookDeliveries", params, &caller) { result in
                guard let list = result["deliveries"] else { return }
                for delivery in list.elements { Terminal.write(line(delivery) + "\n") }
            }
        } else {
            var count: Int64 = 0
            try pages("replayWebhook", params, &caller) { count += $0["replayed"]?.integer ?? 0 }
            Terminal.write("replayed \(count)\n")
        }
    }

    private static func pages(
        _ method: String, _ params: [JSONValue.Member], _ caller: inout Caller, _ take: (JSONView) -> Void
    ) throws {
        var after: [JSONValue.Member] = []
        while true {
            let answer = try caller.call(method, .object(params + after))
            if let error = answer["error"] { throw Call.refused(error) }
            guard let result = answer["result"] else { return }
            take(result)
            guard let next = result["next"]?.string else { return }
            after = [.init("after", .string(next))]
        }
    }

    /// Columns, with a tab between them: what follows last may be long.
    private static func line(_ delivery: JSONView) -> String {
        func text(_ name: String) -> String { delivery[name: name]?.string ?? "-" }
        let outcome = delivery["reason"]?.string ?? delivery["status"]?.integer.map { String($0) } ?? "-"
        return [
            text("delivery_id"), text("state"), text("webhook"), String(delivery["attempts"]?.integer ?? 0), outcome,
            text("created"), text("transfer_id"), text("endpoint"),
        ].joined(separator: "\t")
    }
}
