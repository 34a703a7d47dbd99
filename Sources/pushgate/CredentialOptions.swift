import Gateway
import Glibc

/// `--credential NAME=env:VAR | file:PATH | systemd:NAME`, repeatable.
enum CredentialOptions {
    /// - Throws: `Exit` with code 64 for a text that is none of these, and with 78 for what is not there.
    static func sources(_ texts: [String]) throws -> [CredentialSource] {
        var sources: [CredentialSource] = []
        var variables: Set<String> = []
        for text in texts {
            let source = try source(text, &variables)
            guard !sources.contains(where: { $0.name == source.name }) else {
                throw Exit.usage("--credential \(source.name) is given twice.")
            }
            sources.append(source)
        }
        // Two names may go by one variable, so they are taken away when all are read.
        for variable in variables.sorted() { wipe(variable) }
        return sources
    }

    private static func source(_ text: String, _ variables: inout Set<String>) throws -> CredentialSource {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        let place = parts.count == 2 ? parts[1].split(separator: ":", maxSplits: 1) : []
        guard CredentialSource.isValid(name: name), place.count == 2 else {
            throw Exit.usage(
                "--credential takes NAME=env:VAR, NAME=file:PATH or NAME=systemd:NAME; a name has 1 to 64 letters, digits, "
                    + "dots, hyphens or underscores.")
        }
        let value = String(place[1])
        switch place[0] {
        case "env":
            variables.insert(value)
            return CredentialSource(name: name, place: .value(try secret(of: value, for: name)))
        case "file": return CredentialSource(name: name, place: .file(value))
        case "systemd": return CredentialSource(name: name, place: .file(try path(ofSystemd: value, for: name)))
        default: throw Exit.usage("--credential \(name) is at env:, file: or systemd:, not at \"\(place[0]):\".")
        }
    }

    private static func secret(of variable: String, for name: String) throws -> Secret {
        guard let text = getenv(variable) else {
            throw Exit(code: 78, message: "--credential \(name): there is no variable \(variable).")
        }
        guard let secret = Secret(Array(String(cString: text).utf8)) else {
            throw Exit(
                code: 78,
                message:
                    "--credential \(name): the variable \(variable) must hold 1 to \(Secret.ceiling) visible ASCII "
                    + "characters.")
        }
        return secret
    }

    /// From here on no program that is started and no reader of /proc finds it.
    private static func wipe(_ variable: String) {
        guard let text = getenv(variable) else { return }
        memset(text, 0, strlen(text))
        unsetenv(variable)
    }

    /// systemd.exec(5): the service manager puts credentials into a folder of the service's own.
    private static func path(ofSystemd credential: String, for name: String) throws -> String {
        guard let folder = getenv("CREDENTIALS_DIRECTORY") else {
            throw Exit(
                code: 78, message: "--credential \(name): the service manager has set no CREDENTIALS_DIRECTORY.")
        }
        guard !credential.contains("/"), credential != ".." else {
            throw Exit.usage("--credential \(name): \"\(credential)\" is no name of a systemd credential.")
        }
        return String(cString: folder) + "/" + credential
    }
}
