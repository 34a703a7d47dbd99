import JSON
import PushCore

/// A keyed provider in memory with a log of its effects: the oracle.
struct SimulatedProvider {
    struct Stored {
        var id: String
        var fields: JSONValue
        var links: Set<LinkTarget> = []
    }

    private(set) var records: [String: [String: Stored]] = [:]
    private var answers: [String: WriteAnswer] = [:]
    /// Writes that are done after their client gave up, by the time when they are.
    private var late: [(time: UInt64, request: WriteRequest)] = []
    var recognisesRepeats = true
    private var nextID = 100
    private(set) var creates = 0

    mutating func writeLate(_ request: WriteRequest, at time: UInt64) { late.append((time, request)) }

    private mutating func catchUp(_ time: UInt64) {
        let due = late.filter { $0.time <= time }
        late.removeAll { $0.time <= time }
        for (_, request) in due { _ = carryOut(request) }
    }

    mutating func link(_ request: LinkRequest) {
        for item in request.items {
            records[request.resource]?[item.id]?.links.formUnion(item.links)
        }
    }

    mutating func write(_ request: WriteRequest, at time: UInt64 = 0) -> WriteAnswer {
        catchUp(time)
        return carryOut(request)
    }

    private mutating func carryOut(_ request: WriteRequest) -> WriteAnswer {
        if recognisesRepeats, let known = answers[request.key] { return known }
        var answer: WriteAnswer = [:]
        for item in request.items { answer[item.trace] = write(item, request.resource) }
        answers[request.key] = answer
        return answer
    }

    private mutating func write(_ item: WriteItem, _ resource: String) -> ItemAnswer {
        let id = item.target ?? String(nextID)
        if let target = item.target, records[resource]?[target] == nil { return .notFound("gone") }
        if item.target == nil {
            nextID += 1
            creates += 1
        }
        var stored = records[resource]?[id] ?? Stored(id: id, fields: .object([]))
        for field in item.fields { stored.fields[field.name] = field.value.isNull ? nil : JSONValue(field.value) }
        stored.links.formUnion(item.links)
        records[resource, default: [:]][id] = stored
        return .written(id: id, isNew: item.target == nil, data: stored.fields.text, refusedLinks: [])
    }

    mutating func read(_ request: LookupRequest, _ rules: [MatchRule], at time: UInt64 = 0) -> LookupAnswer {
        catchUp(time)
        var answer = LookupAnswer()
        let all = (records[request.resource] ?? [:]).values.sorted { $0.id < $1.id }
        func add(_ stored: Stored) {
            guard let view = try? JSONDocument(parsing: stored.fields.text).root else { return }
            var links: [String: Set<String>] = [:]
            for link in stored.links { links[link.resource, default: []].insert(link.id) }
            answer.records[stored.id] = KnownRecord(id: stored.id, fields: view, source: view, links: links)
        }
        for stored in all where request.ids.contains(stored.id) { add(stored) }
        for search in request.searches {
            let place = rules.firstIndex { $0.field == search.field } ?? 0
            let hits = all.filter { stored in
                MatchKeys(rules: rules) { stored.fields[$0]?.string }.values[place] == search.value
            }
            answer.found[search] = hits.map(\.id)
            for hit in hits { add(hit) }
        }
        return answer
    }
}

extension WriteItem {
    /// The simulated provider takes no record with this field.
    var isBad: Bool { fields.contains { $0.name == "bad" } }
}

/// A generator that gives the same numbers from the same seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
