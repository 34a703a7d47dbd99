import JSON

// Theory of operation.
//
// A place in the document becomes one node, whoever refers to it, so recursion in the schema is only a number that was
// given out before. Places wait in a queue; compiling one gives numbers to the places below it and to those that it
// refers to. At the end a search makes sure that no chain of schemas that all look at the same value closes on itself:
// such a schema would be walked for ever. All problems are gathered, so that a schema is mended in one go.

struct SchemaCompiler {
    var index: SchemaIndex
    let patterns: any PatternCompiler
    var parts = SchemaParts()
    var problems: [SchemaProblem] = []
    private let start: SchemaPlace
    private var numbers: [SchemaKey: Int32] = [:]
    private var places: [SchemaPlace] = []
    private var compiled = 0
    private var matchers: [String: any PatternMatching] = [:]
    private var dynamicNumbers: [String: Int32] = [:]

    init(_ schema: JSONView, root: JSONView, patterns: any PatternCompiler) {
        self.patterns = patterns
        index = SchemaIndex(root)
        start = index.visit(SchemaPlace(view: schema, resource: 0, pointer: Self.pointer(to: schema, in: root)))
    }

    /// Where `schema` stands in `root`; empty if it is another document.
    private static func pointer(to schema: JSONView, in root: JSONView) -> String {
        guard schema.document === root.document else { return "" }
        let wanted = schema.sourceRange
        var pointer = ""
        var view = root
        func holds(_ view: JSONView) -> Bool {
            view.sourceRange.lowerBound <= wanted.lowerBound && view.sourceRange.upperBound >= wanted.upperBound
        }
        while view.sourceRange != wanted {
            if let member = view.members.first(where: { holds($0.value) }) {
                pointer += "/" + JSONPointer.escaped(member.key.string ?? "")
                view = member.value
            } else if let element = view.elements.enumerated().first(where: { holds($0.element) }) {
                pointer += "/\(element.offset)"
                view = element.element
            } else {
                return ""
            }
        }
        return pointer
    }

    mutating func program(options: SchemaOptions) throws(SchemaFailure) -> SchemaProgram {
        for pointer in options.externalArrays.sorted() where JSONPointer.tokens(pointer) == nil {
            problems.append(SchemaProblem(pointer: "", message: "An external array must be named by a JSON Pointer."))
        }
        let root = node(start)
        compileQueue()
        collectDynamicTargets()
        refuseCycles()
        let all = index.problems + problems
        guard all.isEmpty else { throw SchemaFailure(problems: Array(all.prefix(SchemaFailure.ceiling))) }
        return SchemaProgram(parts, root: root, options: options, patterns: patterns)
    }

    /// The number of the schema at `place`, which is compiled sooner or later.
    mutating func node(_ place: SchemaPlace) -> Int32 {
        if let number = numbers[place.key] { return number }
        let number = Int32(parts.nodes.count)
        numbers[place.key] = number
        let place = index.visit(place)
        var node = SchemaNode()
        node.resource = Int32(place.resource)
        parts.nodes.append(node)
        places.append(place)
        return number
    }

    func problem(at place: SchemaPlace, _ keyword: String, _ message: String) -> SchemaProblem {
        SchemaProblem(pointer: place.pointer + "/" + JSONPointer.escaped(keyword), message: message)
    }

    private mutating func compileQueue() {
        while compiled < places.count {
            let place = places[compiled]
            switch place.view.kind {
            case .bool:
                let accepts = place.view.bool ?? true
                parts.nodes[compiled].acceptsAll = accepts
                parts.nodes[compiled].refusesAll = !accepts
            case .object:
                compile(place, number: compiled)
            default:
                problems.append(
                    SchemaProblem(pointer: place.pointer, message: "A schema must be an object, true or false."))
            }
            compiled += 1
        }
    }

    private mutating func compile(_ place: SchemaPlace, number: Int) {
        var draft = SchemaDraft(place: place)
        for (key, value) in place.view.members {
            let name = key.string ?? ""
            let isKnown =
                assertion(name, value, &draft) || logic(name, value, &draft) || array(name, value, &draft)
                || object(name, value, &draft)
            // Annotations and keywords of other vocabularies assert nothing.
            _ = isKnown
        }
        finish(draft, number: number)
    }

    private mutating func finish(_ draft: SchemaDraft, number: Int) {
        var node = parts.nodes[number]
        node.kinds = draft.kinds
        if let rule = draft.choice {
            node.choice = Int32(parts.choices.count)
            parts.choices.append(SchemaRule(rule))
        }
        if let rule = draft.number {
            node.number = Int32(parts.numbers.count)
            parts.numbers.append(SchemaRule(rule))
        }
        if let rule = draft.text {
            node.text = Int32(parts.texts.count)
            parts.texts.append(SchemaRule(rule))
        }
        if let rule = draft.array {
            node.array = Int32(parts.arrays.count)
            parts.arrays.append(SchemaRule(rule))
        }
        if let rule = draft.objectRule {
            node.object = Int32(parts.objects.count)
            parts.objects.append(SchemaRule(rule))
        }
        if let rule = draft.logic {
            node.logic = Int32(parts.logics.count)
            parts.logics.append(SchemaRule(rule))
        }
        node.tracks = (draft.array?.unevaluated ?? -1) >= 0 || (draft.object?.unevaluated ?? -1) >= 0
        node.acceptsAll =
            node.kinds == .everything && max(node.choice, node.number, node.text) < 0
            && max(node.array, node.object, node.logic) < 0
        parts.nodes[number] = node
    }

    /// The compiled pattern; nil, with a problem, if it is refused.
    mutating func matcher(_ pattern: String, _ place: SchemaPlace, _ keyword: String) -> (any PatternMatching)? {
        if let matcher = matchers[pattern] { return matcher }
        do throws(PatternRefused) {
            let matcher = try patterns.compile(pattern)
            matchers[pattern] = matcher
            return matcher
        } catch {
            let at = error.offset.map { " (at byte \($0))" } ?? ""
            problems.append(problem(at: place, keyword, "The pattern is refused: \(error.reason)\(at)."))
            return nil
        }
    }

    // MARK: References

    /// The number of what `$ref` or `$dynamicRef` refers to; nil, with a problem, if there is nothing.
    mutating func reference(
        _ keyword: String, _ value: JSONView, _ place: SchemaPlace
    ) -> (node: Int32, dynamic: Int32)? {
        guard let text = value.string else {
            problems.append(problem(at: place, keyword, "\(keyword) must be a URI reference."))
            return nil
        }
        switch index.resolve(text, in: place.resource) {
        case .refused(let reason):
            problems.append(problem(at: place, keyword, reason))
            return nil
        case .found(let target, let anchor):
            let number = node(target)
            guard keyword == "$dynamicRef", let anchor,
                index.resources[target.resource].dynamicAnchors[anchor]?.key == target.key
            else { return (number, -1) }
            if let dynamic = dynamicNumbers[anchor], parts.dynamic[Int(dynamic)].initial == number {
                return (number, dynamic)
            }
            let dynamic = Int32(parts.dynamic.count)
            dynamicNumbers[anchor] = dynamic
            parts.dynamic.append(DynamicTarget(name: anchor, initial: number))
            return (number, dynamic)
        }
    }

    /// Every schema that a dynamic reference may come to mean is compiled; that may bring further references.
    private mutating func collectDynamicTargets() {
        var done = 0
        var resources = 0
        while done < parts.dynamic.count || resources < index.resources.count {
            done = parts.dynamic.count
            resources = index.resources.count
            for number in 0..<done {
                parts.dynamic[number].nodes = []
                for resource in 0..<resources {
                    guard let place = index.resources[resource].dynamicAnchors[parts.dynamic[number].name] else {
                        continue
                    }
                    let target = node(place)
                    parts.dynamic[number].nodes.append((Int32(resource), target))
                }
            }
            compileQueue()
        }
    }

    // MARK: Cycles

    /// The schemas that look at the same value as this one.
    private func inPlace(_ number: Int) -> [Int32] {
        let node = parts.nodes[number]
        var targets: [Int32] = []
        if node.logic >= 0 {
            let rule = parts.logics[Int(node.logic)].content
            targets += rule.allOf + rule.anyOf + rule.oneOf
            targets += [rule.reference, rule.not, rule.condition, rule.consequence, rule.alternative]
            if rule.dynamic >= 0 { targets += parts.dynamic[Int(rule.dynamic)].nodes.map { $0.node } }
        }
        if node.object >= 0 { targets += parts.objects[Int(node.object)].content.dependencies.map { $0.node } }
        return targets.filter { $0 >= 0 }
    }

    /// Depth first, with a stack of its own: the chain may be as long as the document.
    private mutating func refuseCycles() {
        enum Colour { case unseen, open, closed }
        var colours = [Colour](repeating: .unseen, count: parts.nodes.count)
        for first in 0..<parts.nodes.count where colours[first] == .unseen {
            var stack: [(node: Int, targets: [Int32])] = [(first, inPlace(first))]
            colours[first] = .open
            while let top = stack.popLast() {
                var targets = top.targets
                guard let next = targets.popLast().map(Int.init) else {
                    colours[top.node] = .closed
                    continue
                }
                stack.append((top.node, targets))
                switch colours[next] {
                case .closed: break
                case .open:
                    problems.append(
                        SchemaProblem(
                            pointer: places[next].pointer,
                            message: "The schema leads back to itself without going down into the value."))
                    colours[next] = .closed
                case .unseen:
                    colours[next] = .open
                    stack.append((next, inPlace(next)))
                }
            }
        }
    }
}
