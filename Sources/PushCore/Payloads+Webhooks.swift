import JSON

// What webhooks carry, and what is told about those that were given up.

extension Payloads {
    /// A payload with the metadata of its webhook, which is always there.
    ///
    /// - Parameters:
    ///   - payload: text of an object that is not empty.
    ///   - metadata: text of an object; empty for none.
    package static func body(_ payload: [UInt8], metadata: [UInt8]) -> [UInt8] {
        var body = payload
        body.removeLast()
        body += Array(#","metadata":"#.utf8)
        body += metadata.isEmpty ? Array("{}".utf8) : metadata
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// The payload of `webhook.failed`.
    func failed(_ delivery: DeliveryRow, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("success")
        writer.bool(true)
        Self.describe(delivery, into: &writer)
        writer.endObject()
    }

    /// The members of a delivery.
    package static func describe(_ delivery: DeliveryRow, into writer: inout JSONWriter) {
        let progress = delivery.progress
        writer.key("delivery_id")
        writer.string(delivery.id.text)
        writer.key("session_id")
        writer.string(delivery.event.session.text)
        if delivery.event.transfer != 0 {
            writer.key("transfer_id")
            writer.string(delivery.event.transferID.text)
        }
        writer.key("webhook")
        writer.string(delivery.event.kind.name)
        writer.key("endpoint")
        writer.string(delivery.endpoint)
        writer.key("state")
        writer.string(progress.state.name)
        writer.key("created")
        writer.string(WireTime.text(delivery.event.time))
        writer.key("attempts")
        writer.integer(progress.attempts)
        if progress.state == .pending, progress.due > 0 {
            writer.key("next_attempt")
            writer.string(WireTime.text(progress.due))
        }
        if let finished = progress.finished {
            writer.key("finished_at")
            writer.string(WireTime.text(finished))
        }
        if let status = progress.status {
            writer.key("status")
            writer.integer(status)
        }
        if let reason = progress.reason {
            writer.key("reason")
            writer.string(reason)
        }
    }
}
