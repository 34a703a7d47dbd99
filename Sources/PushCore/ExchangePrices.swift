/// Exchanges with a provider, by what its rates tell apart.
package struct ExchangeTally: Equatable, Sendable {
    package var reads: Int
    package var searches: Int
    package var writes: Int

    package init(reads: Int = 0, searches: Int = 0, writes: Int = 0) {
        self.reads = reads
        self.searches = searches
        self.writes = writes
    }

    package static func += (sum: inout ExchangeTally, more: ExchangeTally) {
        sum.reads += more.reads
        sum.searches += more.searches
        sum.writes += more.writes
    }
}

/// What requests cost at a provider, for plans.
package protocol ExchangePrices: Sendable {
    /// - Parameter answer: what the request is going to find.
    func tally(of request: LookupRequest, finding answer: LookupAnswer) -> ExchangeTally
    func tally(of request: WriteRequest) -> ExchangeTally
    func tally(of request: LinkRequest) -> ExchangeTally
    /// Milliseconds that the provider's rates make of so many at the least.
    func milliseconds(for tally: ExchangeTally) -> Int64
}

/// Each request is one exchange, as with the embedded provider, at any rate.
package struct OneExchangeEach: ExchangePrices {
    package init() {}
    package func tally(of request: LookupRequest, finding answer: LookupAnswer) -> ExchangeTally {
        ExchangeTally(reads: 1)
    }
    package func tally(of request: WriteRequest) -> ExchangeTally { ExchangeTally(writes: 1) }
    package func tally(of request: LinkRequest) -> ExchangeTally { ExchangeTally(writes: 1) }
    package func milliseconds(for tally: ExchangeTally) -> Int64 { 0 }
}

extension LookupAnswer {
    /// The part of it that answers a request.
    func part(for request: LookupRequest) -> LookupAnswer {
        var part = LookupAnswer()
        for id in request.ids { part.records[id] = records[id] }
        for search in request.searches {
            guard let ids = found[search] else { continue }
            part.found[search] = ids
            for id in ids { part.records[id] = records[id] }
        }
        return part
    }
}
