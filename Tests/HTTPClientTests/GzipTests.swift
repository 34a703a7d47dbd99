import EventLoop
import Testing

@testable import HTTPClient

@Suite struct GzipTests {
    /// "hello", twice as a member of its own.
    private let member: [UInt8] = [
        0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0x02, 0xFF, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0, 0x86, 0xA6, 0x10, 0x36, 5,
        0, 0, 0,
    ]

    private func run(_ bytes: [UInt8], ceiling: Int) -> GzipDecoder.Progress {
        let decoder = GzipDecoder(bytes, ceiling: ceiling)
        var progress = GzipDecoder.Progress.more
        while progress == .more { progress = decoder.step() }
        return progress
    }

    @Test func ceilingIsExact() {
        #expect(run(member, ceiling: 5) == .done(Array("hello".utf8)))
        #expect(run(member, ceiling: 4) == .failed(.bodyTooLarge))
        #expect(run(member + member, ceiling: 10) == .done(Array("hellohello".utf8)))
        #expect(run(member + member, ceiling: 9) == .failed(.bodyTooLarge))
    }

    @Test func eachCutIsFound() {
        for length in 3..<member.count {
            #expect(run(Array(member[..<length]), ceiling: 100) == .failed(.badEncoding), "\(length)")
        }
        #expect(!GzipDecoder.looksLikeGzip(Array(member[..<2])))
    }

    @Test func thousandsOfMembersTakeTurnsButNoTime() throws {
        let many = Array(repeatElement(member, count: 2000).joined())
        let loop = try Loop()
        var turns = 0
        let decoder = GzipDecoder(many, ceiling: 1 << 20)
        var result = GzipDecoder.Progress.more
        func turn() {
            turns += 1
            result = decoder.step()
            if result == .more { loop.soon(turn) }
        }
        loop.soon(turn)
        loop.run()
        guard case .done(let output) = result else { return #expect(Bool(false), "\(result)") }
        #expect(output.count == 10_000)
        #expect(turns == 2000)
        #expect(loop.close())
    }
}
