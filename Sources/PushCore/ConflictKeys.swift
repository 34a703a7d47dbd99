/// Hashes of everything by which a record could be the same as another one. A collision only makes it wait.
struct ConflictKeys: Sendable {
    var strong: [UInt64] = []
    var name: UInt64?
    var hasEmail = false
    var hasPhone = false
    var isUnmatched = false

    init(_ record: PreparedRecord) {
        let resource = record.schema.resource
        if let id = record.row.internalID {
            strong.append(Self.hash("i", resource.name, record.plan.namespace, id))
        }
        if let id = record.row.givenID { strong.append(Self.hash("p", resource.name, "", id)) }
        // A record that is not matched itself can still be what a later one is to find, or what an earlier one must not.
        isUnmatched = record.disablesUpsert
        take(record.keys, resource)
    }

    private mutating func take(_ keys: MatchKeys, _ resource: ResourceDescription) {
        for (rule, value) in zip(resource.matchRules, keys.values) {
            guard let value else { continue }
            let hash = Self.hash("m", resource.name, rule.field, value)
            switch rule.kind {
            case .name:
                name = hash
                continue
            case .email: hasEmail = true
            case .phone: hasPhone = true
            case .domain: break
            }
            if !strong.contains(hash) { strong.append(hash) }
        }
    }

    /// Everything by which an earlier record could turn out to be a record of the provider.
    ///
    /// - Parameter internalIDs: those that are remembered for it.
    init(
        _ known: KnownRecord, _ resource: ResourceDescription, namespace: String, internalIDs: Set<String>
    ) {
        for id in internalIDs.sorted() { strong.append(Self.hash("i", resource.name, namespace, id)) }
        strong.append(Self.hash("p", resource.name, "", known.id))
        take(MatchKeys(rules: resource.matchRules) { known.fields[name: $0]?.matchText }, resource)
    }

    /// FNV-1a: the same in every run, unlike `Hasher`, so that a simulation can be repeated.
    private static func hash(_ parts: String...) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for part in parts {
            for byte in part.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01B3
        }
        return hash
    }

    /// One bit for an e-mail, one for a phone, and one for a record that looks for nobody.
    var kinds: Int { (hasEmail ? 1 : 0) | (hasPhone ? 2 : 0) | (isUnmatched ? 4 : 0) }

    /// Equal names are told apart for sure only if both have an e-mail, or both a phone: were those equal too, they
    /// would conflict as strong keys. They do not matter where neither record looks for the other.
    func isToldApart(from other: ConflictKeys) -> Bool { kinds & other.kinds != 0 }
}
