import JSON

// What callers are told: rows of results, entries of the error log, payloads of events. One rendering each, so that
// `getData`, a webhook and a subscriber see the same thing (`reference` part 7 of the published behaviour).

/// A time as the wire shows it: ISO 8601, UTC, milliseconds.
package enum WireTime {
    /// - Parameter milliseconds: since 1970.
    package static func text(_ milliseconds: Int64) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        append(milliseconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The milliseconds since 1970 of the years 0 to 9999, which have a text.
    package static let years: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    /// Appends the text of a time, years 0 to 9999, for who writes many.
    ///
    /// - Parameter milliseconds: since 1970.
    package static func append(_ milliseconds: Int64, to bytes: inout [UInt8]) {
        let (days, rest) = milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
        let (day, clock) = rest < 0 ? (days - 1, rest + 86_400_000) : (days, rest)
        // Days to a date of the proleptic Gregorian calendar, with years that begin in March.
        let z = day + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        append(year, 1_000, "-", to: &bytes)
        append(month, 10, "-", to: &bytes)
        append(dayOfYear - (153 * shifted + 2) / 5 + 1, 10, "T", to: &bytes)
        append(clock / 3_600_000, 10, ":", to: &bytes)
        append(clock / 60_000 % 60, 10, ":", to: &bytes)
        append(clock / 1_000 % 60, 10, ".", to: &bytes)
        append(clock % 1_000, 100, "Z", to: &bytes)
    }

    /// The digits of a number from a power of ten downwards, and what comes after them.
    private static func append(_ value: Int64, _ power: Int64, _ end: StaticString, to bytes: inout [UInt8]) {
        var power = power
        while power > 0 {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: value / power % 10))
            power /= 10
        }
        bytes.append(end.utf8Start.pointee)
    }
}

/// Rendering of what belongs to one transfer, in the light of the session revision that it pinned.
package struct Payloads {
    package let plan: SessionPlan
    /// Records without an outcome wait for their account to answer.
    package let isPaused: Bool

    package init(plan: SessionPlan, isPaused: Bool = false) {
        self.plan = plan
        self.isPaused = isPaused
    }

    // MARK: Results

    /// A row of `transfer_data`: `{id, internal_id?, data, associations, outcome?, basis?, warnings?}`.
    package func row(_ result: ResultRow, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("id")
        if let id = result.outcome?.providerID, result.outcome?.kind.isWritten == true {
            writer.string(id)
        } else {
            writer.null()
        }
        if let id = result.record.internalID {
            writer.key("internal_id")
            writer.string(id)
        }
        writer.key("data")
        data(result, into: &writer)
        writer.key("associations")
        associations(result, into: &writer)
        if let outcome = result.outcome {
            writer.key("outcome")
            writer.string(outcome.kind.name)
            if let basis = outcome.basis {
                writer.key("basis")
                writer.string(basis.kind.rawValue)
                if let time = basis.asOf {
                    writer.key("as_of")
                    writer.string(WireTime.text(time))
                }
            }
            if !outcome.warnings.isEmpty {
                writer.key("warnings")
                writer.raw(outcome.warnings)
            }
        } else if isPaused {
            writer.key("outcome")
            writer.plain("deferred")
        }
        writer.endObject()
    }

    /// Raw in a push session, in the session's schema in a push+pull one, `{}` if the provider returned nothing.
    private func data(_ result: ResultRow, into writer: inout JSONWriter) {
        guard let outcome = result.outcome, outcome.kind.isWritten, !outcome.data.isEmpty else {
            writer.beginObject()
            return writer.endObject()
        }
        guard plan.returnsSchemaForm, let root = try? JSONDocument(parsing: outcome.data).root else {
            return writer.raw(outcome.data)
        }
        let fields = plan.provider.fieldsMember.flatMap { root[name: $0] } ?? root
        plan.schemas[Int(result.record.schema)].mapping.callerData(
            of: fields, passthrough: plan.allowsPassthrough, into: &writer)
    }

    private func associations(_ result: ResultRow, into writer: inout JSONWriter) {
        writer.beginObject()
        var places: [Int16] = []
        for child in result.children where !places.contains(child.schema) { places.append(child.schema) }
        for place in places {
            writer.key(text: plan.schemas[Int(place)].key)
            writer.beginArray()
            for child in result.children where child.schema == place && child.kind?.isWritten == true {
                if let id = child.providerID { writer.string(id) }
            }
            writer.endArray()
        }
        writer.endObject()
    }

    // MARK: Events

    package func payload(_ logged: LoggedEvent, into writer: inout JSONWriter) {
        let event = logged.event
        if event.kind == .error, let error = logged.error {
            return self.error(error, transferErrors: event.hasErrors, success: true, into: &writer)
        }
        if event.kind == .providerPaused || event.kind == .providerResumed { return pause(event, into: &writer) }
        if event.kind == .webhookFailed, let delivery = logged.delivery { return failed(delivery, into: &writer) }
        writer.beginObject()
        writer.key("success")
        writer.bool(true)
        writer.key("transfer_id")
        writer.string(event.transferID.text)
        writer.key("session_id")
        writer.string(event.session.text)
        writer.key("endgrate")
        writer.beginObject()
        writer.key("endgrate_type")
        writer.string(event.schemaKey)
        writer.endObject()
        writer.key("completed")
        writer.bool(event.isCompleted)
        if event.kind == .data {
            writer.key("transfer_data")
            writer.beginArray()
            for result in logged.results { row(result, into: &writer) }
            writer.endArray()
            writer.key("transfer_errors")
            writer.bool(event.hasErrors)
        } else if let counts = event.counts {
            writer.key("summary")
            Self.summary(counts, into: &writer)
        }
        writer.endObject()
    }

    package static func summary(_ counts: TransferCounts, into writer: inout JSONWriter) {
        writer.beginObject()
        for kind in OutcomeKind.allCases {
            writer.key(text: kind.name)
            writer.integer(counts[kind])
        }
        writer.endObject()
    }

    /// An entry of the error log; `success` only in the event (D25).
    package func error(
        _ error: ErrorRow, transferErrors: Bool, success: Bool, into writer: inout JSONWriter
    ) {
        writer.beginObject()
        if success {
            writer.key("success")
            writer.bool(true)
        }
        writer.key("pk")
        writer.string(error.id.text)
        writer.key("transfer_id")
        writer.string(error.transferID.text)
        writer.key("session_id")
        writer.string(error.session.text)
        writer.key("timestamp")
        writer.string(WireTime.text(error.time))
        writer.key("error_resolve_text")
        writer.string(error.text)
        writer.key("error_type")
        writer.string(error.kind)
        writer.key("resolved")
        writer.bool(error.resolved)
        writer.key("endgrate")
        writer.beginObject()
        writer.key("provider_info")
        providerInfo(into: &writer)
        writer.key("integration_info")
        integrationInfo(schemaKey: error.schemaKey, into: &writer)
        writer.endObject()
        writer.key("warn")
        writer.beginArray()
        writer.endArray()
        writer.key("transfer_errors")
        writer.bool(transferErrors)
        if let id = error.internalID {
            writer.key("internal_id")
            writer.string(id)
        }
        writer.key("index")
        writer.integer(error.index)
        writer.endObject()
    }

    // MARK: The provider

    package func providerInfo(into writer: inout JSONWriter) {
        Self.providerInfo(plan.provider, into: &writer)
    }

    package static func providerInfo(_ provider: ProviderDescription, into writer: inout JSONWriter) {
        writer.beginObject()
        for (key, value) in [
            ("name", provider.name), ("display_name", provider.displayName), ("url", provider.url),
            ("image", provider.image), ("auth_type", provider.authType),
        ] {
            writer.key(text: key)
            writer.string(value)
        }
        writer.key("specific")
        writer.beginObject()
        writer.endObject()
        writer.key("endgrate_provider_type")
        writer.string(provider.category)
        writer.endObject()
    }

    package func integrationInfo(schemaKey: String, into writer: inout JSONWriter) {
        let schema = plan.schemas.first { $0.key == schemaKey } ?? plan.schemas[0]
        writer.beginObject()
        writer.key("name")
        writer.string(Self.integrationName(schema.resource))
        writer.key("display_name")
        writer.string(schema.resource.displayName)
        writer.key("method")
        writer.plain("EXPORT")
        writer.key("endgrate_type")
        writer.string(schema.endgrateType)
        writer.key("supports_associations")
        writer.bool(plan.provider.supportsAssociations)
        writer.endObject()
    }

    package static func integrationName(_ resource: ResourceDescription) -> String { "push-" + resource.name }
}
