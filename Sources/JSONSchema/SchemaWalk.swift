import JSON

// Theory of operation.
//
// One walk checks one value. It runs in one of two ways with the same code. The quick way stops at the first thing that
// is wrong and keeps nothing. The collecting way goes on after a fault and keeps the path, so that every violation can
// say where it is. Alternatives (`anyOf`, `not`, `if` …) are always tried the quick way: that one of them does not fit is
// no fault.
//
// `unevaluated…` asks which members and elements other keywords of the same value have looked at. This is tracked only
// below a schema that asks: each schema then pushes a list of its own, which joins the list of the schema around it if it
// held. A schema that did not hold has looked at nothing.
//
// Schemas come from callers, so the work is bounded: steps in proportion to the size of the value, and schemas within
// schemas. A walk that exceeds a bound refuses the value, whatever `not` would make of that.

struct SchemaWalk {
    /// Schemas inside each other: 128 levels of the value, with a chain of 6 more schemas at each. A level takes up to
    /// 2.3 KB of stack, so this is 2.3 MB.
    static let depthCeiling = 1_000
    /// Schemas tried: this many, and `stepsPerByte` more for each byte of the value.
    static let stepFloor = 20_000
    static let stepsPerByte = 4
    /// Patterns that exceed their limits before the walk is given up: each of them is as dear as ten thousand steps.
    static let overrunCeiling = 3

    enum Step {
        case member(JSONView)
        case element(Int)
    }

    /// What a schema has looked at, by place in the value.
    struct Evaluation {
        var members = PlaceSet()
        var elements = PlaceSet()
    }

    let program: SchemaProgram
    /// Those of the program, without counting references to them.
    let nodes: UnsafeBufferPointer<SchemaNode>
    /// The text of the document that the value belongs to.
    let bytes: UnsafeRawBufferPointer
    let nullIsAbsent: Bool
    var ignoringRequired: Bool
    var limit = 0
    var isCollecting = false
    var isTracking = false
    private(set) var isExhausted = false
    var violations: [Violation] = []
    var path: [Step] = []
    var evaluations: [Evaluation] = []
    /// Resources on the way here, outermost first; kept only if a dynamic reference may ask.
    var scope: [Int32] = []
    private let usesScope: Bool
    /// Where arrays begin whose elements are checked elsewhere.
    private var external: [Int] = []
    private var steps: Int
    private var depth = 0
    private var overruns = 0

    private init(
        _ program: SchemaProgram, _ nodes: UnsafeBufferPointer<SchemaNode>, _ bytes: UnsafeRawBufferPointer,
        _ value: JSONView, ignoringRequired: Bool
    ) {
        self.program = program
        self.nodes = nodes
        self.bytes = bytes
        self.ignoringRequired = ignoringRequired
        nullIsAbsent = program.options.nullIsAbsent
        usesScope = program.usesScope
        steps = Self.stepFloor + Self.stepsPerByte * value.sourceRange.count
        for tokens in program.externalArrays {
            var view: JSONView? = value
            for token in tokens { view = view?[name: token] }
            if let view, view.kind == .array { external.append(view.sourceRange.lowerBound) }
        }
    }

    /// Makes a walk over `value` and hands it to `body`, which may not keep it: it points into the program and the text.
    static func over<Result>(
        _ value: JSONView, by program: SchemaProgram, ignoringRequired: Bool, _ body: (inout SchemaWalk) -> Result
    ) -> Result {
        value.document.bytes.withUnsafeBytes { bytes in
            program.nodes.withUnsafeBufferPointer { nodes in
                var walk = SchemaWalk(program, nodes, bytes, value, ignoringRequired: ignoringRequired)
                return body(&walk)
            }
        }
    }

    /// The violations, if the walk came to an end; else the one that says that it did not.
    mutating func finish() -> [Violation] {
        guard isExhausted else { return violations }
        let message = "The check was given up: it takes more steps than the ceiling allows."
        return Array(violations.prefix(limit - 1)) + [Violation(pointer: "", keyword: "schema", message: message)]
    }

    // MARK: One schema

    /// True when `value` satisfies the schema with this number.
    mutating func check(_ number: Int32, _ value: JSONView) -> Bool {
        let node = nodes[Int(number)]
        if node.acceptsAll { return true }
        guard spend(1), depth < Self.depthCeiling, !isExhausted else {
            isExhausted = true
            return false
        }
        if node.refusesAll { return fail("false", "No value is allowed here.") }
        depth += 1
        defer { depth -= 1 }
        guard isTracking || node.tracks || usesScope else { return assertions(node, value) }

        let entersResource = usesScope && scope.last != node.resource
        if entersResource { scope.append(node.resource) }
        defer { if entersResource { scope.removeLast() } }
        guard isTracking || node.tracks else { return assertions(node, value) }
        let outer = isTracking
        isTracking = true
        evaluations.append(Evaluation())
        var good = assertions(node, value)
        if good || isCollecting { good = unevaluated(node, value) && good }
        isTracking = outer
        // While violations are collected the parts have to hold anyway: what a faulty one has looked at is not unknown.
        if let own = evaluations.popLast(), outer, good || isCollecting {
            evaluations[evaluations.count - 1].members.formUnion(own.members)
            evaluations[evaluations.count - 1].elements.formUnion(own.elements)
        }
        return good
    }

    @inline(__always)
    private mutating func assertions(_ node: SchemaNode, _ value: JSONView) -> Bool {
        let kind = value.kind
        var good = true
        if !node.kinds.contains(KindSet(kind)), !isInteger(node.kinds, value) {
            // Nothing else about a value of the wrong kind is worth saying.
            return fail("type", "Must be \(node.kinds.phrase).")
        }
        if node.choice >= 0, !choice(program.choices[Int(node.choice)], value) { good = false }
        guard good || isCollecting else { return false }
        switch kind {
        case .number where node.number >= 0:
            if !measure(program.numbers[Int(node.number)], text(of: value)) { good = false }
        case .string where node.text >= 0:
            let rule = program.texts[Int(node.text)]
            if !withContents(of: value, { walk, text in walk.read(rule, text) }) { good = false }
        case .array where node.array >= 0:
            if !elements(program.arrays[Int(node.array)], value) { good = false }
        case .object where node.object >= 0:
            if !members(program.objects[Int(node.object)], value) { good = false }
        default: break
        }
        guard good || isCollecting else { return false }
        if node.logic >= 0, !logic(program.logics[Int(node.logic)].content, value) { good = false }
        return good
    }

    private func isInteger(_ kinds: KindSet, _ value: JSONView) -> Bool {
        guard case .number = value.kind, kinds.contains(.integer) else { return false }
        return ExactNumber.isWhole(text(of: value))
    }

    /// Pays for work; false when there is nothing left to pay with.
    @inline(__always)
    mutating func spend(_ work: Int) -> Bool {
        steps -= work
        if steps < 0 { isExhausted = true }
        return steps >= 0
    }

    /// Matches a pattern; nil when it exceeded its limits.
    mutating func match(_ pattern: any PatternMatching, _ text: UnsafeRawBufferPointer) -> Bool? {
        guard spend(1) else { return nil }
        if let found = pattern.matches(text) { return found }
        // Told as a violation where violations are kept. Elsewhere nothing may be concluded from it, in neither direction:
        // under `not`, "not found" would make the value good.
        overruns += 1
        if !isCollecting || overruns > Self.overrunCeiling { isExhausted = true }
        return nil
    }

    // MARK: Ways of checking

    /// Checks a value inside this one: it has its own unevaluated parts and its own place.
    @inline(__always)
    mutating func child(_ number: Int32, _ value: JSONView, _ step: @autoclosure () -> Step) -> Bool {
        let outer = isTracking
        isTracking = false
        if isCollecting {
            path.append(step())
            defer { path.removeLast() }
            let good = check(number, value)
            isTracking = outer
            return good
        }
        let good = check(number, value)
        isTracking = outer
        return good
    }

    /// Tries a schema on this value without keeping what is wrong.
    mutating func holds(_ number: Int32, _ value: JSONView) -> Bool {
        let outer = isCollecting
        isCollecting = false
        let good = check(number, value)
        isCollecting = outer
        return good
    }

    /// Tries a schema as a condition: here `required` counts, because a condition demands nothing.
    mutating func isCondition(_ number: Int32, _ value: JSONView) -> Bool {
        let outer = ignoringRequired
        ignoringRequired = false
        let good = holds(number, value)
        ignoringRequired = outer
        return good
    }

    /// Notes a violation at the present place; always false, so that it can be returned.
    mutating func fail(
        _ keyword: String, _ message: @autoclosure () -> String, suggestion: @autoclosure () -> String? = nil
    ) -> Bool {
        guard isCollecting else { return false }
        violations.append(
            Violation(pointer: pointer, keyword: keyword, message: message(), suggestion: suggestion()))
        // From here on the walk is quick, and so at its end.
        if violations.count >= limit { isCollecting = false }
        return false
    }

    private var pointer: String {
        var text = ""
        for step in path {
            text += "/"
            switch step {
            case .member(let key): text += JSONPointer.escaped(key.string ?? "")
            case .element(let place): text += String(place)
            }
        }
        return text
    }

    // MARK: Looking at the value

    /// The source text of a number.
    @inline(__always)
    func text(of number: JSONView) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[number.sourceRange])
    }

    /// The decoded text of a string or key, in place if it holds no escape.
    @inline(__always)
    mutating func withContents(
        of string: JSONView, _ body: (inout SchemaWalk, UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        let range = string.sourceRange
        let source = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound + 1..<range.upperBound - 1])
        if !TextScan.hasBackslash(source) { return body(&self, source) }
        return string.withContents { body(&self, $0) }
    }

    func isExternal(_ array: JSONView) -> Bool {
        !external.isEmpty && external.contains(array.sourceRange.lowerBound)
    }

    @inline(__always)
    func isAbsent(_ value: JSONView) -> Bool {
        guard nullIsAbsent, case .null = value.kind else { return false }
        return true
    }
}

/// A set of places in a container.
struct PlaceSet {
    private var words: [UInt64] = []

    func contains(_ place: Int) -> Bool {
        place >> 6 < words.count && words[place >> 6] & (1 << UInt64(place & 63)) != 0
    }

    mutating func insert(_ place: Int) {
        while words.count <= place >> 6 { words.append(0) }
        words[place >> 6] |= 1 << UInt64(place & 63)
    }

    mutating func formUnion(_ other: PlaceSet) {
        while words.count < other.words.count { words.append(0) }
        for (index, word) in other.words.enumerated() { words[index] |= word }
    }
}

/// Facts about valid UTF-8, eight bytes at a time.
enum TextScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    static func hasBackslash(_ text: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        while at &+ 8 <= text.count {
            let word = text.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ (ones &* 0x5C)
            if (word &- ones) & ~word & highs != 0 { return true }
            at &+= 8
        }
        while at < text.count {
            if text[at] == 0x5C { return true }
            at &+= 1
        }
        return false
    }

    /// Unicode scalars: every byte that does not continue one begins one.
    static func scalars(_ text: UnsafeRawBufferPointer) -> Int {
        var count = text.count
        var at = 0
        while at &+ 8 <= text.count {
            let word = text.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            // A continuation byte has its highest bit set and the next one clear.
            count &-= (word & ~(word << 1) & highs).nonzeroBitCount
            at &+= 8
        }
        while at < text.count {
            if text[at] & 0xC0 == 0x80 { count &-= 1 }
            at &+= 1
        }
        return count
    }
}
