import JSON

// What callers are told about an account that is paused.

extension EventRow {
    /// An event of a session that is of none of its transfers.
    ///
    /// - Parameter other: the time that goes with it (`error`).
    init(
        _ kind: Kind, sequence: Int64, time: Int64, session: Identifier, reason: PauseReason, other: Int64?
    ) {
        self.init(
            sequence: sequence, time: time, kind: kind, session: session, transfer: 0,
            transferID: Identifier(high: 0, low: 0), schemaKey: "", first: Int32(reason.rawValue), error: other)
    }
}

extension Payloads {
    /// The payload of `provider.paused` and `provider.resumed`.
    func pause(_ event: EventRow, into writer: inout JSONWriter) {
        let reason = UInt8(exactly: event.first).flatMap { PauseReason(rawValue: $0) } ?? .unavailable
        writer.beginObject()
        writer.key("success")
        writer.bool(true)
        writer.key("session_id")
        writer.string(event.session.text)
        writer.key("provider")
        writer.string(plan.account.provider)
        writer.key("account")
        writer.string(plan.account.name)
        writer.key("reason")
        writer.string(reason.name)
        if let time = event.error {
            writer.key(text: event.kind == .providerPaused ? "until" : "since")
            writer.string(WireTime.text(time))
        }
        writer.endObject()
    }

    /// `paused` of an answer: `{reason, since, until?}`.
    package static func paused(_ pause: AccountPause, into writer: inout JSONWriter) {
        writer.key("paused")
        writer.beginObject()
        writer.key("reason")
        writer.string(pause.reason.name)
        writer.key("since")
        writer.string(WireTime.text(pause.since))
        if let until = pause.until {
            writer.key("until")
            writer.string(WireTime.text(until))
        }
        writer.endObject()
    }
}
