/// What the core needs to know of a provider; comes from its manifest and, for `local`, the session's settings.
package struct ProviderDescription: Equatable, Sendable {
    /// What can be known after a request whose answer is lost (`design.md` promise 2).
    package enum Class: String, Sendable, CaseIterable {
        /// The same request may be repeated: the provider recognises it.
        case keyed
        /// It can be found out by looking, after the settle time.
        case searchable
        /// It cannot be found out.
        case blind
    }

    package var name: String
    package var displayName: String
    package var authType: String
    package var url: String
    package var image: String
    /// `CRM`, `ACCOUNTING` …
    package var category: String
    package var recoveryClass: Class
    package var resources: [ResourceDescription]
    /// Records that one read may name, and that one write may carry.
    package var readBatch: Int
    package var writeBatch: Int
    package var supportsAssociations: Bool
    /// The provider returns what it stored.
    package var returnsData: Bool
    /// Member of a returned record that holds its fields; nil: the record itself.
    package var fieldsMember: String?
    /// Resources that are not in the manifest come into being under the name of their type.
    package var hasOpenResources: Bool
    /// Exchanges that an account takes; nil: any number.
    package var budget: ExchangeBudget?
    /// Milliseconds that an exchange takes at least.
    package var latencyMilliseconds: Int64 = 0

    package struct ExchangeBudget: Equatable, Sendable {
        package var perSecond: Double
        /// Exchanges that may come at once after a pause.
        package var burst: Int

        package init(perSecond: Double, burst: Int) {
            self.perSecond = perSecond
            self.burst = burst
        }
    }
    /// It stores every value as it is sent: what it returns need not be held against it.
    package var keepsValues = false
    /// One write carries creates only or updates only.
    package var splitsWrites = false
    /// Links are made by requests of their own, after the records are written; writes carry none.
    package var linksAfter = false
    /// Milliseconds after which a request whose answer was lost has had its effect or will have none, and look-ups show
    /// it.
    package var settleMilliseconds: Int64 = 0
    package var partial = Partial.perItem
    /// It returns only fields that it is asked for.
    package var asksForFields = false
    /// Match keys are asked for by rank, the weaker ones only for records that the stronger ones did not settle: fewer
    /// searches, more rounds.
    package var ranksLookups = false
    /// A create may turn out to be an update of a record that is there already, because the provider finds it by a unique
    /// field: nobody knows of it before the answer, so nothing else of the resource is under way meanwhile.
    package var adoptsCreates = false

    /// What a bad record does to the others of its write.
    package enum Partial: String, Sendable, CaseIterable {
        /// Nothing: each has its own answer.
        case perItem
        /// The whole write is refused, and nothing of it is done.
        case allOrNothing
    }

    package init(
        name: String, displayName: String, authType: String = "custom", url: String = "", image: String = "",
        category: String = "CRM", recoveryClass: Class, resources: [ResourceDescription], readBatch: Int,
        writeBatch: Int, supportsAssociations: Bool = true, returnsData: Bool = true, fieldsMember: String? = nil,
        hasOpenResources: Bool = false
    ) {
        self.name = name
        self.displayName = displayName
        self.authType = authType
        self.url = url
        self.image = image
        self.category = category
        self.recoveryClass = recoveryClass
        self.resources = resources
        self.readBatch = readBatch
        self.writeBatch = writeBatch
        self.supportsAssociations = supportsAssociations
        self.returnsData = returnsData
        self.fieldsMember = fieldsMember
        self.hasOpenResources = hasOpenResources
    }

    /// Nothing can be pushed without credentials.
    package var needsCredentials: Bool { authType != "custom" }

    /// Records of one batch: it is read and written in one call each.
    var batchCeiling: Int { min(readBatch, writeBatch) }

    /// The class of records that are pushed without an `internal_id`: where the provider is searched after a lost answer
    /// there is nothing to search for (K17).
    package var classWithoutInternalID: Class { recoveryClass == .searchable ? .blind : recoveryClass }

    /// The resource that takes records of a type; nil when this provider has none.
    package func resource(forType type: String, key: String) -> ResourceDescription? {
        if let known = resources.first(where: { $0.endgrateType == type }) { return known }
        guard hasOpenResources else { return nil }
        let name = type == "unspecified" ? key : type
        return ResourceDescription(name: Self.slug(name), endgrateType: type, displayName: key)
    }

    /// A name that is safe in a path: lower case, everything but letters and digits becomes one hyphen.
    static func slug(_ text: String) -> String {
        var slug = ""
        for scalar in text.lowercased().unicodeScalars {
            if ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "_" {
                slug.unicodeScalars.append(scalar)
            } else if scalar.value > 127 {
                slug += "u" + String(scalar.value, radix: 16)
            } else if !slug.isEmpty && slug.last != "-" {
                slug += "-"
            }
        }
        return slug.isEmpty ? "record" : slug
    }
}
