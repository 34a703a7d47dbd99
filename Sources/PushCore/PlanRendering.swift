import JSON

/// What the wire shows of a planned record beside its action and ids.
struct PlanRendering {
    let member: Batch.Member
    /// The record that it is decided on, as it would be by then.
    let known: KnownRecord?
    /// Fields that would be written over it.
    let fields: [PreparedField]
    let failures: [Failure]
    /// The top-level item that was the last to be the same record.
    let follows: Int32?

    /// Members of an object without its braces; empty for none.
    var content: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        if let follows {
            writer.key("same_as")
            writer.integer(follows)
        }
        if !fields.isEmpty { diff(into: &writer) }
        links(into: &writer)
        if !failures.isEmpty { faults(into: &writer) }
        if !member.warnings.isEmpty {
            writer.key("warnings")
            writer.raw(Warning.text(member.warnings))
        }
        writer.endObject()
        return Array(writer.bytes.dropFirst().dropLast())
    }

    private func diff(into writer: inout JSONWriter) {
        writer.key("diff")
        writer.beginArray()
        for field in fields {
            writer.beginObject()
            writer.key("field")
            writer.string(field.name)
            writer.key("from")
            if let value = known?.fields[name: field.name] { writer.value(value) } else { writer.null() }
            writer.key("to")
            writer.value(field.value)
            writer.endObject()
        }
        writer.endArray()
    }

    /// Links that the provider does not have yet.
    private func links(into writer: inout JSONWriter) {
        guard failures.isEmpty else { return }
        let missing = member.links.filter { !(known?.links[$0.resource]?.contains($0.id) ?? false) }
        guard !missing.isEmpty else { return }
        writer.key("links")
        writer.beginArray()
        for link in missing {
            writer.beginObject()
            writer.key("resource")
            writer.string(link.resource)
            if !PlanOverlay.isNew(link.id) {
                writer.key("id")
                writer.string(link.id)
            }
            writer.endObject()
        }
        writer.endArray()
    }

    private func faults(into writer: inout JSONWriter) {
        let candidates = failures.flatMap(\.candidates).filter { !PlanOverlay.isNew($0) }
        if !candidates.isEmpty {
            writer.key("candidates")
            writer.value(.array(candidates.map { .string($0) }))
        }
        writer.key("errors")
        writer.beginArray()
        for failure in failures {
            writer.beginObject()
            writer.key("error_type")
            writer.string(failure.kind.rawValue)
            writer.key("code")
            writer.string(failure.code.rawValue)
            writer.key("message")
            writer.string(failure.text)
            if let pointer = failure.pointer {
                writer.key("path")
                writer.string(pointer)
            }
            writer.endObject()
        }
        writer.endArray()
    }
}

extension PlannedResult {
    /// A row of a plan: `{index, internal_id?, action, id?, …, associations?}`; what is below it is nested.
    package func write(_ plan: SessionPlan, into writer: inout JSONWriter) {
        guard let top = rows.last else { return }
        write(top, plan, isTop: true, into: &writer)
    }

    private func write(_ item: Item, _ plan: SessionPlan, isTop: Bool, into writer: inout JSONWriter) {
        writer.beginObject()
        if isTop {
            writer.key("index")
            writer.integer(item.record.index)
        }
        if let id = item.record.internalID {
            writer.key("internal_id")
            writer.string(id)
        }
        writer.key("action")
        writer.string(item.planned.mark.action.name)
        if let id = item.planned.providerID {
            writer.key("id")
            writer.string(id)
        }
        if !item.planned.content.isEmpty {
            writer.raw(joined: ",")
            writer.raw(joined: item.planned.content)
        }
        let below = rows.filter { $0.record.parent == item.record.place.ordinal }
        if !below.isEmpty {
            writer.key("associations")
            writer.beginObject()
            var places: [Int16] = []
            for child in below where !places.contains(child.record.schema) { places.append(child.record.schema) }
            for place in places {
                writer.key(text: plan.schemas[Int(place)].key)
                writer.beginArray()
                for child in below where child.record.schema == place {
                    write(child, plan, isTop: false, into: &writer)
                }
                writer.endArray()
            }
            writer.endObject()
        }
        writer.endObject()
    }
}

extension PlanRow {
    /// `{create, update, unchanged, ambiguous, invalid}`: records of any level.
    package func summary(into writer: inout JSONWriter) {
        writer.beginObject()
        for (action, count) in zip(PlanAction.allCases, counts) {
            writer.key(text: action.name)
            writer.integer(count)
        }
        writer.endObject()
    }
}
