import PushCore

/// A request to the embedded provider, which takes one exchange.
struct LocalRun<Answer: Sendable>: ProviderRun {
    let exchange: Exchange
    let operation: Operation.Kind
    let decode: @Sendable (ExchangeOutcome) -> Reply<Answer>

    mutating func begin() -> RunStep<Answer> {
        RunStep(calls: [ProviderCall(number: 1, operation: operation, exchange: exchange)])
    }

    mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<Answer> {
        RunStep(reply: decode(outcome))
    }
}

/// A request that the provider's manifest has no way for.
struct RefusedRun<Answer: Sendable>: ProviderRun {
    let resource: String

    mutating func begin() -> RunStep<Answer> {
        RunStep(
            reply: .refused(
                Failure(.upstream, .refusedUpstream, "The provider's manifest does not say how to reach \(resource).")))
    }

    mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<Answer> { RunStep() }
}

/// Chooses the run for a request: of the engine where the provider is known to it, else of the embedded provider.
package enum ProviderRuns {
    package static func lookUp(
        _ request: LookupRequest, _ account: AccountKey, _ provider: HTTPProvider?
    ) -> any ProviderRun<LookupAnswer> {
        guard let provider else {
            let codec = LocalCodec()
            return LocalRun(
                exchange: codec.encode(request, account: account), operation: .read, decode: codec.decodeLookup)
        }
        return LookupRun(request, account, provider) ?? RefusedRun(resource: request.resource)
    }

    package static func write(
        _ request: WriteRequest, _ account: AccountKey, _ provider: HTTPProvider?
    ) -> any ProviderRun<WriteAnswer> {
        guard let provider else {
            let codec = LocalCodec()
            return LocalRun(
                exchange: codec.encode(request, account: account), operation: .create, decode: codec.decodeWrite)
        }
        return WriteRun(request, account, provider) ?? RefusedRun(resource: request.resource)
    }

    package static func link(
        _ request: LinkRequest, _ account: AccountKey, _ provider: HTTPProvider?
    ) -> any ProviderRun<LinkAnswer> {
        guard let provider else {
            let codec = LocalCodec()
            return LocalRun(
                exchange: codec.encode(request, account: account), operation: .link, decode: codec.decodeLinks)
        }
        return LinkRun(request, account, provider) ?? RefusedRun(resource: request.resource)
    }
}
