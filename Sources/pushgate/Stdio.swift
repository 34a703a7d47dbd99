import EventLoop
import Gateway
import Glibc

/// `pushgate stdio`: a gateway for the process that started it, or a bridge to one that listens (K23).
enum Stdio {
    static func run(_ options: Options) throws {
        var configuration = try options.configuration()
        if !options.has("drain") { configuration.drainTime = 1_500_000_000 }
        if !options.has("log") { configuration.logLevel = .warning }
        configuration.waitsForTransfers = options.has("wait")
        do {
            let code = try Serve.process(configuration) { loop, server in
                server.serve(try StandardStreams.open(loop: loop))
            }
            throw Exit(code: code, message: nil)
        } catch let exit as Exit where exit.code == 75 {
            // The store is held. If its holder listens, its socket stands beside the store.
            for path in [options["socket"], configuration.store + ".socket"].compactMap({ $0 })
            where try bridge(to: path) {
                throw Exit(code: 0, message: nil)
            }
            throw exit
        }
    }

    /// Joins standard input and output to a socket until either side ends; false when nobody listens there.
    private static func bridge(to path: String) throws -> Bool {
        let loop = try Loop()
        let socket: Stream
        do {
            socket = try Stream(loop: loop, connectingTo: path)
        } catch {
            return false
        }
        let standard = try StandardStreams.open(loop: loop)
        join(standard, to: socket)
        join(socket, to: standard)
        loop.run()
        return true
    }

    /// Bytes waiting on one side stop the reading on the other.
    private static let ceiling = 1 << 20

    private static func join(_ source: any ByteStream, to sink: any ByteStream) {
        source.onBytes = { bytes in
            sink.write(Array(bytes))
            if sink.queuedBytes > ceiling { source.pauseReading() }
        }
        sink.onWritable = { source.startReading() }
        source.onEnd = { failure in
            if failure == nil && source is StandardPair {
                // The caller has said all; what the gateway still answers is passed on.
                sink.endOutput()
            } else {
                sink.endOutput {
                    sink.close()
                    source.close()
                }
            }
        }
        sink.onOutputFailure = { _ in
            sink.close()
            source.close()
        }
        source.startReading()
    }
}
