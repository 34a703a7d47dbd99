import JSON
import PushCore

/// A request that is refused as a whole, before anything was done.
struct CallRefusal: Error, Equatable {
    enum Code: String {
        case badRequest = "BAD_REQUEST"
        case notFound = "NOT_FOUND"
        case methodNotAllowed = "METHOD_NOT_ALLOWED"
        case tooLarge = "TOO_LARGE"
        case idempotencyConflict = "IDEMPOTENCY_CONFLICT"
        case refusedTogether = "REFUSED_TOGETHER"
        case unauthorized = "UNAUTHORIZED"
        case tooManyRequests = "TOO_MANY_REQUESTS"
        case unavailable = "UNAVAILABLE"
    }

    var code: Code
    var message: String
    /// JSON Pointer into the body; empty for the request as a whole.
    var pointer = ""

    var status: Int {
        switch code {
        case .badRequest: 400
        case .notFound: 404
        case .methodNotAllowed: 405
        case .tooLarge: 413
        case .idempotencyConflict, .refusedTogether: 422
        case .unauthorized: 401
        case .tooManyRequests: 429
        case .unavailable: 503
        }
    }

    static func bad(_ message: String, _ pointer: String = "") -> CallRefusal {
        CallRefusal(code: .badRequest, message: message, pointer: pointer)
    }

    static func tooLarge(_ message: String, _ pointer: String = "") -> CallRefusal {
        CallRefusal(code: .tooLarge, message: message, pointer: pointer)
    }
}

/// A request, understood as far as it can be without looking at the records.
enum LocalCall {
    case read(ReadRequest)
    case write(WriteRequest)

    /// Inputs of a write; ids and searches of a read, together.
    static let itemCeiling = 1_000
    /// Links of all inputs of a write.
    static let linkCeiling = 10_000
    /// Bytes of a body.
    static let bodyCeiling = 32 << 20
    /// Bytes of an answer.
    static let answerCeiling = 64 << 20
    /// Bytes of an idempotency key.
    static let keyCeiling = 255

    init(_ exchange: Exchange) throws(CallRefusal) {
        guard let (resource, verb) = Self.route(exchange.path) else {
            throw CallRefusal(code: .notFound, message: "Paths are /{resource}/read and /{resource}/write.")
        }
        guard exchange.method == "POST" else {
            throw CallRefusal(code: .methodNotAllowed, message: "The method of this path is POST.")
        }
        guard exchange.body.count <= Self.bodyCeiling else {
            throw .tooLarge("A body has at most \(Self.bodyCeiling) bytes.")
        }
        let root: JSONView
        do throws(JSONSyntaxError) {
            root = try JSONDocument(parsing: exchange.body).root
        } catch {
            throw .bad("The body is not JSON: \(error).")
        }
        guard root.kind == .object else { throw .bad("The body must be an object.") }
        switch verb {
        case .read: self = .read(try ReadRequest(resource: resource, body: root))
        case .write:
            guard let key = exchange.idempotencyKey, !key.isEmpty, key.utf8.count <= Self.keyCeiling else {
                throw .bad("A write needs an idempotency key of 1 to \(Self.keyCeiling) bytes.")
            }
            let mark = RequestMark(path: exchange.path, body: exchange.body)
            self = .write(try WriteRequest(resource: resource, key: key, mark: mark, body: root))
        }
    }

    enum Verb: String { case read, write }

    var resource: String {
        switch self {
        case .read(let request): request.resource
        case .write(let request): request.resource
        }
    }
    var operation: LocalFault.Operation {
        switch self {
        case .read: .read
        case .write: .write
        }
    }

    /// Bytes of a resource's name, decoded.
    static let nameCeiling = 128

    /// The resource is one percent-encoded segment, since custom resources bear the names of their schemas.
    static func route(_ path: String) -> (resource: String, verb: Verb)? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty, let verb = Verb(rawValue: String(parts[2])),
            let name = percentDecoded(parts[1]), !name.isEmpty, name.utf8.count <= nameCeiling,
            name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
        return (name, verb)
    }

    private static func percentDecoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let high = hexadecimal(digits.first), let low = hexadecimal(digits.last) else {
                return nil
            }
            bytes.append(high << 4 | low)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8?) -> UInt8? {
        switch byte {
        case .some(let byte) where byte >= 0x30 && byte <= 0x39: byte - 0x30
        case .some(let byte) where byte >= 0x41 && byte <= 0x46: byte - 0x37
        case .some(let byte) where byte >= 0x61 && byte <= 0x66: byte - 0x57
        default: nil
        }
    }
}

/// `POST /{resource}/read`.
struct ReadRequest {
    struct Search {
        var field: String
        /// As it came; it is normalised again, which changes nothing on what is normalised already.
        var value: String
    }

    var resource: String
    var ids: [String] = []
    var search: [Search] = []

    init(resource: String, body: JSONView) throws(CallRefusal) {
        self.resource = resource
        let ids = try Self.array(body["ids"], "/ids")
        let search = try Self.array(body["search"], "/search")
        guard (ids?.count ?? 0) + (search?.count ?? 0) <= LocalCall.itemCeiling else {
            throw .tooLarge("A read names at most \(LocalCall.itemCeiling) ids and values.")
        }
        if let ids {
            for (place, id) in ids.elements.enumerated() {
                guard let text = id.string else { throw .bad("An id must be a string.", "/ids/\(place)") }
                self.ids.append(text)
            }
        }
        if let search {
            for (place, one) in search.elements.enumerated() {
                guard let field = one["field"]?.string, let value = one["value"]?.string else {
                    throw .bad("A search must have the strings `field` and `value`.", "/search/\(place)")
                }
                self.search.append(Search(field: field, value: value))
            }
        }
    }

    private static func array(_ view: JSONView?, _ pointer: String) throws(CallRefusal) -> JSONView? {
        guard let view else { return nil }
        guard view.kind == .array else { throw .bad("This must be an array.", pointer) }
        return view
    }
}

/// `POST /{resource}/write`.
struct WriteRequest {
    struct Input {
        /// The caller's mark, by which results are told apart.
        var trace: Int64
        /// The input as it came; what is wrong inside of it is wrong for it alone.
        var view: JSONView
    }

    var resource: String
    var key: String
    var mark: RequestMark
    var inputs: [Input] = []

    init(resource: String, key: String, mark: RequestMark, body: JSONView) throws(CallRefusal) {
        self.resource = resource
        self.key = key
        self.mark = mark
        guard let list = body["inputs"], list.kind == .array else {
            throw .bad("A write must have the array `inputs`.", "/inputs")
        }
        guard list.count <= LocalCall.itemCeiling else {
            throw .tooLarge("A write has at most \(LocalCall.itemCeiling) inputs.", "/inputs")
        }
        var traces: Set<Int64> = []
        var links = 0
        inputs.reserveCapacity(list.count)
        for (place, view) in list.elements.enumerated() {
            guard let trace = view["trace"]?.integer else {
                throw .bad("An input must be an object with the integer `trace`.", "/inputs/\(place)")
            }
            guard traces.insert(trace).inserted else {
                throw .bad("Two inputs have the same `trace`.", "/inputs/\(place)/trace")
            }
            links += view["links"]?.count ?? 0
            inputs.append(Input(trace: trace, view: view))
        }
        guard links <= LocalCall.linkCeiling else {
            throw .tooLarge("A write has at most \(LocalCall.linkCeiling) links.", "/inputs")
        }
    }
}

extension WriteRequest {
    /// Why an account that takes things apart does not take this write; nil: it does.
    func refusal(_ settings: LocalSettings) -> CallRefusal? {
        func creates(_ input: Input) -> Bool { input.view["op"]?.isString("create") == true }
        if settings.takesWritesApart, let first = inputs.first,
            inputs.contains(where: { creates($0) != creates(first) })
        {
            return .bad("A write carries creates only or updates only.", "/inputs")
        }
        guard settings.takesLinksApart else { return nil }
        for (place, input) in inputs.enumerated() where input.view["links"]?.count ?? 0 > 0 {
            if creates(input) || input.view["fields"]?.count ?? 0 > 0 {
                return .bad("Links are made by updates without fields.", "/inputs/\(place)/links")
            }
        }
        return nil
    }
}
