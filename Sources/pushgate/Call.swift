import Gateway
import Glibc
import JSON

/// `pushgate call METHOD [JSON]`: one call from the shell. Prints the result, or the error on stderr.
enum Call {
    static func run(_ options: Options) throws {
        guard let method = options.operands.first else { throw Exit.usage("pushgate call METHOD [JSON]") }
        var params: JSONValue?
        if options.operands.count > 1 {
            let text = options.operands[1] == "-" ? Paths.read("/dev/stdin") ?? [] : Array(options.operands[1].utf8)
            do {
                params = try JSONValue(parsing: text)
            } catch {
                throw Exit.usage("The params are no JSON: \(error).")
            }
        }
        var caller = try Caller(options)
        defer { caller.close() }
        let timeout = try options.duration("timeout").map { Int32(clamping: $0 / 1_000_000) } ?? -1
        let answer = try caller.call(method, params, timeout: timeout)
        if let error = answer["error"] { throw refused(error) }
        if let result = answer["result"] {
            Terminal.write(String(decoding: result.compactText, as: UTF8.self) + "\n")
        }
    }

    static func refused(_ error: JSONView) -> Exit {
        Terminal.write(String(decoding: error.compactText, as: UTF8.self) + "\n", to: 2)
        return .refused
    }
}
