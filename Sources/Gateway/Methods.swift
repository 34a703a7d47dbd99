import JSON
import JSONRPC
import JSONSchema

/// A method as it is called: its params are checked before the handler sees them. A class, so that a call that looks it
/// up counts one reference and not each of its parts.
final class Method {
    typealias Handler = (Server, Call, JSONView, Responder) -> Void

    let name: String
    let params: CompiledSchema
    /// Params that are accepted and answered with a warning, with its text.
    let warned: [(name: String, text: String)]
    let handler: Handler
    /// Answers while the gateway drains.
    let answersWhileDraining: Bool
    /// Answers while the start still takes up what the last run left.
    let answersBeforeReady: Bool
    /// Answers before `hello` brought the token.
    let needsNoToken: Bool
    /// Absent params are good: they need no validation at each call.
    let needsNoParams: Bool

    init(
        name: String, params: CompiledSchema, warned: [(name: String, text: String)], handler: @escaping Handler,
        answersWhileDraining: Bool, answersBeforeReady: Bool, needsNoToken: Bool
    ) {
        self.name = name
        self.params = params
        self.warned = warned
        self.handler = handler
        self.answersWhileDraining = answersWhileDraining
        self.answersBeforeReady = answersBeforeReady
        self.needsNoToken = needsNoToken
        needsNoParams = Methods.noParams.map { params.isValid($0) } ?? false
    }
}

/// The methods, read from `openrpc.json`: what is not described there cannot be called, and what is described there
/// has a handler, else the gateway does not start.
struct Methods {
    /// By the length of their names, which tells nearly all apart; hashing a name would take longer than the comparisons.
    private let byLength: [[Method]]
    let names: [String]
    /// The document that `rpc.discover` answers, compact.
    let document: [UInt8]
    /// Text for `{}` params.
    static let noParams: JSONView? = try? JSONDocument(parsing: Array("{}".utf8)).root
    /// An item of `transfer_data`.
    let item: CompiledSchema
    /// An item of `identities`.
    let identity: CompiledSchema

    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    private static var handlers: [String: Method.Handler] {
        [
            "initiateSession": SessionMethods.initiate,
            "updateSession": SessionUpdate.update,
            "setSchemas": SessionUpdate.setSchemas,
            "getConfiguration": ConfigurationMethods.configuration,
            "listSessions": SessionMethods.list,
            "deleteSession": SessionMethods.delete,
            "pushTransfer": PushMethods.push,
            "beginTransfer": PartMethods.begin,
            "appendTransfer": PartMethods.append,
            "commitTransfer": PartMethods.commit,
            "resolveRecord": ResolveMethods.resolve,
            "retryTransfer": RetryMethods.retry,
            "listTransfers": TransferMethods.list,
            "cancelTransfer": TransferMethods.cancel,
            "planTransfer": PlanMethods.plan,
            "getTransfer": ResultMethods.transfer,
            "getData": ResultMethods.data,
            "getErrors": ResultMethods.errors,
            "getRecord": RecordMethods.record,
            "getStatistics": ResultMethods.statistics,
            "exportIdentities": IdentityMethods.export,
            "importIdentities": IdentityMethods.import,
            "subscribe": EventMethods.subscribe,
            "unsubscribe": EventMethods.unsubscribe,
            "ack": EventMethods.ack,
            "getEvents": EventMethods.events,
            "listWebhookDeliveries": WebhookMethods.list,
            "replayWebhook": WebhookMethods.replay,
            "getIntegrations": CatalogueMethods.integrations,
            "getTypes": CatalogueMethods.types,
            "hello": ControlMethods.hello,
            "ping": ControlMethods.ping,
            "health": ControlMethods.health,
            "stats": ControlMethods.stats,
            "drain": ControlMethods.drain,
            "rpc.discover": ControlMethods.discover,
        ]
    }
    /// Answer while the start still takes up what the last run left. `stats` does not: its counts would be wrong.
    private static let beforeReady: Set<String> = ["ping", "health", "drain", "hello"]
    private static let whileDraining: Set<String> = ["ping", "health", "stats", "drain", "hello"]
    private static let withoutToken: Set<String> = ["hello", "ping"]

    init(patterns: any PatternCompiler) throws(Fault) {
        guard let openrpc = ProtocolFiles.document("openrpc.json")?.root, let list = openrpc["methods"],
            let itemSchema = openrpc["components"]?["schemas"]?["TransferItem"],
            let identitySchema = openrpc["components"]?["schemas"]?["IdentityPair"]
        else { throw Fault(description: "openrpc.json inside the binary cannot be read") }
        document = openrpc.compactText
        var byName: [String: Method] = [:]
        let handlers = Self.handlers
        do {
            item = try CompiledSchema(itemSchema, patterns: patterns, root: openrpc)
            identity = try CompiledSchema(identitySchema, patterns: patterns, root: openrpc)
            for entry in list.elements {
                guard let name = entry["name"]?.string, let handler = handlers[name] else {
                    throw Fault(description: "openrpc.json describes a method without a handler")
                }
                byName[name] = try Self.method(name, entry, handler, openrpc, patterns)
            }
        } catch let error as Fault {
            throw error
        } catch {
            throw Fault(description: "openrpc.json: \(error)")
        }
        for name in handlers.keys.sorted() where byName[name] == nil {
            throw Fault(description: "openrpc.json does not describe \(name)")
        }
        names = byName.keys.sorted()
        var byLength = [[Method]](repeating: [], count: 1 + (names.map(\.utf8.count).max() ?? 0))
        for method in byName.values { byLength[method.name.utf8.count].append(method) }
        self.byLength = byLength
    }

    subscript(name: String) -> Method? {
        let length = name.utf8.count
        guard length < byLength.count else { return nil }
        for method in byLength[length] where method.name == name { return method }
        return nil
    }

    /// The params of a method are described one by one; together they are an object that holds nothing else.
    private static func method(
        _ name: String, _ entry: JSONView, _ handler: @escaping Method.Handler, _ openrpc: JSONView,
        _ patterns: any PatternCompiler
    ) throws -> Method {
        var schema = JSONWriter()
        var required: [String] = []
        var warned: [(name: String, text: String)] = []
        schema.beginObject()
        schema.key("type")
        schema.plain("object")
        schema.key("additionalProperties")
        schema.bool(false)
        schema.key("properties")
        schema.beginObject()
        if let params = entry["params"] {
            for param in params.elements {
                guard let key = param["name"]?.string, let value = param["schema"] else { continue }
                if param["required"]?.bool == true { required.append(key) }
                if let text = param["x-warning"]?.string { warned.append((key, text)) }
                schema.key(text: key)
                schema.value(value)
            }
        }
        schema.endObject()
        schema.key("required")
        schema.value(.array(required.map { .string($0) }))
        schema.endObject()
        var options = SchemaOptions()
        // Its items are checked in slices.
        if ["pushTransfer", "planTransfer", "appendTransfer"].contains(name) {
            options.externalArrays = ["/transfer_data"]
        }
        if name == "importIdentities" { options.externalArrays = ["/identities"] }
        return Method(
            name: name,
            params: try CompiledSchema(
                JSONDocument(parsing: schema.bytes).root, patterns: patterns, root: openrpc, options: options),
            warned: warned, handler: handler, answersWhileDraining: whileDraining.contains(name),
            answersBeforeReady: beforeReady.contains(name),
            needsNoToken: withoutToken.contains(name))
    }
}

extension Server {
    /// From a call to its handler.
    func dispatch(_ call: Call, _ responder: Responder) {
        guard let method = methods[call.method] else {
            let meant = DidYouMean.nearest(call.method, among: methods.names)
            return responder.error(ErrorReply.methodNotFound(call.method, didYouMean: meant.map { [$0] } ?? []))
        }
        if !responder.connection.isAuthenticated && !method.needsNoToken {
            return responder.error(
                .unauthenticated, "This gateway asks for a token. Send it once with hello {\"token\": …}.")
        }
        if isDraining && !method.answersWhileDraining { return responder.error(.shuttingDown) }
        if !isReady && !method.answersBeforeReady {
            // What the last run left is still being taken up: an answer now could deny a transfer that is on disk.
            whenReady.append { [self] in
                if !responder.isAnswered { dispatch(call, responder) }
            }
            return
        }
        guard let params = call.params ?? Methods.noParams else { return responder.error(.internal) }
        if !(call.params == nil && method.needsNoParams) && !method.params.isValid(params) {
            let violations = method.params.violations(of: params)
            return responder.invalid(
                violations.map { ParamProblem(path: $0.pointer, message: $0.message, suggestion: $0.suggestion) })
        }
        method.handler(self, call, params, responder)
    }
}

extension JSONView {
    /// Bytes of a string value, which is what ceilings on ids count.
    var stringBytes: Int { withContents { $0.count } }
}
