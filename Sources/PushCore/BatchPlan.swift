import JSON

// What a batch has set out to do, as its intent keeps it.

extension Batch {
    /// What was decided, for making the same request again after a restart: transfer, ordinal, trace, target, fields.
    func planText() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("namespace")
        writer.string(key.namespace)
        if purpose != .write {
            writer.key("p")
            writer.plain(purpose == .link ? "link" : "doubt")
        }
        writer.key("items")
        writer.beginArray()
        for place in members.indices {
            let member = members[place]
            guard member.write != nil || member.written != nil else { continue }
            let write = member.write ?? Member.Write(target: nil, fields: [])
            writer.beginObject()
            writer.key("t")
            writer.integer(members[place].record.place.transfer)
            writer.key("o")
            writer.integer(members[place].record.place.ordinal)
            writer.key("n")
            writer.integer(place)
            if let target = write.target {
                writer.key("id")
                writer.string(target)
            }
            writer.key("f")
            writer.beginArray()
            for field in write.fields { writer.integer(field) }
            writer.endArray()
            Self.write(member, to: &writer)
            if !members[place].warnings.isEmpty {
                writer.key("w")
                writer.raw(Warning.text(members[place].warnings))
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// What only some members have: by what it was decided who they are, what was answered of a record whose links are to be made, and that it was adopted.
    private static func write(_ member: Member, to writer: inout JSONWriter) {
        if let reason = member.reason {
            writer.key("y")
            writer.string(reason.text)
        }
        if member.isAdopted {
            writer.key("a")
            writer.bool(true)
        }
        if let written = member.written {
            writer.key("i")
            writer.string(written.id)
            writer.key("c")
            writer.bool(written.isNew)
            if !written.data.isEmpty {
                writer.key("d")
                writer.raw(written.data)
            }
        }
        guard !member.unlinked.isEmpty else { return }
        writer.key("l")
        writer.beginArray()
        for link in member.unlinked {
            writer.beginArray()
            writer.string(link.resource)
            writer.string(link.id)
            writer.endArray()
        }
        writer.endArray()
    }
}

/// The plan of an open intent, as it was stored.
package struct StoredPlan: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        package var place: RecordPlace
        package var trace: Int
        package var target: String?
        package var fields: [Int]
        package var warnings: [Warning]
        package var reason: DecisionReason?
        var isAdopted = false
        var written: Batch.Member.Written?
        var unlinked: [LinkTarget] = []
    }

    package var namespace: String
    var purpose = Batch.Purpose.write
    package var items: [Item]

    /// Nil when `text` is no plan: the store is damaged.
    package init?(_ text: [UInt8]) {
        guard let root = try? JSONDocument(parsing: text).root, let namespace = root["namespace"]?.string,
            let list = root["items"]
        else { return nil }
        self.namespace = namespace
        if let name = root["p"]?.string { purpose = Batch.Purpose(rawValue: name) ?? .doubt }
        items = []
        for item in list.elements {
            guard let transfer = item["t"]?.integer, let ordinal = item["o"]?.integer, let trace = item["n"]?.integer,
                let fields = item["f"]
            else { return nil }
            var read = Item(
                place: RecordPlace(transfer: transfer, ordinal: Int32(clamping: ordinal)), trace: Int(trace),
                target: item["id"]?.string, fields: fields.elements.compactMap { $0.integer.map(Int.init) },
                warnings: item["w"].map(Warning.parse) ?? [],
                reason: item["y"]?.string.flatMap(DecisionReason.init))
            read.isAdopted = item["a"]?.bool ?? false
            if let id = item["i"]?.string {
                read.written = Batch.Member.Written(
                    id: id, isNew: item["c"]?.bool ?? false, data: item["d"]?.compactText ?? [])
            }
            for link in item["l"].map({ Array($0.elements) }) ?? [] {
                let ends = link.elements.compactMap(\.string)
                if ends.count == 2 { read.unlinked.append(LinkTarget(resource: ends[0], id: ends[1])) }
            }
            items.append(read)
        }
    }
}
