import JSON
import JSONRPC
import PushCore

/// `getIntegrations` and `getTypes`.
enum CatalogueMethods {
    static func integrations(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        var providers = server.catalogue.all
        var schemas: [SessionPlan.Schema] = []
        // In force only where there is an account with its options (K17).
        let isOfSession = params["session_id"] != nil
        if let text = params["session_id"]?.string {
            guard let session = server.session(text) else { return responder.error(.sessionNotFound) }
            providers = [session.plan.provider]
            schemas = session.plan.schemas
        }
        if let name = params["provider"]?.string { providers = providers.filter { $0.name == name } }
        if let category = params["category"]?.string {
            providers = providers.filter { $0.category.lowercased() == category.lowercased() }
        }
        responder.object { writer in
            writer.key("providers")
            writer.beginArray()
            for provider in providers {
                writer.beginObject()
                writer.key("provider")
                Payloads.providerInfo(provider, into: &writer)
                writer.key("integrations")
                writer.beginArray()
                for resource in provider.resources {
                    let schema = schemas.first { $0.resource.name == resource.name }
                    let keys = schema?.matchPlaces.count ?? resource.matchRules.count
                    integration(resource, provider, keys: keys, isOfSession: isOfSession, into: &writer)
                }
                writer.endArray()
                writer.endObject()
            }
            writer.endArray()
        }
    }

    /// - Parameter keys: match keys that its records are looked for by.
    private static func integration(
        _ resource: ResourceDescription, _ provider: ProviderDescription, keys: Int, isOfSession: Bool,
        into writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.key("display_name")
        writer.string(resource.displayName)
        writer.key("resource")
        writer.string(resource.name)
        writer.key("endgrate_type")
        writer.string(resource.endgrateType)
        writer.key("supports_push")
        writer.bool(true)
        writer.key("supports_pull")
        writer.bool(false)
        writer.key("is_custom_object")
        writer.bool(false)
        writer.key("supports_associations")
        writer.bool(provider.supportsAssociations)
        writer.key("class")
        // Where a record has no key, there is nothing to search for.
        let isBlind = provider.recoveryClass == .searchable && keys == 0
        writer.string(isBlind ? "blind" : provider.recoveryClass.rawValue)
        if isOfSession {
            writer.key("class_without_internal_id")
            writer.string(provider.classWithoutInternalID.rawValue)
        }
        writer.endObject()
    }

    static func types(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        responder.object { writer in
            writer.key("types")
            writer.beginArray()
            for (type, schema) in server.catalogue.types {
                writer.beginObject()
                writer.key("endgrate_type")
                writer.string(type)
                writer.key("title")
                writer.string(schema["title"]?.string ?? type)
                writer.key("schema")
                writer.value(schema)
                writer.endObject()
            }
            writer.endArray()
            writer.key("known")
            writer.value(.array(server.catalogue.knownTypes.map { .string($0) }))
        }
    }
}
