import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

/// System calls that fail. Each in a process of its own under strace, which may not be there or not be allowed.
@Suite(.enabled(if: Fault.isPossible, "needs strace and the right to trace"))
struct FaultTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "fault-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder + "/gateway.db")
    }

    /// What the next start finds of transfers 1, 2, 3.
    private func found(_ path: String) throws -> [Int64] {
        let loop = try Loop()
        let store = try DurableStore(loop: loop, path: path)
        store.close { loop.stop() }
        loop.run()
        #expect(loop.close())
        return store.state.openTransfers.map(\.sequence)
    }

    @Test func theFirstFailedFlushStops() async throws {
        try await withFolder { path in
            await #expect(processExitsWith: .exitCode(74)) { [path = path as String] in
                try Fault.run(path, "fsync,fdatasync:error=EIO:when=1", expecting: .io)
            }
            // What follows a failed flush cannot be known: the log was left as it is.
            #expect(FileManager.default.fileExists(atPath: path + "-wal"))
            // The confirmed one is there. The others were not confirmed: either is right.
            let open = try found(path)
            #expect(open.first == 1)
        }
    }

    @Test func aFullDiskStops() async throws {
        try await withFolder { path in
            await #expect(processExitsWith: .exitCode(74)) { [path = path as String] in
                try Fault.run(path, "pwrite64:error=ENOSPC:when=1+", expecting: .full)
            }
            let open = try found(path)
            #expect(open == [1])
        }
    }

    @Test func aFailedFlushOfACheckpointStopsToo() async throws {
        try await withFolder { path in
            await #expect(processExitsWith: .exitCode(74)) { [path = path as String] in
                var settings = StoreSettings()
                settings.idleCheckpointBytes = 1
                settings.idleNanoseconds = 300_000_000
                // Only the file's own flush: commits flush the log.
                try Fault.run(path, "fsync,fdatasync:error=EIO", onlyFile: true, settings: settings, expecting: .io)
            }
            let open = try found(path)
            #expect(open == [1, 2, 3])
        }
    }
}

enum Fault {
    static var isPossible: Bool {
        FileManager.default.isExecutableFile(atPath: "/usr/bin/strace") && getuid() == 0
    }

    /// Commits a transfer, then lets the calls fail and sends two more. Ends the process with the failure's status if it
    /// is of the expected kind and came before the confirmation of anything that is not kept.
    static func run(
        _ path: String, _ fault: String, onlyFile: Bool = false, settings: StoreSettings = StoreSettings(),
        expecting kind: StoreFailure.Kind
    ) throws {
        let loop = try Loop()
        let store = try DurableStore(loop: loop, path: path, settings: settings)
        var done: [Int] = []
        store.commit([.session(Sample.session())] + Sample.whole(1)) {
            done.append(1)
            loop.stop()
        }
        loop.run()
        store.onFailure = { failure in
            let isRight = failure.kind == kind && done == (onlyFile ? [1, 2, 3] : [1])
            if !isRight { print("\(failure) after \(done)") }
            // Closing after a failure must not make it worse.
            store.close { exit(isRight ? failure.exitCode : 1) }
        }
        try inject(fault, path: onlyFile ? path : nil)
        store.commit(Sample.whole(2)) { done.append(2) }
        store.commit(Sample.whole(3)) { done.append(3) }
        loop.run()
    }

    private static func inject(_ fault: String, path: String?) throws {
        let strace = Process()
        strace.executableURL = URL(fileURLWithPath: "/usr/bin/strace")
        let calls = String(fault.prefix { $0 != ":" })
        strace.arguments =
            ["-f", "-qq", "-o", "/dev/null", "-p", "\(getpid())", "-e", "trace=\(calls)", "-e", "inject=\(fault)"]
            + (path.map { ["-P", $0] } ?? [])
        try strace.run()
        // All threads, not only this one.
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
            let end = Date(timeIntervalSinceNow: 10)
            while Date() < end {
                let status = try? String(contentsOfFile: "/proc/self/task/\(thread)/status", encoding: .utf8)
                if status?.contains("TracerPid:\t0\n") != true { break }
                usleep(1_000)
            }
        }
    }
}
