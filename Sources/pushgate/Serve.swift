import EventLoop
import Gateway
import Glibc

/// `pushgate serve`: a gateway on sockets.
enum Serve {
    static func run(_ options: Options) throws {
        var configuration = try options.configuration()
        configuration.listen = try options.all("listen").map(address)
        if configuration.listen.isEmpty {
            Paths.make(folder: Paths.folder(of: Paths.socket))
            configuration.listen = [ListenAddress(place: .path(Paths.socket))]
        }
        throw Exit(code: try process(configuration) { _, _ in }, message: nil)
    }

    /// `unix:PATH[?mode=0660&group=ID]` or `fd:NAME`.
    private static func address(_ text: String) throws -> ListenAddress {
        if text.hasPrefix("fd:") { return ListenAddress(place: .inherited(name: String(text.dropFirst(3)))) }
        guard text.hasPrefix("unix:") else {
            throw Exit.usage("--listen takes unix:PATH or fd:NAME, not \"\(text)\".")
        }
        let parts = text.dropFirst(5).split(separator: "?", maxSplits: 1)
        guard let path = parts.first else { throw Exit.usage("--listen unix: needs a path.") }
        var address = ListenAddress(place: .path(String(path)))
        for setting in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            let pair = setting.split(separator: "=", maxSplits: 1)
            switch (pair.first, pair.count > 1 ? pair[1] : "") {
            case ("mode", let value):
                guard let mode = UInt32(value, radix: 8), mode <= 0o777 else {
                    throw Exit.usage("mode takes an octal number, such as 0660, not \"\(value)\".")
                }
                address.mode = mode
            case ("group", let value):
                guard let group = UInt32(value) ?? number(ofGroup: String(value)) else {
                    throw Exit.usage("There is no group \"\(value)\".")
                }
                address.group = group
            default: throw Exit.usage("--listen knows mode and group, not \"\(setting)\".")
            }
        }
        return address
    }

    private static func number(ofGroup name: String) -> UInt32? { getgrnam(name).map { $0.pointee.gr_gid } }

    /// Runs a gateway until it ends; gives its exit code.
    static func process(_ configuration: Configuration, _ begin: (Loop, Server) throws -> Void) throws -> Int32 {
        let loop = try Loop()
        // Secrets must not end up in a core file.
        try? RunLimits.forbidCoreDumps()
        _ = try? RunLimits.raiseDescriptors(to: UInt64(configuration.ceilings.connections) + 64)
        let log = Log(minimum: configuration.logLevel) { loop.wallClockMilliseconds() }
        let server: Server
        do {
            server = try Server(loop: loop, configuration: configuration, log: log)
        } catch {
            throw Exit(code: error.exitCode, message: error.description)
        }
        var code: Int32 = 0
        server.onEnd = { ended in
            code = ended
            // After a failed commit nothing may run on, not even a flush: the store decides at the next start.
            if ended != 0 { exit(ended) }
            loop.stop()
        }
        var asked = false
        let signals = try [SIGTERM, SIGINT].map { signal in
            try SignalWatcher(loop: loop, signal: signal) {
                if asked { exit(128 + signal) }
                asked = true
                server.drain()
            }
        }
        do {
            try server.start()
        } catch {
            throw Exit(code: error.exitCode, message: error.description)
        }
        try begin(loop, server)
        loop.run()
        for signal in signals { signal.close() }
        return code
    }
}
