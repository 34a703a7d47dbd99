import JSON
import Providers
import PushCore

/// What there is to say about manifests, for people: text of `pushgate providers`.
package enum ManifestReport {
    private static func own(_ folder: String?) throws(StartFailure) -> [OwnManifest] {
        guard let folder else { return [] }
        guard let patterns = PatternMatcher() else { throw StartFailure(description: "Out of memory.", exitCode: 70) }
        return try OwnManifests.read(folder: folder, nil, patterns)
    }

    /// A line for each provider.
    ///
    /// - Throws: `StartFailure` when a manifest of the folder is wrong.
    package static func list(folder: String?) throws(StartFailure) -> String {
        let own = try own(folder)
        let catalogue = try Catalogue.with(own)
        var rows = [["NAME", "PROVIDER", "CLASS", "WHERE", "RESOURCES"]]
        for provider in catalogue.all {
            let place = catalogue.http[provider.name]?.base ?? "embedded"
            let isOwn = own.contains { $0.name == provider.name }
            rows.append([
                provider.name, provider.displayName, provider.recoveryClass.rawValue,
                place + (isOwn ? " (from the folder)" : ""), provider.resources.map(\.name).joined(separator: ", "),
            ])
        }
        return table(rows)
    }

    private static func table(_ rows: [[String]]) -> String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }

    /// The manifest that is in force, as it is written; nil when there is none of this name.
    ///
    /// - Throws: `StartFailure` when a manifest of the folder is wrong.
    package static func manifest(_ name: String, folder: String?) throws(StartFailure) -> String? {
        if let own = try own(folder).first(where: { $0.name == name }) {
            return String(decoding: own.root.compactText, as: UTF8.self) + "\n"
        }
        return ProtocolFiles.text("providers/\(name).json").map { String(decoding: $0, as: UTF8.self) }
    }

    /// The requests that a manifest leads to.
    ///
    /// - Throws: `ManifestProblems` that say all that is wrong with it.
    package static func check(_ path: String) throws(ManifestProblems) -> String {
        guard let patterns = PatternMatcher() else {
            throw ManifestProblems(path: path, problems: [ManifestFailure(pointer: "", problem: "is too much memory")])
        }
        let manifest = try OwnManifests.read(path, patterns)
        let (http, provider) = (manifest.http, manifest.description)
        var text = "\(provider.name): \(provider.displayName), \(provider.recoveryClass.rawValue), at \(http.base)\n"
        if provider.needsCredentials {
            let scheme = http.authorization.scheme.isEmpty ? "" : http.authorization.scheme + " "
            text += "Every request carries \(http.authorization.header): \(scheme)(the token)\n"
        }
        let requests = http.preview(provider)
        for request in requests {
            text += "\n# \(request.title)\n\(request.exchange.method) \(http.base)\(request.exchange.path)\n"
            for header in request.exchange.headers { text += "\(header.name): \(header.value)\n" }
            if !request.exchange.body.isEmpty { text += String(decoding: request.exchange.body, as: UTF8.self) + "\n" }
        }
        return text + "\nNothing is wrong with it. These are the \(requests.count) kinds of requests it leads to.\n"
    }
}
