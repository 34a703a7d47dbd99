import JSON

/// Why one input was not done; the others are.
struct InputRefusal: Error, Equatable {
    enum Code: String {
        /// `id` names no record of the resource.
        case notFound = "NOT_FOUND"
        /// A value that must be unique is another record's already.
        case conflict = "CONFLICT"
        /// The input is not what it must be.
        case validation = "VALIDATION"
    }

    var code: Code
    /// What is wrong; never holds contents of a record.
    var message: String
    /// Of a conflict: the record that has the value.
    var id: Int64?

    init(_ code: Code, _ message: String, id: Int64? = nil) {
        self.code = code
        self.message = message
        self.id = id
    }
}

/// One input of a write, checked as far as it can be without looking at the records.
struct WriteOrder {
    struct LinkOrder: Equatable {
        var resource: String
        /// As it came, since a refusal repeats it.
        var id: String
    }

    /// The record to update; nil to create one.
    var target: Int64?
    /// An object; nil when the input has none, which is no change.
    var fields: JSONView?
    var links: [LinkOrder] = []

    init(_ view: JSONView) throws(InputRefusal) {
        switch view["op"]?.string {
        case "create":
            guard view["id"] == nil else { throw InputRefusal(.validation, "A create has no `id`.") }
        case "update":
            guard let id = view["id"]?.string else {
                throw InputRefusal(.validation, "An update must have the string `id`.")
            }
            guard let number = RecordID.number(id) else { throw Self.unknown }
            target = number
        default: throw InputRefusal(.validation, "`op` must be \"create\" or \"update\".")
        }
        if let given = view["fields"] {
            guard given.kind == .object else { throw InputRefusal(.validation, "`fields` must be an object.") }
            fields = given
        }
        guard let list = view["links"] else { return }
        guard list.kind == .array else { throw InputRefusal(.validation, "`links` must be an array.") }
        for link in list.elements {
            guard let resource = link["resource"]?.string, let id = link["id"]?.string else {
                throw InputRefusal(.validation, "A link must have the strings `resource` and `id`.")
            }
            links.append(LinkOrder(resource: resource, id: id))
        }
    }

    static var unknown: InputRefusal { InputRefusal(.notFound, "`id` names no record of this resource.") }
}

/// Ids are positive decimal numbers; on the wire they are strings.
enum RecordID {
    /// Nil unless `text` is the one spelling of a positive number: `017`, `+17` and ` 17` name nothing.
    static func number(_ text: String) -> Int64? {
        guard let number = Int64(text), number > 0, text.utf8.first.map({ $0 >= 0x31 && $0 <= 0x39 }) == true else {
            return nil
        }
        return number
    }
}
