import JSON

// Theory of operation.
//
// A schema is compiled to a flat list of nodes that name each other by number, so that recursive schemas need no
// reference cycles and one node is 32 bytes of plain data. What a node asks of one kind of value stands in a rule of its
// own, reached by number as well: a node that says only `"type": "string"` has none and costs one comparison.
// Everything that can be decided once is decided by the compiler: references are numbers, names are sorted, patterns are
// compiled, constants are documents. The program is never changed afterwards and may be shared.

/// The kinds that a value may have. `integer` narrows `number`.
struct KindSet: OptionSet, Equatable, Sendable {
    let rawValue: UInt8
    static let integer = KindSet(rawValue: 1 << 6)
    static let everything = KindSet(rawValue: 0x7F)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Spelled out, because `rawValue` of another module's type is a call, and this is asked of every value.
    @inline(__always)
    init(_ kind: JSONKind) {
        switch kind {
        case .null: rawValue = 1 << 0
        case .bool: rawValue = 1 << 1
        case .number: rawValue = 1 << 2
        case .string: rawValue = 1 << 3
        case .array: rawValue = 1 << 4
        case .object: rawValue = 1 << 5
        }
    }

    /// The kinds that a name of the keyword `type` stands for; nil for a name that is none.
    static func named(_ name: String) -> KindSet? {
        switch name {
        case "null": KindSet(.null)
        case "boolean": KindSet(.bool)
        case "number": [KindSet(.number), .integer]
        case "integer": .integer
        case "string": KindSet(.string)
        case "array": KindSet(.array)
        case "object": KindSet(.object)
        default: nil
        }
    }

    /// For messages: `a string or null`.
    var phrase: String {
        var parts: [String] = []
        if contains(KindSet(.string)) { parts.append("a string") }
        if contains(KindSet(.number)) {
            parts.append("a number")
        } else if contains(.integer) {
            parts.append("an integer")
        }
        if contains(KindSet(.bool)) { parts.append("true or false") }
        if contains(KindSet(.array)) { parts.append("an array") }
        if contains(KindSet(.object)) { parts.append("an object") }
        if contains(KindSet(.null)) { parts.append("null") }
        guard let last = parts.popLast() else { return "nothing" }
        return parts.isEmpty ? last : parts.joined(separator: ", ") + " or " + last
    }
}

/// One compiled schema. Numbers are places in the lists of the program; -1 means that there is no such rule.
struct SchemaNode: Sendable {
    var kinds = KindSet.everything
    /// The schema `false`.
    var refusesAll = false
    /// Has `unevaluatedProperties` or `unevaluatedItems`, and so must know what its parts have looked at.
    var tracks = false
    /// No keyword that asserts anything: every value is good.
    var acceptsAll = false
    var resource: Int32 = 0
    var choice: Int32 = -1
    var number: Int32 = -1
    var text: Int32 = -1
    var array: Int32 = -1
    var object: Int32 = -1
    var logic: Int32 = -1
}

/// Carries a rule by reference: looking one up costs one count, however many lists it holds.
final class SchemaRule<Content: Sendable>: Sendable {
    let content: Content
    init(_ content: Content) { self.content = content }
}

struct ChoiceRule: Sendable {
    /// The allowed strings.
    var strings = NameTable([])
    /// The allowed values of other kinds, each a document of its own.
    var others: [JSONView] = []
    /// `enum` or `const`, for the violation.
    var keyword = "enum"
    /// The allowed values as a clause for people: `"a", "b" or 3`.
    var phrase = ""
}

struct NumberRule: Sendable {
    var minimum: NumberBound?
    var exclusiveMinimum: NumberBound?
    var maximum: NumberBound?
    var exclusiveMaximum: NumberBound?
    var multipleOf: NumberBound?
}

struct TextRule: Sendable {
    /// In Unicode scalars, as the specification counts.
    var minimum = 0
    var maximum = Int.max
    var pattern: (any PatternMatching)?
    var patternText = ""
    var format: TextFormat?
    var needsLength: Bool { minimum > 0 || maximum < Int.max }
}

struct ArrayRule: Sendable {
    var prefix: [Int32] = []
    var items: Int32 = -1
    var contains: Int32 = -1
    var minContains = 1
    var maxContains = Int.max
    var minimum = 0
    var maximum = Int.max
    var isUnique = false
    var unevaluated: Int32 = -1
    var looksAtElements: Bool {
        !prefix.isEmpty || items >= 0 || contains >= 0 || isUnique || unevaluated >= 0
    }
}

struct ObjectRule: Sendable {
    struct Property: Sendable {
        /// Its schema; -1 if it is only required.
        var node: Int32 = -1
        var isRequired = false
        var isDeclared: Bool { node >= 0 }
    }

    struct Pattern: Sendable {
        let matcher: any PatternMatching
        let node: Int32
    }

    struct Dependency: Sendable {
        let name: String
        /// Names that must be there too.
        var names: [String] = []
        /// A schema that the whole object must satisfy too; -1 if there is none.
        var node: Int32 = -1
    }

    var table = NameTable([])
    /// In the order of `table` and `names`.
    var properties: [Property] = []
    var names: [String] = []
    var requiredCount = 0
    var patterns: [Pattern] = []
    var additional: Int32 = -1
    var propertyNames: Int32 = -1
    var minimum = 0
    var maximum = Int.max
    var dependencies: [Dependency] = []
    var unevaluated: Int32 = -1
    var declaredNames: [String] { zip(names, properties).filter { $0.1.isDeclared }.map { $0.0 } }
}

/// Schemas that look at the same value.
struct LogicRule: Sendable {
    var reference: Int32 = -1
    /// A `$dynamicRef` whose meaning depends on the way that led here: a place in `SchemaProgram.dynamic`.
    var dynamic: Int32 = -1
    var allOf: [Int32] = []
    var anyOf: [Int32] = []
    var oneOf: [Int32] = []
    var not: Int32 = -1
    var condition: Int32 = -1
    var consequence: Int32 = -1
    var alternative: Int32 = -1
}

/// The schemas that a `$dynamicRef` may stand for.
struct DynamicTarget: Sendable {
    let name: String
    /// What it stands for if no resource on the way has the anchor.
    let initial: Int32
    /// By resource, in ascending order.
    var nodes: [(resource: Int32, node: Int32)] = []
}

final class SchemaProgram: Sendable {
    let nodes: ContiguousArray<SchemaNode>
    let choices: ContiguousArray<SchemaRule<ChoiceRule>>
    let numbers: ContiguousArray<SchemaRule<NumberRule>>
    let texts: ContiguousArray<SchemaRule<TextRule>>
    let arrays: ContiguousArray<SchemaRule<ArrayRule>>
    let objects: ContiguousArray<SchemaRule<ObjectRule>>
    let logics: ContiguousArray<SchemaRule<LogicRule>>
    let dynamic: [DynamicTarget]
    /// True if what a dynamic reference means depends on the way that led to it.
    let usesScope: Bool
    let options: SchemaOptions
    /// `options.externalArrays`, sorted and split into tokens.
    let externalArrays: [[String]]
    let patterns: any PatternCompiler
    let root: Int32

    init(_ parts: SchemaParts, root: Int32, options: SchemaOptions, patterns: any PatternCompiler) {
        nodes = parts.nodes
        choices = parts.choices
        numbers = parts.numbers
        texts = parts.texts
        arrays = parts.arrays
        objects = parts.objects
        logics = parts.logics
        dynamic = parts.dynamic
        usesScope = parts.dynamic.contains { $0.nodes.count > 1 }
        self.options = options
        externalArrays = options.externalArrays.sorted().compactMap { JSONPointer.tokens($0) }
        self.patterns = patterns
        self.root = root
    }
}

/// A program while it is being compiled.
struct SchemaParts: Sendable {
    var nodes: ContiguousArray<SchemaNode> = []
    var choices: ContiguousArray<SchemaRule<ChoiceRule>> = []
    var numbers: ContiguousArray<SchemaRule<NumberRule>> = []
    var texts: ContiguousArray<SchemaRule<TextRule>> = []
    var arrays: ContiguousArray<SchemaRule<ArrayRule>> = []
    var objects: ContiguousArray<SchemaRule<ObjectRule>> = []
    var logics: ContiguousArray<SchemaRule<LogicRule>> = []
    var dynamic: [DynamicTarget] = []
}
