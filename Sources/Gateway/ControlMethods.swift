import JSON
import JSONRPC

/// `hello`, `ping`, `health`, `stats`, `drain`, `rpc.discover`.
enum ControlMethods {
    static func ping(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        responder.result(constant: "{}")
    }

    static func hello(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let connection = responder.connection
        if let wanted = params["protocol"]?.integer, wanted != 1 {
            return responder.invalid([
                ParamProblem(path: "/protocol", message: "This gateway speaks version 1 of the protocol.")
            ])
        }
        if let expected = server.configuration.token, !connection.isAuthenticated {
            guard let given = params["token"], given.withContents({ equal($0, expected) }) else {
                return responder.error(.unauthenticated, "The token is missing or wrong.")
            }
            connection.isAuthenticated = true
        }
        connection.hasSaidHello = true
        if let bytes = params["max_line_bytes"]?.integer {
            connection.outboundLine = Int(bytes)
            // What is referred to must fit the line of its getData with room to spare.
            connection.eventPayload = max(server.ceilings.eventPayload, Int(bytes) - 16_384)
        }
        responder.object { writer in
            writer.key("server")
            writer.beginObject()
            writer.key("name")
            writer.string(Product.name)
            writer.key("version")
            writer.string(Product.version)
            writer.endObject()
            writer.key("protocol")
            writer.beginArray()
            writer.integer(1)
            writer.endArray()
            writer.key("features")
            writer.beginArray()
            writer.endArray()
            writer.key("limits")
            limits(server, connection, into: &writer)
            writer.key("instance")
            writer.string(server.instance)
        }
    }

    private static func limits(_ server: Server, _ connection: Connection, into writer: inout JSONWriter) {
        let ceilings = server.ceilings
        writer.beginObject()
        for (name, value) in [
            ("inbound_line", ceilings.framing.line), ("outbound_line", connection.outboundLine),
            ("depth", ceilings.framing.depth), ("batch_calls", ceilings.framing.batch),
            ("in_flight_calls", ceilings.framing.inFlight), ("subscriptions", ceilings.subscriptions),
            ("event_payload", connection.eventPayload),
        ] {
            writer.key(text: name)
            writer.integer(value)
        }
        writer.endObject()
    }

    /// Takes as long for a wrong token as for the right one.
    private static func equal(_ given: UnsafeRawBufferPointer, _ expected: [UInt8]) -> Bool {
        guard given.count == expected.count else { return false }
        var difference: UInt8 = 0
        for place in 0..<expected.count { difference |= given[place] ^ expected[place] }
        return difference == 0
    }

    static func health(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let free = server.store.freeBytes()
        let checks: [(String, Bool, String?)] = [
            ("store", true, nil),
            (
                "disk", free >= server.ceilings.freeSpace,
                free >= server.ceilings.freeSpace ? nil : "\(free) bytes are free beside the store"
            ),
            ("local", true, nil),
        ]
        responder.object { writer in
            writer.key("live")
            writer.bool(true)
            writer.key("ready")
            writer.bool(server.isReady && !server.isDraining && checks.allSatisfy(\.1))
            writer.key("checks")
            writer.beginArray()
            for (name, ok, detail) in checks {
                writer.beginObject()
                writer.key("name")
                writer.string(name)
                writer.key("ok")
                writer.bool(ok)
                if let detail {
                    writer.key("detail")
                    writer.string(detail)
                }
                writer.endObject()
            }
            writer.endArray()
        }
    }

    static func stats(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let counters = server.counters
        let values: [(String, Int)] = [
            ("uptime_ms", Int(server.uptimeMilliseconds)), ("connections", server.connections.count),
            ("calls", counters.calls), ("errors", counters.errors),
            ("transfers_running", server.driver.machine.running),
            ("records_queued", server.driver.machine.queuedRecords),
            ("accounts_paused", server.driver.machine.pausedAccounts), ("commits", server.store.commits),
            ("exchanges", server.driver.exchanges), ("events_logged", Int(server.driver.machine.latestEvent)),
            ("events_delivered", counters.eventsDelivered), ("inbound_bytes", counters.inboundBytes),
            ("outbound_bytes", counters.outboundBytes),
            ("longest_turn_us", server.turns.microseconds(server.loop)),
            ("webhooks_pending", server.webhooks.machine.pending), ("webhook_attempts", server.webhooks.attempts),
            ("webhooks_delivered", server.webhooks.delivered), ("webhooks_failed", server.webhooks.failed),
            ("webhook_endpoints_paused", server.webhooks.machine.paused),
        ]
        responder.object { writer in
            for (name, value) in values {
                writer.key(text: name)
                writer.integer(value)
            }
        }
    }

    static func drain(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        if let peer = responder.connection.peer, peer.uid != 0, peer.uid != server.ownUser {
            return responder.error(.forbidden, "Only the user that the gateway runs as, or root, may drain it.")
        }
        responder.object { writer in
            writer.key("draining")
            writer.bool(true)
            writer.key("deadline_ms")
            writer.integer(server.configuration.drainTime / 1_000_000)
            writer.key("records_queued")
            writer.integer(server.driver.machine.queuedRecords)
        }
        server.drain()
    }

    static func discover(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        responder.result(text: server.methods.document)
    }
}
