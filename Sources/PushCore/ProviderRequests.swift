import JSON

// What the core asks of a provider and what it hears back, in its own words. Codecs translate to and from exchanges.

/// Reads records by id and by match key. Has no effect, so it may always be repeated.
package struct LookupRequest: Equatable, Sendable {
    package var resource: String
    package var ids: [String]
    package var searches: [Search]
    /// Fields that have to be among what is returned beside those that the provider's description lists, in order.
    package var fields: [String] = []

    package struct Search: Hashable, Sendable {
        /// The field of a match rule.
        package var field: String
        /// Normalised.
        package var value: String

        package init(field: String, value: String) {
            self.field = field
            self.value = value
        }
    }

    package init(resource: String, ids: [String], searches: [Search]) {
        self.resource = resource
        self.ids = ids
        self.searches = searches
    }
}

/// A record as the provider holds it.
package struct KnownRecord: Sendable {
    package var id: String
    /// The object that holds its fields.
    package var fields: JSONView
    /// All of what was returned.
    package var source: JSONView
    /// Ids of linked records, by resource.
    package var links: [String: Set<String>]

    package init(id: String, fields: JSONView, source: JSONView, links: [String: Set<String>]) {
        self.id = id
        self.fields = fields
        self.source = source
        self.links = links
    }
}

package struct LookupAnswer: Sendable {
    package var records: [String: KnownRecord]
    /// Ids by search; a search that found nothing may be missing.
    package var found: [LookupRequest.Search: [String]]

    package init(records: [String: KnownRecord] = [:], found: [LookupRequest.Search: [String]] = [:]) {
        self.records = records
        self.found = found
    }

    mutating func merge(_ other: LookupAnswer) {
        if records.isEmpty && found.isEmpty {
            self = other
        } else {
            records.merge(other.records) { _, newer in newer }
            found.merge(other.found) { _, newer in newer }
        }
    }
}

/// Writes a batch of records of one resource, each with its links.
package struct WriteRequest: Sendable {
    package var resource: String
    /// The same for every attempt of one intent.
    package var key: String
    package var items: [WriteItem]

    package init(resource: String, key: String, items: [WriteItem]) {
        self.resource = resource
        self.key = key
        self.items = items
    }
}

package struct WriteItem: Sendable {
    /// Correlates the answer; the item's place in the batch.
    package var trace: Int
    /// Nil creates.
    package var target: String?
    /// A null clears the field.
    package var fields: [PreparedField]
    package var links: [LinkTarget]

    package init(trace: Int, target: String?, fields: [PreparedField], links: [LinkTarget]) {
        self.trace = trace
        self.target = target
        self.fields = fields
        self.links = links
    }
}

package struct LinkTarget: Hashable, Sendable {
    package var resource: String
    package var id: String

    package init(resource: String, id: String) {
        self.resource = resource
        self.id = id
    }
}

/// What the provider said of one written record.
package enum ItemAnswer: Equatable, Sendable {
    /// - data: what it returned, compact text; empty if nothing.
    case written(id: String, isNew: Bool, data: [UInt8], refusedLinks: [LinkTarget])
    /// The record to update is not there.
    case notFound(String)
    case refused(Failure)
}

/// By trace. An item that is missing was not mentioned by the provider: its outcome is unknown.
package typealias WriteAnswer = [Int: ItemAnswer]

/// Links written records, at providers that take links apart from records. Has the same effect however often it is made.
package struct LinkRequest: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        /// Correlates the answer; the item's place in the batch.
        package var trace: Int
        package var id: String
        package var links: [LinkTarget]

        package init(trace: Int, id: String, links: [LinkTarget]) {
            self.trace = trace
            self.id = id
            self.links = links
        }
    }

    package var resource: String
    /// The same for every attempt, for providers that want one.
    package var key: String
    package var items: [Item]

    package init(resource: String, key: String, items: [Item]) {
        self.resource = resource
        self.key = key
        self.items = items
    }
}

/// Links that the provider refused, by trace. What is not mentioned stands.
package typealias LinkAnswer = [Int: [LinkTarget]]

/// How a request to a provider ended.
package enum Reply<Value: Sendable>: Sendable {
    case answered(Value)
    /// It cannot have had an effect; worth another try.
    case notSent(String)
    /// It may have had an effect.
    case unknown(String)
    /// The provider asks to wait; it had no effect.
    case throttled(milliseconds: Int64)
    /// The provider refused the request as a whole, whatever was in it; it had no effect.
    case refused(Failure)
    /// One or more of its items are bad, and the provider does not say which; it had no effect. Only with more than one
    /// item.
    case refusedTogether(Failure)
}
