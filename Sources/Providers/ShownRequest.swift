import PushCore

/// Requests as they are shown to the owner of one record: made by the same codec from that record alone, so that they are
/// what would be sent if it had been pushed alone.
package struct ShownRequest {
    private let record: PreparedRecord
    private let account: AccountKey
    private let provider: HTTPProvider?
    /// The provider's record that it is, or is taken for.
    private let target: String?
    private let remembered: String?
    private let reason: DecisionReason?
    private let written: [Int]
    private let links: [LinkTarget]
    private var shown: [String: Int] = [:]

    /// - Parameters:
    ///   - target: nil when it is not known.
    ///   - remembered: when its internal id was, before it was pushed.
    ///   - written: places in the record's fields.
    package init(
        _ record: PreparedRecord, _ account: AccountKey, _ provider: HTTPProvider?, target: String?,
        remembered: String?, reason: DecisionReason?, written: [Int], links: [LinkTarget]
    ) {
        self.record = record
        self.account = account
        self.provider = provider
        self.target = target
        self.remembered = remembered
        self.reason = reason
        self.written = written
        self.links = links
    }

    /// The request of an exchange that the log has, with its body; no header that carries a secret is in it. Nil when it
    /// cannot be made any more. To be called for one after the other: what a try asked in several requests comes in turn.
    package mutating func exchange(of row: ExchangeRow) -> Exchange? {
        switch row.operation {
        case "read", "search": asked(row)
        case "link": linked(row)
        case "write", "create", "update": wrote(row)
        default: nil
        }
    }

    private mutating func asked(_ row: ExchangeRow) -> Exchange? {
        var calls = calls(record.lookup(remembered: remembered)).filter { isShown($0, row) }
        // Then come hits of a search, which are read again, and the record that was updated.
        if provider != nil || calls.isEmpty, let target {
            let known = LookupRequest(resource: row.resource, ids: [target], searches: [])
            calls += self.calls(known).filter { isShown($0, row) }
        }
        guard !calls.isEmpty else { return nil }
        let key = "\(row.attempt)/\(row.operation)"
        let turn = shown[key, default: 0]
        shown[key] = turn + 1
        return calls[min(turn, calls.count - 1)].exchange
    }

    private func calls(_ request: LookupRequest) -> [ProviderCall] {
        var run = ProviderRuns.lookUp(request, account, provider)
        return run.begin().calls
    }

    private func isShown(_ call: ProviderCall, _ row: ExchangeRow) -> Bool {
        provider == nil || call.operation.rawValue == row.operation
    }

    private func wrote(_ row: ExchangeRow) -> Exchange? {
        guard let reason, reason.way == .new || target != nil else { return nil }
        let item = WriteItem(
            trace: 0, target: reason.way == .new ? nil : target, fields: written.map { record.fields[$0] },
            links: provider == nil ? links : [])
        var run = ProviderRuns.write(
            WriteRequest(resource: row.resource, key: String(row.intent), items: [item]), account, provider)
        return run.begin().calls.first?.exchange
    }

    private func linked(_ row: ExchangeRow) -> Exchange? {
        guard let target, !links.isEmpty else { return nil }
        let item = LinkRequest.Item(trace: 0, id: target, links: links)
        var run = ProviderRuns.link(
            LinkRequest(resource: row.resource, key: String(row.intent), items: [item]), account, provider)
        let calls = run.begin().calls.filter { call in
            provider?.loggedPath(of: call, resource: row.resource) == row.path || provider == nil
        }
        return calls.first?.exchange
    }
}
