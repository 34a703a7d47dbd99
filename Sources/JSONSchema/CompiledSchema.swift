import JSON

/// How a schema is read, beyond the specification.
package struct SchemaOptions: Equatable, Sendable {
    /// `null` means "no value": a member that is null counts as absent for every keyword of its object, and no schema
    /// looks at it. Elements of arrays are not members and keep their null.
    package var nullIsAbsent: Bool
    /// `date-time` also accepts `YYYY-MM-DD HH:MM:SS`, with or without fraction and offset, as databases print it,
    /// and `time` a time of day without an offset.
    package var lenientDateTime: Bool
    /// `""` is good for every `format`: forms send it for a field that was left empty.
    package var emptyTextHasAnyFormat: Bool
    /// JSON Pointers, into the value, of arrays whose elements are checked elsewhere: only the keywords about the array
    /// as a whole apply (`type`, `minItems`, `maxItems`).
    package var externalArrays: Set<String>

    package init(
        nullIsAbsent: Bool = false, lenientDateTime: Bool = false, emptyTextHasAnyFormat: Bool = false,
        externalArrays: Set<String> = []
    ) {
        self.nullIsAbsent = nullIsAbsent
        self.lenientDateTime = lenientDateTime
        self.emptyTextHasAnyFormat = emptyTextHasAnyFormat
        self.externalArrays = externalArrays
    }

    /// For the data of records (`semantics.md`, D18).
    package static let records = SchemaOptions(
        nullIsAbsent: true, lenientDateTime: true, emptyTextHasAnyFormat: true)
}

/// Something that a value has not as its schema asks.
package struct Violation: Equatable, Sendable {
    /// Where in the value: a JSON Pointer (RFC 6901).
    package var pointer: String
    /// The keyword that was not satisfied. `false` for the schema that refuses everything, `schema` if the check was
    /// given up because it took too many steps.
    package var keyword: String
    /// What is expected, as an English sentence. Never quotes the value.
    package var message: String
    /// A known property with a similar name, where this one is unknown.
    package var suggestion: String?

    package init(pointer: String, keyword: String, message: String, suggestion: String? = nil) {
        self.pointer = pointer
        self.keyword = keyword
        self.message = message
        self.suggestion = suggestion
    }
}

/// One fault of a schema.
package struct SchemaProblem: Equatable, Sendable {
    /// Where in the schema, or in the document in which its references are resolved: a JSON Pointer.
    package let pointer: String
    package let message: String
}

/// Why a schema cannot be used: every problem that was found, at most `ceiling`.
package struct SchemaFailure: Error, Equatable, Sendable {
    package static let ceiling = 100
    package let problems: [SchemaProblem]
}

/// A schema (JSON Schema, draft 2020-12) that is ready to check values.
///
/// `format` asserts for `date`, `time`, `date-time`, `email`, `hostname`, `ipv4`, `ipv6`, `uri`, `uri-reference`, `uuid`
/// and `regex`; other formats are ignored, and so are unknown keywords. References stay inside the document.
package struct CompiledSchema: Sendable {
    let program: SchemaProgram

    /// - Parameters:
    ///   - schema: the schema; it is copied as far as it is needed.
    ///   - root: the document in which `#/…` is resolved, if the schema is only a part of it; `schema` itself if nil.
    /// - Throws: `SchemaFailure` with all problems of the schema and of the schemas that it refers to.
    package init(
        _ schema: JSONView, patterns: any PatternCompiler, root: JSONView? = nil, options: SchemaOptions = .init()
    ) throws(SchemaFailure) {
        var compiler = SchemaCompiler(schema, root: root ?? schema, patterns: patterns)
        program = try compiler.program(options: options)
    }

    /// Everything that is wrong with `value`, at most `limit` violations, in the order of the value.
    ///
    /// - Parameter ignoringRequired: `required` is not asked for, as for a record that is only updated. It still counts
    ///   where it is a condition (`if`, `not`) and not a demand.
    package func violations(of value: JSONView, limit: Int = 100, ignoringRequired: Bool = false) -> [Violation] {
        // Good values are the rule: they are told by the quick walk, which keeps no path and makes no message.
        if limit < 1 || isValid(value, ignoringRequired: ignoringRequired) { return [] }
        return SchemaWalk.over(value, by: program, ignoringRequired: ignoringRequired) { walk in
            walk.limit = limit
            walk.isCollecting = true
            _ = walk.check(program.root, value)
            return walk.finish()
        }
    }

    /// True when `value` satisfies the schema; stops at the first violation and allocates nothing for a plain object.
    package func isValid(_ value: JSONView, ignoringRequired: Bool = false) -> Bool {
        SchemaWalk.over(value, by: program, ignoringRequired: ignoringRequired) { walk in
            walk.check(program.root, value) && !walk.isExhausted
        }
    }
}
