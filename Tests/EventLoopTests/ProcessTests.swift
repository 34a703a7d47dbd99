import CLinux
import CUV
import Glibc
import Testing

@testable import EventLoop

// What belongs to all of a process is tried in a process of its own.
@Suite struct ProcessTests {
    @Test func noCoreAndNoDebugger() async {
        await #expect(processExitsWith: .success) {
            try RunLimits.forbidCoreDumps()
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
            #expect(limit.rlim_cur == 0 && limit.rlim_max == 0)
            // What is in /proc of a process that cannot be dumped belongs to root.
            let text = try #require(contents("/proc/self/limits"))
            let line = text.split(separator: "\n").first { $0.hasPrefix("Max core file size") }
            #expect(line?.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"])
        }
    }

    @Test func theLimitOfDescriptorsIsLifted() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 64, rlim_max: 128)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let for100 = try RunLimits.raiseDescriptors(to: 100)
            #expect(for100 == 100)
            let for80 = try RunLimits.raiseDescriptors(to: 80)
            #expect(for80 == 100)
            let for16384 = try RunLimits.raiseDescriptors(to: 16384)
            #expect(for16384 == 128)
        }
    }

    @Test func aLoopWithoutDescriptorsThrows() async {
        await #expect(processExitsWith: .success) {
            let taken = occupyDescriptors(leaving: 0)
            #expect(throws: LoopFailure(code: -EMFILE, operation: "start event loop")) { try Loop() }
            for descriptor in taken { close(descriptor) }
            let loop = try Loop()
            let again = occupyDescriptors(leaving: 0)
            #expect(throws: LoopFailure(code: -EMFILE, operation: "create socket pair")) { try Stream.pair(loop: loop) }
            #expect(throws: LoopFailure(code: -EMFILE, operation: "create socket")) {
                try Stream(loop: loop, connectingTo: "/nothing")
            }
            #expect(throws: LoopFailure(code: -EMFILE, operation: "examine descriptor")) {
                try Stream(loop: loop, descriptor: dup2(2, again[0]))
            }
            #expect(loop.close() == true)
        }
    }

    @Test func aClosedStandardDescriptorIsPlugged() async {
        await #expect(processExitsWith: .success) {
            close(0)
            let taken = occupyDescriptors(leaving: 0)
            // dup from 3 upwards leaves 0 free; without /dev/null on it the loop would live there.
            let loop = try? Loop()
            #expect(loop == nil)
            for descriptor in taken { close(descriptor) }
            close(0)
            let second = try Loop()
            var there = stat()
            var nothing = stat()
            #expect(fstat(0, &there) == 0 && stat("/dev/null", &nothing) == 0)
            #expect(there.st_rdev == nothing.st_rdev)
            #expect(second.close() == true)
        }
    }

    @Test func theServiceManagerHears() async {
        await #expect(processExitsWith: .success) {
            #expect(ServiceNotification.send("READY=1") == false)
            let folder = Folder()
            let manager = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            #expect(Descriptors.withAddress(of: folder("notify")) { bind(manager, $0, $1) } == 0)
            setenv("NOTIFY_SOCKET", folder("notify"), 1)
            #expect(ServiceNotification.send("READY=1\nSTATUS=well") == true)
            var bytes = [UInt8](repeating: 0, count: 100)
            let count = recv(manager, &bytes, 100, 0)
            #expect(string(Array(bytes[..<count])) == "READY=1\nSTATUS=well")
            // A manager that does not read is not waited for.
            var sent = 0
            while sent < 100_000, ServiceNotification.send("WATCHDOG=1") { sent += 1 }
            #expect(sent < 100_000)

            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let name = "pushgate-test-\(getpid())"
            withUnsafeMutableBytes(of: &address.sun_path) {
                UnsafeMutableRawBufferPointer(rebasing: $0[1...]).copyBytes(from: name.utf8)
            }
            let hidden = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            let size = socklen_t(2 + 1 + name.utf8.count)
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(hidden, $0, size) }
            }
            #expect(bound == 0)
            #expect(ServiceNotification.send("STOPPING=1", to: "@" + name) == true)
            let second = recv(hidden, &bytes, 100, 0)
            #expect(string(Array(bytes[..<second])) == "STOPPING=1")
            for wrong in ["", "relative", folder("nobody"), "/" + String(repeating: "x", count: 200)] {
                #expect(ServiceNotification.send("READY=1", to: wrong) == false)
            }
            _ = occupyDescriptors(leaving: 0)
            #expect(ServiceNotification.send("READY=1", to: folder("notify")) == false)
        }
    }

    @Test func socketsOfTheServiceManagerAreTakenOnce() async {
        await #expect(processExitsWith: .success) {
            #expect(InheritedSocket.take() == [])
            func hand(_ pid: String, _ count: String, _ names: String?) {
                setenv("LISTEN_PID", pid, 1)
                setenv("LISTEN_FDS", count, 1)
                if let names { setenv("LISTEN_FDNAMES", names, 1) }
            }
            hand("1", "1", "other")
            #expect(InheritedSocket.take() == [])
            #expect(getenv("LISTEN_FDS") == nil && getenv("LISTEN_FDNAMES") == nil)
            for count in ["", "x", "0", "-1", "100000"] {
                hand("\(getpid())", count, nil)
                #expect(InheritedSocket.take() == [])
            }
            let descriptor = open("/dev/null", O_RDONLY)
            dup2(descriptor, 3)
            hand("\(getpid())", "3", "api:")
            let taken = InheritedSocket.take()
            #expect(taken.map(\.name) == ["api", "", "unknown"])
            #expect(taken.map(\.descriptor) == [3, 4, 5])
            #expect(fcntl(3, F_GETFD) & FD_CLOEXEC != 0)
            #expect(getenv("LISTEN_PID") == nil)
        }
    }

    @Test func brokenPipesAreIgnored() async {
        await #expect(processExitsWith: .success) {
            SignalWatcher.ignoreBrokenPipes()
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            close(ends[0])
            #expect(write(ends[1], "x", 1) == -1 && errno == EPIPE)
        }
    }
}
