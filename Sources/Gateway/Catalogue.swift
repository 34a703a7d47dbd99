import JSON
import Providers
import PushCore

/// What the gateway knows without being told: providers and default schemas, from the files of `protocol/`.
final class Catalogue {
    private let providers: [ProviderDescription]
    /// How providers over HTTP are spoken to, by name.
    let http: [String: HTTPProvider]
    /// By `endgrate_type`, in order of name.
    let types: [(type: String, schema: JSONView)]
    /// Every `endgrate_type` there is a name for, in order; most have neither default schema nor resource.
    let knownTypes: [String]

    /// - Parameter own: manifests of the operator, in place of those of the same name.
    /// - Throws: `ManifestFailure` when a manifest inside the binary is wrong, which a test would have found.
    init(own: [OwnManifest] = []) throws(ManifestFailure) {
        var providers: [String: ProviderDescription] = [:]
        var http: [String: HTTPProvider] = [:]
        for (name, document) in ProtocolFiles.documents(under: "providers/") {
            providers[name] = try Manifest.read(document.root)
            http[name] = try HTTPManifest.read(document.root)
        }
        for manifest in own { (providers[manifest.name], http[manifest.name]) = (manifest.description, manifest.http) }
        self.providers = providers.keys.sorted().compactMap { providers[$0] }
        self.http = http
        knownTypes = ProtocolFiles.document("types.json")?.root["known"]?.elements.compactMap(\.string) ?? []
        types = ProtocolFiles.documents(under: "types/").map { ($0.name, $0.document.root) }
    }

    var providerNames: [String] { providers.map(\.name) }
    var all: [ProviderDescription] { providers }

    /// The provider as a session sees it: the settings of the embedded one change what it can do (K19).
    func provider(_ name: String, settings: JSONView?) -> ProviderDescription? {
        guard var provider = providers.first(where: { $0.name == name }) else { return nil }
        guard http[name] == nil else { return provider }
        provider.take(settings)
        provider.keepsValues = true
        return provider
    }

    func defaultSchema(_ type: String) -> JSONView? { types.first { $0.type == type }?.schema }
}
