import JSON
import PushCore

// Theory of operation.
//
// A provider over HTTP is data: the member `http` of its manifest. It says which requests there are (operations), how an
// answer is read, what each refusal means, and how much may be asked in which time. The strategies that put operations
// together are a closed list, in code, because it is there that promises are kept or broken:
//
// look-up     by ids and by unique keys in batches (`read`), by other values with a search (`search`), whose hits are
//             read again, because an index may lag behind the records (`LookupRun`).
// write       creates and updates apart, one request each (`WriteRun`).
// correlate   by a trace id that is sent along, by the record's id, by the values of fields, or by place, as far as the
//             provider gives each back. What cannot be told apart is left unknown, never guessed.
// partial     what the answer says of each record; a refusal of the whole is told apart by its status: of the content
//             ("one of them is bad") or of the request itself.
// associate   after the records, in batches a pair of resources (`LinkRun`).
// pre-read    an update's answer that holds only what was sent is completed by reading the records again.
// unknown     a status that leaves open whether something happened, an answer that cannot be read, or one that says
//             nothing of a record, is doubt, and goes to the core as such.

/// How values of records are written.
enum ValueForm: String, Sendable, CaseIterable {
    /// As they are.
    case json
    /// Everything is a text; null is the empty one.
    case text
}

/// What the engine knows of a provider over HTTP.
package struct HTTPProvider: Sendable {
    package let name: String
    /// `https://host[:port][/path]`, without a slash at the end.
    package let base: String
    /// How requests are signed in.
    package let authorization: Authorization
    package let budgets: [RateRule]
    /// Exchanges of one account that may be under way at once.
    package let concurrency: Int
    package let deadlines: Deadlines
    let values: ValueForm
    let errors: ErrorRules
    /// By name.
    let resources: [String: HTTPResource]
    /// Request that answers with the account's own name; nil when there is none.
    let accountQuestion: Operation?

    /// How long an exchange may take, in milliseconds. What is over its deadline is in doubt.
    package struct Deadlines: Equatable, Sendable {
        /// Name, connection and TLS.
        package var connect: Int64 = 10_000
        /// From the connection until the answer begins.
        package var firstByte: Int64 = 30_000
        /// Everything, without the waiting for room in a budget.
        package var total: Int64 = 60_000
    }

    /// The header that carries the credential.
    package struct Authorization: Equatable, Sendable {
        package var header: String
        /// Goes before the token, with a blank between; empty: the token stands alone.
        package var scheme: String

        package init(header: String, scheme: String) {
            self.header = header
            self.scheme = scheme
        }
    }
}

/// So many exchanges in a rolling window.
package struct RateRule: Equatable, Sendable {
    /// Operations that it counts; nil: all.
    package var operations: [Operation.Kind]?
    /// Operations that it does not count.
    package var excepted: [Operation.Kind]
    package var max: Int
    /// Milliseconds.
    package var window: Int64

    package init(
        operations: [Operation.Kind]? = nil, except: [Operation.Kind] = [], max: Int, window: Int64
    ) {
        self.operations = operations
        excepted = except
        self.max = max
        self.window = window
    }

    func counts(_ kind: Operation.Kind) -> Bool {
        operations?.contains(kind) ?? true && !excepted.contains(kind)
    }
}

/// What the engine knows of one resource.
struct HTTPResource: Sendable {
    let name: String
    let operations: [Operation.Kind: Operation]
    /// By field of a match rule.
    let ways: [String: LookupWay]
    /// Fields that are asked for, so that what is returned is whole.
    let returned: [String]
    let rules: [MatchRule]
    /// Resources that it can be linked to.
    let links: Set<String>
    /// The member of a returned record that holds its fields; nil: the record itself.
    let fieldsMember: String?

    func fields(of record: JSONView) -> JSONView? {
        guard let fieldsMember else { return record.kind == .object ? record : nil }
        return record[name: fieldsMember].flatMap { $0.kind == .object ? $0 : nil }
    }
}

/// How records are found by a match key.
struct LookupWay: Equatable, Sendable {
    /// `read` by a unique key, or `search`.
    var operation: Operation.Kind
    /// Of `read`: the provider's name of the unique key.
    var key: String?
    /// Of `search`: each has to hold. Together they may find more than what is meant, never less.
    var conditions: [Condition] = []

    struct Condition: Equatable, Sendable {
        var field: String
        var form: Form
    }

    /// How the searched values are made of match keys.
    enum Form: String, Sendable, CaseIterable {
        /// As they are compared.
        case exact
        /// A domain, with and without `www.`.
        case domain
        /// A telephone number, with and without what may be its country code.
        case phone
        /// The first words of a name, for each place where it could be parted.
        case heads
        /// The words that are left.
        case tails

        func values(of key: String) -> [String] {
            switch self {
            case .exact: return [key]
            case .domain: return [key, "www." + key]
            case .phone:
                // Country codes have one to three digits (ITU-T E.164), national numbers behind them at least seven.
                return (0...3).filter { $0 == 0 || key.utf8.count - $0 >= 7 }.map { String(key.dropFirst($0)) }
            case .heads, .tails:
                let words = key.split(separator: " ")
                guard words.count > 1 else { return [] }
                return (1..<words.count).map {
                    (self == .heads ? words[..<$0] : words[$0...]).joined(separator: " ")
                }
            }
        }
    }
}

/// One kind of request.
package struct Operation: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case read, search, create, update, link
        case linkRead = "link_read"
        case account
    }

    let kind: Kind
    let method: String
    let path: PathTemplate
    let headers: [Exchange.Header]
    let body: BodyTemplate?
    let item: BodyTemplate?
    /// Most items in one request.
    let batch: Int
    /// Most bytes of a body.
    let bodyCeiling: Int
    /// Statuses of an answer that is read for results.
    let accepted: [Int]
    /// Statuses that say by themselves that what was asked for was done, to the one record that it is about.
    let done: [Int]
    let results: ValueWay
    /// Of a result: the record's id.
    let id: ValueWay
    /// Where the next page is named; nil: there are no pages.
    let next: ValueWay?
    let entries: ErrorEntries?
    let correlation: [Correlation]
    /// What it finds may be old, or not all: the records are read again.
    let readsAgain: Bool
    /// Of a made link: its two ends.
    let linkEnds: LinkEnds?

    struct LinkEnds: Equatable, Sendable {
        var from: ValueWay
        var to: ValueWay
    }

    /// How a result finds its item.
    enum Correlation: Equatable, Sendable {
        case trace(ValueWay)
        case id
        case fields([String])
        case order
    }

    /// Entries of an answer that say what went wrong.
    struct ErrorEntries: Equatable, Sendable {
        var list: ValueWay
        var trace: ValueWay?
        var ids: ValueWay?
        var target: ValueWay?
        var message: ValueWay
        /// Where the kind of error is, and the kinds that say that a record is not there.
        var kind: ValueWay?
        var notFound: [String] = []
    }
}
