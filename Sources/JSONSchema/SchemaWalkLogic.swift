import JSON

// MARK: - Schemas over the same value

extension SchemaWalk {
    mutating func logic(_ rule: LogicRule, _ value: JSONView) -> Bool {
        var good = true
        if rule.reference >= 0, !check(rule.reference, value) { good = false }
        guard good || isCollecting else { return false }
        if rule.dynamic >= 0, !check(target(program.dynamic[Int(rule.dynamic)]), value) { good = false }
        for number in rule.allOf {
            guard good || isCollecting else { return false }
            if !check(number, value) { good = false }
        }
        guard good || isCollecting else { return false }
        if !rule.anyOf.isEmpty, !anyOf(rule.anyOf, value) { good = false }
        guard good || isCollecting else { return false }
        if !rule.oneOf.isEmpty, !oneOf(rule.oneOf, value) { good = false }
        guard good || isCollecting else { return false }
        if rule.not >= 0, refuted(rule.not, value) {
            good = fail("not", "Must not be what the schema excludes.")
        }
        guard good || isCollecting else { return false }
        if rule.condition >= 0 {
            let next = isCondition(rule.condition, value) ? rule.consequence : rule.alternative
            if next >= 0, !check(next, value) { good = false }
        }
        return good
    }

    /// True when the schema under `not` holds. What it looked at is forgotten: it has to fail.
    private mutating func refuted(_ number: Int32, _ value: JSONView) -> Bool {
        let outer = isTracking
        isTracking = false
        let holds = isCondition(number, value)
        isTracking = outer
        return holds
    }

    /// The outermost resource on the way here that has the anchor decides (core specification, section 8.2.3.2).
    private func target(_ dynamic: DynamicTarget) -> Int32 {
        guard dynamic.nodes.count > 1 else { return dynamic.initial }
        for resource in scope {
            if let found = dynamic.nodes.first(where: { $0.resource == resource }) { return found.node }
        }
        return dynamic.initial
    }

    private mutating func anyOf(_ numbers: [Int32], _ value: JSONView) -> Bool {
        var holds = false
        for number in numbers {
            if self.holds(number, value) {
                holds = true
                // All that hold have looked at their parts.
                if !isTracking { break }
            }
        }
        return holds || explain("anyOf", numbers, value)
    }

    private mutating func oneOf(_ numbers: [Int32], _ value: JSONView) -> Bool {
        var holding = 0
        for number in numbers where holds(number, value) {
            holding += 1
            if holding > 1 && !ignoringRequired { break }
        }
        if holding == 0 { return explain("oneOf", numbers, value) }
        guard holding > 1 else { return true }
        // Without `required`, alternatives that differ in nothing else all hold: then they are counted with it.
        if ignoringRequired && numbers.count(where: { isCondition($0, value) }) < 2 { return true }
        return fail("oneOf", "Must be exactly one of the alternatives that the schema lists, but is more than one.")
    }

    /// No alternative holds. If the value can only have been meant for one of them, what that one misses is told.
    private mutating func explain(_ keyword: String, _ numbers: [Int32], _ value: JSONView) -> Bool {
        guard isCollecting else { return false }
        let likely = numbers.filter { isMeant($0, value) }
        let before = violations.count
        if likely.count == 1, !check(likely[0], value), violations.count > before { return false }
        // None has looked at anything, but that does not make the parts unknown: one fault, one violation.
        if isTracking {
            for place in 0..<value.count {
                evaluations[evaluations.count - 1].members.insert(place)
                evaluations[evaluations.count - 1].elements.insert(place)
            }
        }
        return fail(keyword, "Must be one of the alternatives that the schema lists, but is none of them.")
    }

    /// True unless the kind of the value, or a member that the alternative pins to other values, rules it out.
    private mutating func isMeant(_ number: Int32, _ value: JSONView) -> Bool {
        var node = nodes[Int(number)]
        for _ in 0..<8 where node.logic >= 0 {
            let reference = program.logics[Int(node.logic)].content.reference
            guard reference >= 0, node.object < 0, node.kinds == .everything else { break }
            node = nodes[Int(reference)]
        }
        if node.refusesAll { return false }
        let kind = value.kind
        let isKind =
            node.kinds.contains(KindSet(kind))
            || (kind == .number && node.kinds.contains(.integer) && ExactNumber.isWhole(text(of: value)))
        guard isKind, kind == .object, node.object >= 0 else { return isKind }
        let rule = program.objects[Int(node.object)].content
        for (name, property) in zip(rule.names, rule.properties) where property.isDeclared {
            guard nodes[Int(property.node)].choice >= 0, let member = value[name: name], !isAbsent(member)
            else { continue }
            if !holds(property.node, member) { return false }
        }
        return true
    }
}

// MARK: - Unevaluated parts

extension SchemaWalk {
    mutating func unevaluated(_ node: SchemaNode, _ value: JSONView) -> Bool {
        switch value.kind {
        case .array where node.array >= 0:
            let number = program.arrays[Int(node.array)].content.unevaluated
            return number < 0 || isExternal(value) || unevaluatedElements(number, value)
        case .object where node.object >= 0:
            let number = program.objects[Int(node.object)].content.unevaluated
            return number < 0 || unevaluatedMembers(number, value, node)
        default: return true
        }
    }

    private mutating func unevaluatedElements(_ number: Int32, _ value: JSONView) -> Bool {
        var good = true
        let own = evaluations.count - 1
        for (place, element) in value.elements.enumerated() where !evaluations[own].elements.contains(place) {
            evaluations[own].elements.insert(place)
            if nodes[Int(number)].refusesAll {
                path.append(.element(place))
                good = fail("unevaluatedItems", "No value is allowed here.")
                path.removeLast()
            } else if !child(number, element, .element(place)) {
                good = false
            }
            guard good || isCollecting else { return false }
        }
        return good
    }

    private mutating func unevaluatedMembers(_ number: Int32, _ value: JSONView, _ node: SchemaNode) -> Bool {
        var good = true
        // Only for messages: what the schema and those over the same value declare.
        let names = isCollecting ? declaredNames(node, depth: 0) : []
        var place = -1
        let own = evaluations.count - 1
        for (key, member) in value.members {
            place += 1
            if isAbsent(member) || evaluations[own].members.contains(place) { continue }
            evaluations[own].members.insert(place)
            if nodes[Int(number)].refusesAll {
                path.append(.member(key))
                good = fail(
                    "unevaluatedProperties", "This property is not known.",
                    suggestion: DidYouMean.nearest(key.string ?? "", among: names))
                path.removeLast()
            } else if !child(number, member, .member(key)) {
                good = false
            }
            guard good || isCollecting else { return false }
        }
        return good
    }
}

extension SchemaWalk {
    private func declaredNames(_ node: SchemaNode, depth: Int) -> [String] {
        guard depth < 8 else { return [] }
        var names: [String] = []
        var parts: [Int32] = []
        if node.object >= 0 {
            let rule = program.objects[Int(node.object)].content
            names = rule.declaredNames
            parts = rule.dependencies.map { $0.node }
        }
        if node.logic >= 0 {
            let rule = program.logics[Int(node.logic)].content
            parts += [rule.reference] + rule.allOf + rule.anyOf + rule.oneOf
            parts += [rule.condition, rule.consequence, rule.alternative]
        }
        for part in parts where part >= 0 && names.count < 1_000 {
            names += declaredNames(nodes[Int(part)], depth: depth + 1)
        }
        return names
    }
}

// MARK: - Equality

extension SchemaWalk {
    /// Equality of values (core specification, section 4.2.2), on the tapes and paid for by the step.
    mutating func isEqual(_ a: JSONView, _ b: JSONView) -> Bool {
        guard a.kind == b.kind, spend(1) else { return false }
        switch a.kind {
        case .null: return true
        case .bool: return a.bool == b.bool
        case .number:
            return a.withSource { one in
                b.withSource { two in Self.isEqual(one, two) }
            }
        case .string:
            return a.withContents { one in b.withContents { two in one.elementsEqual(two) } }
        case .array:
            guard a.count == b.count else { return false }
            for (one, two) in zip(a.elements, b.elements) where !isEqual(one, two) { return false }
            return true
        case .object:
            guard a.count == b.count else { return false }
            for (key, one) in a.members {
                // Finding a key looks at the members before it.
                guard spend(b.count / 8), let two = b[name: key.string ?? ""], isEqual(one, two) else { return false }
            }
            return true
        }
    }

    private static func isEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        switch (ExactNumber(a), ExactNumber(b)) {
        case (let one?, let two?): return one == two
        case (nil, nil):
            return JSONDecimal(String(decoding: a, as: UTF8.self)) == JSONDecimal(String(decoding: b, as: UTF8.self))
        default: return false
        }
    }

    /// Elements are sorted by a digest, and only those with equal digests are compared.
    mutating func isUnique(_ array: JSONView) -> Bool {
        let elements = Array(array.elements)
        var order: [(digest: UInt64, place: Int)] = []
        order.reserveCapacity(elements.count)
        for (place, element) in elements.enumerated() { order.append((digest(element), place)) }
        order.sort { $0.digest != $1.digest ? $0.digest < $1.digest : $0.place < $1.place }
        var first = 0
        for place in order.indices {
            if order[place].digest != order[first].digest { first = place }
            for earlier in first..<place where isEqual(elements[order[earlier].place], elements[order[place].place]) {
                return false
            }
            // A caller may forge digests, but not the steps that he then pays.
            if isExhausted { return false }
        }
        return true
    }

    /// Equal values have equal digests: members count in any order, numbers by value.
    private func digest(_ value: JSONView) -> UInt64 {
        var digest = UInt64(value.kind.rawValue) &+ 1
        func mix(_ word: UInt64) {
            digest = (digest ^ word) &* 0x9E37_79B9_7F4A_7C15
            digest ^= digest >> 29
        }
        switch value.kind {
        case .null: break
        case .bool: mix(value.bool == true ? 1 : 0)
        case .number:
            if let number = ExactNumber(text(of: value)) {
                mix(UInt64(bitPattern: number.mantissa))
                mix(UInt64(truncatingIfNeeded: number.exponent))
            } else {
                let number = JSONDecimal(value.numberText ?? "0")
                for digit in number.digits { mix(UInt64(digit)) }
                mix(UInt64(truncatingIfNeeded: number.exponent))
            }
        case .string: value.withContents { for byte in $0 { mix(UInt64(byte)) } }
        case .array: for element in value.elements { mix(self.digest(element)) }
        case .object:
            var sum: UInt64 = 0
            for (key, member) in value.members {
                sum &+= (self.digest(key) ^ 0x5555) &* (self.digest(member) | 1)
            }
            mix(sum)
        }
        return digest
    }
}
