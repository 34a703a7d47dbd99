import JSON

/// Records that are sent together, from planning until their outcomes are on disk.
struct Batch: Sendable {
    enum Stage: Equatable, Sendable {
        case readingLedger, lookingUp, committingIntent, exchanging
        /// Waits until a time for another try of the same step.
        case waiting(until: UInt64, retrying: Step)
    }

    enum Step: Equatable, Sendable {
        case lookUp, write, link
        /// Looks for what became of a write whose answer was lost.
        case lookAgain
    }

    /// What its intent is for. Stored by name.
    enum Purpose: String, Sendable {
        case write, link
        /// Its write may have had an effect, and the provider is asked what it was.
        case doubt
    }

    struct Member: Sendable {
        var record: PreparedRecord
        var remembered: String?
        var links: [LinkTarget] = []
        var hasSearched = false
        /// All that can be asked about it was asked and answered.
        var isAnswered = false
        var warnings: [Warning] = []
        /// The batch that decided about it.
        var batch: Int64 = 0
        /// Its state is known to be as pushed, without asking the provider.
        var confirmed: ConfirmedState?
        /// Since when what is said of its state was so, at the least: milliseconds since 1970.
        var asOf: Int64 = 0
        /// The record to be updated as it was read; only kept when its state will be.
        var known: KnownRecord?
        /// Set when it is to be written: nil creates.
        var write: Write?
        /// By what it was decided who it is.
        var reason: DecisionReason?

        /// It stands at the provider, and its links are still to be made.
        var written: Written?
        /// Links to be made after the write; empty where a write carries its links.
        var unlinked: [LinkTarget] = []
        /// A create whose answer was lost was found to have been made.
        var isAdopted = false

        struct Write: Sendable {
            var target: String?
            var fields: [Int]
        }

        struct Written: Equatable, Sendable {
            var id: String
            var isNew: Bool
            var data: [UInt8]
        }
    }

    let id: Int64
    let account: AccountKey
    let key: Lane.BatchKey
    let began: UInt64
    var members: [Member]
    var stage = Stage.readingLedger
    var answer = LookupAnswer()
    /// When the first look-up was answered: milliseconds since 1970.
    var readAt: Int64?
    /// Provider records whose confirmed state is about to be taken back.
    var doubtful: Set<String> = []
    /// Who is remembered for the provider's records; nil when not asked yet.
    var holders: [String: Set<String>]?
    /// The look-up under way, and places in `members` of those that need nothing more than its answer.
    private(set) var question: LookupRequest?
    private var covered: [Int] = []
    /// What the provider has answered for; what it does not mention is not there.
    private var askedIDs: Set<String> = []
    private var askedSearches: Set<LookupRequest.Search> = []
    var attempt: Int32 = 1
    /// The intent of its write; 0 before there is one.
    var intent: Int64 = 0
    /// A request of it may have had an effect.
    var mayHaveBeenSent = false
    /// Which credentials of the account its last request showed (`Breaker.credentials`).
    var shown = 0
    /// Found in an open intent at start.
    var isRecovered = false
    var purpose = Purpose.write
    /// Of a batch in doubt: why, and when what its write did can be seen at the latest (monotonic).
    var doubt: (reason: String, until: UInt64)?
    /// The write that was refused together, of which this is a part; 0: none.
    var bisection: Int64 = 0

    init(id: Int64, account: AccountKey, key: Lane.BatchKey, began: UInt64, members: [Member]) {
        self.id = id
        self.account = account
        self.key = key
        self.began = began
        self.members = members
    }

    /// True when its write may be made again after a lost answer: the provider recognises it.
    var mayRepeat: Bool { members.allSatisfy { $0.record.plan.provider.recoveryClass == .keyed } }

    /// Places in `members` of those that are written.
    var writing: [Int] { members.indices.filter { members[$0].write != nil } }

    mutating func remember(_ known: [String: String]) {
        guard !known.isEmpty else { return }
        for place in members.indices {
            if let id = members[place].record.row.internalID { members[place].remembered = known[id] }
        }
    }

    /// Asks for what has to be known before a decision and was not asked yet: records by id, and searches for those that
    /// no id is known of. At most as many of both together as the provider takes in one read. False when all is known.
    mutating func ask() -> Bool {
        var ids: [String] = []
        var searches: [LookupRequest.Search] = []
        var named = askedIDs
        // A set for who is new in this question; those of earlier ones are few, if any.
        var seen = Set<LookupRequest.Search>(minimumCapacity: askedSearches.isEmpty ? 2 * members.count : 0)
        let ceiling = members.first?.record.plan.provider.readBatch ?? 1
        covered = []
        for (place, member) in members.enumerated()
        where !member.isAnswered && (purpose == .doubt || member.record.refusals.isEmpty) && member.confirmed == nil {
            var isCovered = true
            let known = member.record.row.givenID ?? (member.hasSearched ? nil : member.remembered)
            if let id = purpose == .doubt ? member.write?.target : known {
                if ids.count + searches.count < ceiling {
                    if named.insert(id).inserted { ids.append(id) }
                } else {
                    isCovered = named.contains(id)
                }
            } else {
                let (wanted, isLast) = nextSearches(for: member)
                isCovered = isLast
                for search in wanted where !askedSearches.contains(search) {
                    if ids.count + searches.count < ceiling {
                        if seen.insert(search).inserted { searches.append(search) }
                    } else {
                        isCovered = isCovered && seen.contains(search)
                    }
                }
            }
            if isCovered { covered.append(place) }
        }
        var request = LookupRequest(resource: key.resource, ids: ids, searches: searches)
        request.fields = openFields()
        question = request
        return !ids.isEmpty || !searches.isEmpty
    }

    func hasAsked(_ search: LookupRequest.Search) -> Bool { askedSearches.contains(search) }

    /// Fields that are pushed and that the provider's description does not list.
    private func openFields() -> [String] {
        guard let record = members.first?.record, record.plan.provider.asksForFields else { return [] }
        let resource = record.schema.resource
        let listed = Set(resource.fields.map(\.name))
        var open: Set<String> = []
        for member in members {
            for field in member.record.fields where !listed.contains(field.name) { open.insert(field.name) }
        }
        return open.sorted()
    }

    /// The question under way was answered.
    mutating func note(_ answer: LookupAnswer) {
        self.answer.merge(answer)
        for place in covered { members[place].isAnswered = true }
        askedIDs.formUnion(question?.ids ?? [])
        askedSearches.formUnion(question?.searches ?? [])
        question = nil
    }

    /// What was read before its write says nothing of after.
    mutating func forgetAnswers() {
        answer = LookupAnswer()
        askedIDs = []
        askedSearches = []
        question = nil
        for place in members.indices { members[place].isAnswered = false }
    }

    /// A remembered record is gone: it is looked for by its match keys.
    mutating func search(_ place: Int) {
        members[place].hasSearched = true
        members[place].isAnswered = false
    }

    /// Others are left out: places are new.
    mutating func keep(_ kept: [Member]) {
        members = kept
        covered = []
    }

    /// Records that were read to be decided upon: what was known of them from before may be over. Those that a search
    /// came upon and that none of the members turned out to be do not count: else namesakes would never be trusted.
    func observed(_ decisions: [Decision]) -> Set<String> {
        var ids = askedIDs
        for (member, decision) in zip(members, decisions) where member.confirmed == nil {
            if let target = decision.target { ids.insert(target) }
        }
        return ids
    }

    /// The provider's record that a member turned out to be.
    func known(_ decision: Decision) -> KnownRecord? {
        if case .unchanged(let known) = decision { return known }
        return decision.target.flatMap { answer.records[$0] }
    }

    func request() -> WriteRequest {
        WriteRequest(
            resource: key.resource, key: String(intent),
            items: writing.map { place in
                let member = members[place]
                return WriteItem(
                    trace: place, target: member.write?.target,
                    fields: (member.write?.fields ?? []).map { member.record.fields[$0] },
                    links: member.record.plan.provider.linksAfter ? [] : member.links)
            })
    }
}
