import Gateway

/// `pushgate providers`: what providers there are, and what is to be said about the manifest of one. Asks no gateway and
/// nobody on the network.
enum ProviderCommand {
    private static let usage = "pushgate providers list | show NAME | check FILE [--providers DIR]"

    static func run(_ options: Options) throws {
        let operands = options.operands
        do {
            switch (operands.first, operands.count) {
            case ("list", 1): Terminal.write(try ManifestReport.list(folder: options["providers"]))
            case ("show", 2):
                guard let text = try ManifestReport.manifest(operands[1], folder: options["providers"]) else {
                    throw Exit(
                        code: 1,
                        message: "There is no provider \"\(operands[1])\". pushgate providers list names them.")
                }
                Terminal.write(text)
            case ("check", 2): Terminal.write(try ManifestReport.check(operands[1]))
            default: throw Exit.usage(usage)
            }
        } catch let problems as ManifestProblems {
            throw Exit(code: 78, message: problems.description)
        } catch let failure as StartFailure {
            throw Exit(code: failure.exitCode, message: failure.description)
        }
    }
}
