/// Why a record could not be written: what its error entry says (`error_type`, `error_resolve_text`).
package struct Failure: Error, Equatable, Sendable {
    /// The published four.
    package enum Kind: String, Sendable, CaseIterable {
        case `internal`
        case transferData = "transfer_data"
        case upstream
        case authentication
    }

    package var kind: Kind
    /// Stable and machine-readable.
    package var code: Code
    /// What is wrong and what to do; never holds record contents.
    package var text: String
    /// JSON Pointer into the record's data, where one place of it is wrong.
    package var pointer: String?
    /// Provider records that an ambiguous match fits.
    package var candidates: [String] = []

    package enum Code: String, Sendable, CaseIterable {
        /// A value breaks the schema of its session.
        case schemaViolation = "schema_violation"
        /// The provider's field takes another kind of value, into which this one cannot be made.
        case valueNotConvertible = "value_not_convertible"
        /// A property that neither the schema nor passthrough allows.
        case unknownProperty = "unknown_property"
        /// A property that a new record needs is missing.
        case missingRequired = "missing_required"
        /// A match key fits several records.
        case ambiguousMatch = "ambiguous_match"
        /// `id` and the remembered record of `internal_id` differ.
        case identityConflict = "identity_conflict"
        /// An earlier version of the internal id may have been created, and nobody has said whether it was.
        case identityInDoubt = "identity_in_doubt"
        /// Nothing to write and no known record to link to.
        case nothingToWrite = "nothing_to_write"
        /// Associations deeper than the ceiling.
        case associationsTooDeep = "associations_too_deep"
        /// `id` names no record at the provider.
        case notFoundUpstream = "not_found_upstream"
        /// The provider refused the record.
        case refusedUpstream = "refused_upstream"
        /// The provider does not accept the account's credentials.
        case unauthorizedUpstream = "unauthorized_upstream"
        /// The provider could not be reached before the deadline.
        case unavailableUpstream = "unavailable_upstream"
        /// A request was sent and nobody knows whether it had an effect.
        case outcomeUnknown = "outcome_unknown"
        /// The transfer or its session was ended before the record was sent.
        case cancelled
        /// A plan was applied, and what stands at the provider is not what the plan was made from.
        case planStale = "plan_stale"
        /// A fault of the gateway.
        case fault
    }

    package init(_ kind: Kind, _ code: Code, _ text: String, pointer: String? = nil) {
        self.kind = kind
        self.code = code
        self.text = text
        self.pointer = pointer
    }
}
