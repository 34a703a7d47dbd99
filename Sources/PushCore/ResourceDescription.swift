import JSON

/// What the core needs to know of one resource of a provider; comes from its manifest.
package struct ResourceDescription: Equatable, Sendable {
    /// The provider's name of it, such as `contacts`.
    package var name: String
    package var endgrateType: String
    package var displayName: String
    package var fields: [Field]
    /// Fields outside of `fields` are taken under their own name.
    package var hasOpenFields: Bool
    /// What such fields hold; `any`: whatever comes.
    package var openFieldType = FieldType.any
    /// Properties that would be taken for such fields, although the provider is known to have none.
    package var notTaken: [String] = []
    /// In the order of their rank (D5).
    package var matchRules: [MatchRule]
    /// Resources that a record of this one can be linked to.
    package var links: [Link]

    package struct Field: Equatable, Sendable {
        package var name: String
        package var title: String?
        package var type: FieldType
        /// Other names that callers use for it, normalised.
        package var synonyms: [String]
        /// Where its value comes from when the caller's schema has typed entries instead of a flat field.
        package var entries: Entries?
        /// Of a date or a time.
        package var form: TimeForm
        /// Of a text that takes a list: what stands between its elements.
        package var separator: String
        package var words: BooleanWords?
        /// Of a list of typed entries: the member that a plain element becomes.
        package var member: String?

        package init(
            name: String, title: String? = nil, type: FieldType = .any, synonyms: [String] = [],
            entries: Entries? = nil, form: TimeForm = .rfc3339, separator: String = ";", words: BooleanWords? = nil,
            member: String? = nil
        ) {
            self.name = name
            self.title = title
            self.type = type
            self.synonyms = synonyms
            self.entries = entries
            self.form = form
            self.separator = separator
            self.words = words
            self.member = member
        }
    }

    /// A list of typed entries, such as `email_addresses: [{email_address, email_address_type}]`.
    package struct Entries: Equatable, Sendable {
        package var list: String
        package var value: String

        package init(list: String, value: String) {
            self.list = list
            self.value = value
        }
    }

    package struct Link: Equatable, Sendable {
        package var endgrateType: String
        package var resource: String
        /// True when a record can hold only one link of this kind.
        package var isSingle: Bool

        package init(endgrateType: String, resource: String, isSingle: Bool = false) {
            self.endgrateType = endgrateType
            self.resource = resource
            self.isSingle = isSingle
        }
    }

    /// A field that is not listed; nil when it takes values as they come.
    func openField(_ name: String) -> Field? {
        guard openFieldType != .any else { return nil }
        return Field(name: name, type: openFieldType, words: BooleanWords(yes: ["true"], no: ["false"]))
    }

    package init(
        name: String, endgrateType: String, displayName: String, fields: [Field] = [], hasOpenFields: Bool = true,
        matchRules: [MatchRule] = [], links: [Link] = []
    ) {
        self.name = name
        self.endgrateType = endgrateType
        self.displayName = displayName
        self.fields = fields
        self.hasOpenFields = hasOpenFields
        self.matchRules = matchRules
        self.links = links
    }
}
