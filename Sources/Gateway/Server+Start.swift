import JSONSchema

// What a start reads before anybody is listened to.

extension Server {
    /// The store is open, so that nobody else makes a key meanwhile.
    static func key(_ configuration: Configuration, _ log: Log) throws(StartFailure) -> [UInt8] {
        if let path = configuration.keyFile { return try KeyFile.read(path) }
        let path = configuration.store + ".key"
        let (key, isNew) = try KeyFile.readOrMake(path)
        if isNew {
            log.warning(
                "a key was made: keep a copy of it, because without it nobody can read what is sealed in the store",
                ("file", path))
        }
        return key
    }

    /// Providers and methods: the contract that is part of the program, and the operator's manifests.
    static func contract(
        _ configuration: Configuration, _ log: Log, _ patterns: PatternMatcher
    ) throws(StartFailure) -> (Catalogue, Methods) {
        let own = try OwnManifests.read(configuration, log, patterns)
        do {
            let catalogue = try Catalogue(own: own)
            let http = catalogue.http
            if let name = configuration.providers.bases.keys.sorted().first(where: { http[$0] == nil }) {
                throw StartFailure(
                    description: "There is no provider \"\(name)\" that is spoken to over HTTP.", exitCode: 78)
            }
            return (catalogue, try Methods(patterns: patterns))
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(description: "\(error)", exitCode: 70)
        }
    }
}
