import JSON
import PushCore

/// Finds out which item of a write a piece of the answer is about.
struct Correlator {
    private let resource: HTTPResource
    private let operation: Operation
    private let items: [WriteItem]
    private var byTrace: [String: WriteItem] = [:]
    private var byTarget: [String: WriteItem] = [:]
    /// Items by the values of the fields that tell them apart; nil where two have the same.
    private var byFields: [[String]: WriteItem?] = [:]

    init(
        _ resource: HTTPResource, _ operation: Operation, _ items: [WriteItem], trace: (WriteItem) -> String
    ) {
        self.resource = resource
        self.operation = operation
        self.items = items
        for item in items {
            byTrace[trace(item)] = item
            if let target = item.target { byTarget[target] = item }
            for case .fields(let names) in operation.correlation {
                let values = Dictionary(
                    item.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
                guard let key = key(names, { values[$0] }) else { continue }
                byFields[key] = byFields[key] == nil ? .some(item) : .some(nil)
            }
        }
    }

    /// Values as they compare, with the names before, so that keys of different fields do not meet; nil where one is
    /// missing.
    private func key(_ names: [String], _ value: (String) -> JSONView?) -> [String]? {
        var key = names
        for name in names {
            guard let text = value(name)?.matchText else { return nil }
            guard let rule = resource.rules.first(where: { $0.field == name }) else {
                key.append(text)
                continue
            }
            guard let normal = MatchKeys.normalise(text, as: rule.kind) else { return nil }
            key.append(normal)
        }
        return key
    }

    /// - Parameters:
    ///   - place: of the result in the answer.
    ///   - count: results in the answer.
    func item(of result: JSONView, id: String, place: Int, of count: Int) -> WriteItem? {
        for rule in operation.correlation {
            switch rule {
            case .trace(let way):
                if let trace = result.at(way)?.string { return byTrace[trace] }
            case .id:
                if let item = byTarget[id] { return item }
            case .fields(let names):
                guard let fields = resource.fields(of: result), let key = key(names, { fields[name: $0] }) else {
                    continue
                }
                if let item = byFields[key] ?? nil { return item }
            case .order:
                if count == items.count { return items[place] }
            }
        }
        return nil
    }

    /// What the entries of an answer say went wrong, in their order.
    func refusals(in root: JSONView) -> [(WriteItem, ItemAnswer)] {
        guard let entries = operation.entries, let list = root.at(entries.list) else { return [] }
        var refusals: [(WriteItem, ItemAnswer)] = []
        for entry in list.elements {
            let text = entries.text(of: entry)
            let answer: ItemAnswer =
                entries.kind != nil && entries.saysNotFound(entry)
                ? .notFound(text) : .refused(Failure(.upstream, .refusedUpstream, text))
            let traces = entries.trace.flatMap { entry.at($0)?.texts } ?? []
            let ids = entries.ids.flatMap { entry.at($0)?.texts } ?? []
            refusals += traces.compactMap { byTrace[$0] }.map { ($0, answer) }
            refusals += ids.compactMap { byTarget[$0] }.map { ($0, answer) }
        }
        return refusals
    }
}
