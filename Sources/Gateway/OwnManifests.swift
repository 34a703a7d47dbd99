import Glibc
import JSON
import JSONSchema
import Providers
import PushCore

/// A manifest that the operator gave, found good.
package struct OwnManifest: Sendable {
    package let description: ProviderDescription
    package let http: HTTPProvider
    package let root: JSONView

    package var name: String { description.name }
}

/// What is wrong with a manifest, in its order.
package struct ManifestProblems: Error, CustomStringConvertible {
    package var path: String
    package var problems: [ManifestFailure]

    package var description: String {
        problems.map { "\(path): \($0.description)" }.joined(separator: "\n")
    }
}

extension Catalogue {
    /// What is built in, and these.
    ///
    /// - Throws: `StartFailure` with code 70 when a manifest inside the binary is wrong.
    static func with(_ own: [OwnManifest]) throws(StartFailure) -> Catalogue {
        do {
            return try Catalogue(own: own)
        } catch {
            throw StartFailure(description: error.description, exitCode: 70)
        }
    }
}

/// Reads manifests from files. They are read once, at the start, and before anything is served.
package enum OwnManifests {
    /// Bytes of one file, and files of a folder.
    static let ceiling = 1 << 20
    static let folderCeiling = 256

    /// The manifests of the operator's folder, in order of name; none without a folder.
    ///
    /// - Throws: `StartFailure` with code 78 that says everything that is wrong with all of them.
    static func read(
        _ configuration: Configuration, _ log: Log, _ patterns: any PatternCompiler
    ) throws(StartFailure) -> [OwnManifest] {
        guard let folder = configuration.manifestDirectory else { return [] }
        let own = try read(folder: folder, configuration.providers, patterns)
        for manifest in own {
            let isBuiltIn = ProtocolFiles.text("providers/\(manifest.name).json") != nil
            log.info(
                isBuiltIn ? "a manifest takes the place of the built-in one" : "a provider was added",
                ("provider", manifest.name), ("folder", folder))
        }
        return own
    }

    /// - Throws: as above.
    static func read(
        folder: String, _ origins: ProviderOrigins?, _ patterns: any PatternCompiler
    ) throws(StartFailure) -> [OwnManifest] {
        var own: [OwnManifest] = []
        var wrong: [String] = []
        for name in try names(in: folder) {
            let path = "\(folder)/\(name).json"
            do {
                let manifest = try read(path, patterns)
                try check(manifest, name, path, origins)
                own.append(manifest)
            } catch {
                wrong.append(error.description)
            }
        }
        guard wrong.isEmpty else { throw StartFailure(description: wrong.joined(separator: "\n"), exitCode: 78) }
        return own
    }

    private static func names(in folder: String) throws(StartFailure) -> [String] {
        guard let stream = opendir(folder) else {
            throw StartFailure(
                description: "The folder \(folder) cannot be read: \(String(cString: strerror(errno))).", exitCode: 78)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = Glibc.readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // What an editor left behind is none.
            if name.hasSuffix(".json") && !name.hasPrefix(".") { names.append(String(name.dropLast(5))) }
        }
        guard names.count <= folderCeiling else {
            throw StartFailure(
                description: "The folder \(folder) has \(names.count) manifests; \(folderCeiling) are the most.",
                exitCode: 78)
        }
        return names.sorted()
    }

    private static func check(
        _ manifest: OwnManifest, _ name: String, _ path: String, _ origins: ProviderOrigins?
    ) throws(ManifestProblems) {
        guard manifest.name == name else {
            throw problem(path, "/name", "must be \"\(name)\", as the file is called, not \"\(manifest.name)\"")
        }
        // Who reads a manifest over quickly does not see that a token goes over the wire in the clear.
        guard let origins else { return }
        guard manifest.http.base.hasPrefix("https:") || origins.bases[name] != nil else {
            throw problem(
                path, "/http/base", "has no TLS: such an address is named with --provider-origin \(name)=URL")
        }
    }

    /// - Throws: `ManifestProblems` with all of them, as far as one does not hide others.
    package static func read(
        _ path: String, _ patterns: any PatternCompiler
    ) throws(ManifestProblems) -> OwnManifest {
        let root: JSONView
        do {
            root = try JSONDocument(parsing: try text(of: path)).root
        } catch let failure as ManifestProblems {
            throw failure
        } catch {
            throw problem(path, "", "is no JSON: \(error)")
        }
        let violations = schema(patterns)?.violations(of: root) ?? []
        guard violations.isEmpty else {
            throw ManifestProblems(
                path: path,
                problems: violations.map { violation in
                    let hint = violation.suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
                    return ManifestFailure(pointer: violation.pointer, problem: violation.message + hint)
                })
        }
        do throws(ManifestFailure) {
            let description = try Manifest.read(root)
            guard description.name != "local" else {
                throw ManifestFailure(pointer: "/name", problem: "is that of the embedded provider, which stays")
            }
            guard let http = try HTTPManifest.read(root) else {
                throw ManifestFailure(pointer: "/http", problem: "is missing: how the provider is spoken to")
            }
            return OwnManifest(description: description, http: http, root: root)
        } catch {
            throw ManifestProblems(path: path, problems: [error])
        }
    }

    private static func schema(_ patterns: any PatternCompiler) -> CompiledSchema? {
        guard let document = ProtocolFiles.document("schemas/manifest.json") else { return nil }
        return try? CompiledSchema(document.root, patterns: patterns)
    }

    private static func text(of path: String) throws(ManifestProblems) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw problem(path, "", "cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw problem(path, "", "is not a file")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= ceiling {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw problem(path, "", "cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
        throw problem(path, "", "has more than \(ceiling) bytes")
    }

    private static func problem(_ path: String, _ pointer: String, _ text: String) -> ManifestProblems {
        ManifestProblems(path: path, problems: [ManifestFailure(pointer: pointer, problem: text)])
    }
}
