import JSON
import JSONRPC
import PushCore

/// `getConfiguration`.
enum ConfigurationMethods {
    static func configuration(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        server.store.read(.examples(session: session.row.id)) { answer in
            guard case .examples(let examples) = answer else { return responder.error(.internal) }
            var writer = JSONWriter()
            write(session.plan, examples.mapValues { Examples(text: $0) }, into: &writer) {
                server.writeConfigured(session, into: &$0)
                server.writePaused(session.row.account, into: &$0)
            }
            responder.result(text: writer.bytes)
        }
    }

    /// - Parameter more: further members, after the session's id.
    static func write(
        _ plan: SessionPlan, _ examples: [String: Examples], into writer: inout JSONWriter,
        more: (inout JSONWriter) -> Void
    ) {
        let payloads = Payloads(plan: plan)
        writer.beginObject()
        writer.key("success")
        writer.bool(true)
        writer.key("session_id")
        writer.string(plan.session.text)
        more(&writer)
        writer.key("endgrate")
        writer.beginObject()
        writer.key("provider")
        writer.string(plan.provider.name)
        writer.key("provider_info")
        payloads.providerInfo(into: &writer)
        writer.endObject()
        writer.key("schemas")
        writer.beginObject()
        for schema in plan.schemas {
            writer.key(text: schema.key)
            configured(schema, payloads, examples[schema.key], into: &writer)
        }
        writer.endObject()
        writer.key("passthrough_schemas")
        writer.beginObject()
        writer.endObject()
        writer.endObject()
    }

    /// Members of a schema that are told in a form of their own; the other ones are told as they were given.
    private static let told: Set<String> = [
        "type", "associations", "endgrate_type", "properties", "required", "title", "session_method", "$schema",
        "description",
    ]

    private static func configured(
        _ schema: SessionPlan.Schema, _ payloads: Payloads, _ examples: Examples?, into writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.key("integration_info")
        payloads.integrationInfo(schemaKey: schema.key, into: &writer)
        writer.key("integration")
        writer.string(Payloads.integrationName(schema.resource))
        writer.key("schema")
        writer.beginObject()
        writer.key("type")
        writer.plain("object")
        writer.key("associations")
        writer.bool(payloads.plan.provider.supportsAssociations)
        writer.key("endgrate_type")
        writer.string(schema.endgrateType)
        writer.key("properties")
        if let properties = schema.source["properties"] {
            writer.value(properties)
        } else {
            writer.beginObject()
            writer.endObject()
        }
        writer.key("required")
        if let required = schema.source["required"] {
            writer.value(required)
        } else {
            writer.beginArray()
            writer.endArray()
        }
        writer.key("title")
        writer.string(schema.title ?? schema.source["title"]?.string ?? schema.key)
        writer.key("session_method")
        writer.plain("EXPORT")
        for (key, value) in schema.source.members where !told.contains(key.string ?? "") {
            writer.key(text: key.string ?? "")
            writer.value(value)
        }
        writer.endObject()
        writer.key("passthrough_fields")
        writer.beginObject()
        writer.key("properties")
        writer.beginObject()
        writer.endObject()
        writer.key("required")
        writer.beginArray()
        writer.endArray()
        writer.endObject()
        writer.key("mapping")
        mapping(schema, payloads.plan, examples, into: &writer)
        writer.endObject()
    }

    private static func mapping(
        _ schema: SessionPlan.Schema, _ plan: SessionPlan, _ examples: Examples?, into writer: inout JSONWriter
    ) {
        writer.beginArray()
        for rule in schema.mapping.rules { shown(rule, plan, examples, into: &writer) }
        for (list, how) in [(schema.mapping.withheld, "caller"), (schema.mapping.unmapped, "unmapped")] {
            for unsent in list {
                writer.beginObject()
                writer.key("field")
                writer.string(unsent.path)
                writer.key("to")
                writer.null()
                writer.key("how")
                writer.string(how)
                writer.key("why")
                writer.string(unsent.why)
                writer.key("upsert")
                writer.string(plan.defaultUpsert.rawValue)
                show(
                    examples?.values(of: unsent.property, selection: unsent.selection, entry: unsent.entry),
                    into: &writer)
                writer.endObject()
            }
        }
        writer.endArray()
    }

    private static func shown(
        _ rule: MappingRule, _ plan: SessionPlan, _ examples: Examples?, into writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.key("field")
        writer.string(rule.path)
        writer.key("to")
        writer.string(rule.field)
        writer.key("how")
        writer.string(rule.how.rawValue)
        writer.key("why")
        writer.string(rule.why)
        writer.key("upsert")
        writer.string(rule.mode.rawValue)
        if rule.skipsNull ?? plan.options.skipsNull {
            writer.key("skip_null")
            writer.bool(true)
        }
        if let conversion = rule.conversion {
            writer.key("conversion")
            writer.string(conversion.rawValue)
        }
        show(examples?.values(of: rule.property, selection: rule.selection, entry: rule.entry), into: &writer)
        writer.endObject()
    }

    private static func show(_ values: [JSONView]?, into writer: inout JSONWriter) {
        guard let values, !values.isEmpty else { return }
        writer.key("examples")
        writer.beginArray()
        for value in values { writer.value(value) }
        writer.endArray()
    }
}
