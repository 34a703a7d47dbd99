import JSON

// The keywords, each once: what it asks, and the sentence it answers with.

/// `1 element`, `2 elements`.
private func counted(_ count: Int, _ thing: String, _ things: String? = nil) -> String {
    "\(count) \(count == 1 ? thing : things ?? thing + "s")"
}

// MARK: - Scalars

extension SchemaWalk {
    mutating func choice(_ box: SchemaRule<ChoiceRule>, _ value: JSONView) -> Bool {
        if case .string = value.kind {
            if withContents(of: value, { _, text in box.content.strings.find(text) >= 0 }) { return true }
        } else {
            for other in box.content.others where other.kind == value.kind {
                if isEqual(value, other) { return true }
            }
        }
        let keyword = box.content.keyword
        return fail(keyword, "Must be \(keyword == "const" ? "" : "one of ")\(box.content.phrase).")
    }

    mutating func measure(_ box: SchemaRule<NumberRule>, _ text: UnsafeRawBufferPointer) -> Bool {
        var good = true
        if let bound = box.content.minimum, bound.compare(text) < 0 {
            good = fail("minimum", "Must be at least \(bound.text).")
        }
        if let bound = box.content.exclusiveMinimum, bound.compare(text) <= 0 {
            good = fail("exclusiveMinimum", "Must be greater than \(bound.text).")
        }
        if let bound = box.content.maximum, bound.compare(text) > 0 {
            good = fail("maximum", "Must be at most \(bound.text).")
        }
        if let bound = box.content.exclusiveMaximum, bound.compare(text) >= 0 {
            good = fail("exclusiveMaximum", "Must be less than \(bound.text).")
        }
        if let bound = box.content.multipleOf, !bound.divides(text) {
            good = fail("multipleOf", "Must be a multiple of \(bound.text).")
        }
        return good
    }

    mutating func read(_ box: SchemaRule<TextRule>, _ text: UnsafeRawBufferPointer) -> Bool {
        var good = true
        if box.content.needsLength {
            let length = TextScan.scalars(text)
            if length < box.content.minimum {
                good = fail("minLength", "Must have at least \(counted(box.content.minimum, "character")).")
            }
            if length > box.content.maximum {
                good = fail("maxLength", "Must have at most \(counted(box.content.maximum, "character")).")
            }
            guard good || isCollecting else { return false }
        }
        if let format = box.content.format, !(text.isEmpty && program.options.emptyTextHasAnyFormat),
            !format.accepts(text, program)
        {
            good = fail("format", "Must be \(format.phrase).")
        }
        guard good || isCollecting else { return false }
        if let pattern = box.content.pattern {
            let source = box.content.patternText
            switch match(pattern, text) {
            case true: break
            case false: good = fail("pattern", "Must match the pattern \(source).")
            case nil: good = fail("pattern", "Takes more steps to match the pattern \(source) than the limit allows.")
            }
        }
        return good
    }
}

// MARK: - Arrays

extension SchemaWalk {
    mutating func elements(_ box: SchemaRule<ArrayRule>, _ value: JSONView) -> Bool {
        let rule = box.content
        var good = true
        let count = value.count
        if count < rule.minimum {
            good = fail("minItems", "Must have at least \(counted(rule.minimum, "element")).")
        }
        if count > rule.maximum {
            good = fail("maxItems", "Must have at most \(counted(rule.maximum, "element")).")
        }
        guard good || isCollecting else { return false }
        guard rule.looksAtElements, !isExternal(value) else { return good }
        if !rule.prefix.isEmpty || rule.items >= 0 {
            for (place, element) in value.elements.enumerated() {
                let isPrefix = place < rule.prefix.count
                let number = isPrefix ? rule.prefix[place] : rule.items
                guard number >= 0 else { break }
                if isTracking { evaluations[evaluations.count - 1].elements.insert(place) }
                if nodes[Int(number)].refusesAll {
                    good = refuseElement(place, isPrefix ? "prefixItems" : "items", rule.prefix.count)
                } else if !child(number, element, .element(place)) {
                    good = false
                }
                guard good || isCollecting else { return false }
            }
        }
        if rule.contains >= 0, !contains(rule, value) { good = false }
        guard good || isCollecting else { return false }
        if rule.isUnique, !isUnique(value) { good = fail("uniqueItems", "May not hold two equal elements.") }
        return good
    }

    private mutating func refuseElement(_ place: Int, _ keyword: String, _ allowed: Int) -> Bool {
        path.append(.element(place))
        defer { path.removeLast() }
        return fail(
            keyword,
            keyword == "items"
                ? "The array may have at most \(counted(allowed, "element"))." : "No value is allowed here.")
    }

    private mutating func contains(_ rule: ArrayRule, _ value: JSONView) -> Bool {
        var found = 0
        let outer = isCollecting
        isCollecting = false
        for (place, element) in value.elements.enumerated() {
            if child(rule.contains, element, .element(place)) {
                found += 1
                if isTracking { evaluations[evaluations.count - 1].elements.insert(place) }
            }
        }
        isCollecting = outer
        if found < rule.minContains {
            return fail(
                rule.minContains == 1 ? "contains" : "minContains",
                "Must hold at least \(counted(rule.minContains, "element")) of the kind that the schema asks for.")
        }
        if found > rule.maxContains {
            return fail(
                "maxContains",
                "May hold at most \(counted(rule.maxContains, "element")) of the kind that the schema names.")
        }
        return true
    }
}

// MARK: - Objects

extension SchemaWalk {
    mutating func members(_ box: SchemaRule<ObjectRule>, _ value: JSONView) -> Bool {
        var good = true
        var required = 0
        var present = 0
        var place = -1
        for (key, member) in value.members {
            place += 1
            if isAbsent(member) { continue }
            present += 1
            let found = find(key, box.content.table)
            var isEvaluated = false
            if found >= 0 {
                let property = box.content.properties[found]
                if property.isRequired { required += 1 }
                if property.isDeclared {
                    isEvaluated = true
                    if !self.member(property.node, key, member, "properties", box) { good = false }
                }
            }
            if !box.content.patterns.isEmpty, !patterns(box, key, member, &isEvaluated) { good = false }
            if !isEvaluated, box.content.additional >= 0 {
                isEvaluated = true
                if !self.member(box.content.additional, key, member, "additionalProperties", box) { good = false }
            }
            if isEvaluated, isTracking { evaluations[evaluations.count - 1].members.insert(place) }
            if box.content.propertyNames >= 0, !name(box.content.propertyNames, key) { good = false }
            guard good || isCollecting else { return false }
        }
        if required < box.content.requiredCount, !ignoringRequired {
            good = missing(box, value)
        }
        if present < box.content.minimum {
            good = fail(
                "minProperties",
                "Must have at least \(counted(box.content.minimum, "property", "properties")).")
        }
        if present > box.content.maximum {
            good = fail(
                "maxProperties", "Must have at most \(counted(box.content.maximum, "property", "properties")).")
        }
        guard good || isCollecting else { return false }
        if !box.content.dependencies.isEmpty, !dependencies(box, value) { good = false }
        return good
    }

    /// The place of a key in a table of names.
    @inline(__always)
    private mutating func find(_ key: JSONView, _ table: borrowing NameTable) -> Int {
        if table.isEmpty { return -1 }
        let range = key.sourceRange
        let source = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound + 1..<range.upperBound - 1])
        let found = table.find(source)
        if found >= 0 ? !table.hasBackslash : !TextScan.hasBackslash(source) { return found }
        var decoded = -1
        key.withContents { decoded = table.find($0) }
        return decoded
    }

    @inline(__always)
    private mutating func member(
        _ number: Int32, _ key: JSONView, _ value: JSONView, _ keyword: String, _ box: SchemaRule<ObjectRule>
    ) -> Bool {
        guard nodes[Int(number)].refusesAll else { return child(number, value, .member(key)) }
        path.append(.member(key))
        defer { path.removeLast() }
        if keyword == "properties" || keyword == "patternProperties" {
            return fail(keyword, "This property is not allowed here.")
        }
        return fail(
            keyword, "This property is not known.",
            suggestion: DidYouMean.nearest(key.string ?? "", among: box.content.declaredNames))
    }

    private mutating func patterns(
        _ box: SchemaRule<ObjectRule>, _ key: JSONView, _ value: JSONView, _ isEvaluated: inout Bool
    ) -> Bool {
        var good = true
        for pattern in box.content.patterns {
            var found: Bool?
            _ = withContents(of: key) { walk, text in
                found = walk.match(pattern.matcher, text)
                return true
            }
            switch found {
            case true:
                isEvaluated = true
                if !member(pattern.node, key, value, "patternProperties", box) { good = false }
            case false: break
            case nil:
                path.append(.member(key))
                good = fail(
                    "patternProperties", "The name takes more steps to match the patterns than the limit allows.")
                path.removeLast()
            }
            guard good || isCollecting else { return false }
        }
        return good
    }

    /// A name is checked as a string; what is wrong is told at the property.
    private mutating func name(_ number: Int32, _ key: JSONView) -> Bool {
        let before = violations.count
        if child(number, key, .member(key)) { return true }
        if violations.count > before {
            let reason = violations[before].message
            violations.removeSubrange((before + 1)...)
            violations[before].keyword = "propertyNames"
            violations[before].message = "The name of the property is not allowed. \(reason)"
        }
        return false
    }

    private mutating func missing(_ box: SchemaRule<ObjectRule>, _ value: JSONView) -> Bool {
        for (name, property) in zip(box.content.names, box.content.properties) where property.isRequired {
            if !has(name, value) { _ = fail("required", "The property \"\(name)\" is required.") }
        }
        return false
    }

    private func has(_ name: String, _ value: JSONView) -> Bool {
        value[name: name].map { !isAbsent($0) } ?? false
    }

    private mutating func dependencies(_ box: SchemaRule<ObjectRule>, _ value: JSONView) -> Bool {
        var good = true
        for dependency in box.content.dependencies where has(dependency.name, value) {
            for name in dependency.names where !has(name, value) {
                good = fail(
                    "dependentRequired", "The property \"\(name)\" is required beside \"\(dependency.name)\".")
            }
            if dependency.node >= 0, !check(dependency.node, value) { good = false }
            guard good || isCollecting else { return false }
        }
        return good
    }
}
