import EventLoop
import Glibc

/// The command `pushgate`.
///
/// Plain synchronous code on the main thread: nothing here may be a task, which would never run under the loop.
@main
enum Main {
    static func main() {
        SignalWatcher.ignoreBrokenPipes()
        var arguments = Array(CommandLine.arguments.dropFirst())
        let command = arguments.isEmpty ? "--help" : arguments.removeFirst()
        do {
            switch command {
            case "serve": try Serve.run(try Options(arguments, allowing: Options.serving + ["listen"]))
            case "stdio": try Stdio.run(try Options(arguments, allowing: Options.serving + ["wait", "socket"]))
            case "call":
                try Call.run(try Options(arguments, allowing: ["socket", "timeout", "token-file"], operands: 2))
            case "explain":
                try Explain.run(try Options(arguments, allowing: ["socket", "token-file", "json"], operands: 2))
            case "providers": try ProviderCommand.run(try Options(arguments, allowing: ["providers"], operands: 2))
            case "webhooks": try Webhooks.run(try Options(arguments, allowing: Webhooks.options, operands: 2))
            case "demo": try Demo.run(try Options(arguments, allowing: ["keep"]))
            case "--version", "version": Terminal.write(Help.version + "\n")
            case "--help", "-h", "help": Terminal.write(Help.text(arguments.first))
            default:
                throw Exit.usage("There is no command \"\(command)\". pushgate --help lists them.")
            }
        } catch let exit as Exit {
            if let message = exit.message { Terminal.complain(message) }
            Glibc.exit(exit.code)
        } catch {
            Terminal.complain("\(error)")
            Glibc.exit(70)
        }
    }
}

/// A reason to end with another code than 0. The table is in `pushgate --help`.
struct Exit: Error {
    let code: Int32
    let message: String?

    /// The command line is wrong.
    static func usage(_ message: String) -> Exit { Exit(code: 64, message: message) }
    /// The gateway answered with an error.
    static let refused = Exit(code: 1, message: nil)
    /// Nobody answers.
    static func unreachable(_ message: String) -> Exit { Exit(code: 69, message: message) }
}

/// Text for people.
enum Terminal {
    static func write(_ text: String, to descriptor: Int32 = 1) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                if errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }

    static func complain(_ text: String) { write("pushgate: \(text)\n", to: 2) }
}
