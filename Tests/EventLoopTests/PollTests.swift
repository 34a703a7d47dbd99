import CUV
import Glibc
import Testing

@testable import EventLoop

@Suite struct PollTests {
    private func pair() -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    @Test func tellsWhatWasAskedFor() throws {
        let loop = try Loop()
        let (near, far) = pair()
        let poll = try Poll(loop: loop, descriptor: near)
        var seen: [Poll.Events] = []
        poll.start(.writable) { events, failure in
            #expect(failure == nil)
            seen.append(events)
            _ = write(far, "x", 1)
            // Replaced from within: from here on it is the other one.
            poll.start(.readable) { events, _ in
                seen.append(events)
                poll.close()
            }
        }
        loop.run()
        #expect(seen == [.writable, .readable])
        close(near)
        close(far)
        #expect(loop.close())
    }

    @Test func descriptorIsWatchedOnceAndFreeAfterClose() throws {
        let loop = try Loop()
        let (near, far) = pair()
        let poll = try Poll(loop: loop, descriptor: near)
        poll.start(.readable) { _, _ in }
        let failure = #expect(throws: LoopFailure.self) { try Poll(loop: loop, descriptor: near) }
        #expect(failure?.name == "EEXIST")
        poll.close()
        poll.start(.readable) { _, _ in }
        let again = try Poll(loop: loop, descriptor: near)
        again.close()
        close(near)
        close(far)
        loop.run()
        #expect(loop.close())
    }

    /// A refused connection is an error of the descriptor; libuv stops there, the owner may still look at it.
    @Test func goesOnAfterAnError() throws {
        let loop = try Loop()
        let (reading, writing): (Int32, Int32) = try {
            var ends: [Int32] = [-1, -1]
            try #require(pipe(&ends) == 0)
            return (ends[0], ends[1])
        }()
        close(reading)
        let poll = try Poll(loop: loop, descriptor: writing)
        var errors = 0
        poll.start(.readable) { _, failure in
            if failure != nil { errors += 1 }
            if errors == 2 { poll.close() }
        }
        #expect(loop.run(until: { errors == 2 }))
        close(writing)
        #expect(loop.close())
    }
}
