import JSON
import JSONRPC
import Testing

/// What a conversation made of some bytes: everything it handed out, spelled out, and everything it answered itself.
private struct Heard: Equatable {
    var incoming: [String] = []
    var output: [UInt8] = []
    var leftover = 0

    /// - Parameter pieces: the bytes as they arrive. The peer has paused behind the last piece only (K25).
    init(_ pieces: some Sequence<ArraySlice<UInt8>>) {
        var conversation = Conversation()
        for piece in pieces {
            piece.withUnsafeBytes { conversation.receive($0) }
            listen(to: &conversation, drained: false)
        }
        listen(to: &conversation, drained: true)
        leftover = conversation.bufferedBytes
    }

    private mutating func listen(to conversation: inout Conversation, drained: Bool) {
        while let next = conversation.next(drained: drained) { incoming.append(Self.text(next)) }
        output += conversation.takeOutput()
    }

    private static func text(_ incoming: Incoming) -> String {
        switch incoming {
        case .call(let call):
            let params = call.params.map { String(decoding: $0.compactText, as: UTF8.self) } ?? "none"
            return "call \(call.id.map { "\($0)" } ?? "none") \(call.method) \(params) \(call.lineBytes)"
        case .cancel(let id): return "cancel \(id)"
        case .refused(let error): return "refused \(error)"
        case .response: return "response"
        }
    }
}

/// What a line is worth does not depend on how it was cut on its way.
@Suite struct SplitTests {
    @Test func transcriptsAreThere() {
        #expect(TranscriptFile.all.count >= 60)
        #expect(TranscriptFile.all.allSatisfy { !$0.sent.isEmpty || $0.name.hasPrefix("conversation/") })
    }

    /// Each line means one call where it plainly is one, and the same call however it arrives.
    @Test(arguments: TranscriptFile.all)
    func everyLineAtEverySplit(file: TranscriptFile) throws {
        for line in file.sent {
            let bytes = line.bytes
            let whole = Heard([bytes[...]])
            #expect(whole.leftover == 0)
            if let request = try? JSONValue(parsing: bytes), let method = request["method"]?.string {
                let isRefused = whole.incoming.first?.hasPrefix("refused") == true
                let isCall = whole.incoming.first?.contains(method) == true
                #expect(whole.incoming.count == 1)
                #expect(isRefused || isCall || method == "$/cancelRequest", "\(file.name):\(line.number)")
            }
            #expect(Heard(bytes.indices.map { bytes[$0...$0] }) == whole, "\(file.name):\(line.number), byte by byte")
            for split in 1..<bytes.count where Heard([bytes[..<split], bytes[split...]]) != whole {
                Issue.record("\(file.name):\(line.number), split at \(split)")
            }
        }
    }

    /// All lines of a transcript as one stream, in pieces of many lengths: nothing leaks from one line into the next.
    @Test(arguments: TranscriptFile.all)
    func wholeTranscriptsInPieces(file: TranscriptFile) {
        let stream = file.sent.flatMap(\.bytes)
        var expected: [String] = []
        for line in file.sent { expected += Heard([line.bytes[...]]).incoming }
        for length in [1, 2, 3, 5, 7, 16, 61, 64, 255, 4096] {
            let pieces = stride(from: 0, to: stream.count, by: length).map {
                stream[$0..<min($0 + length, stream.count)]
            }
            let heard = Heard(pieces)
            #expect(heard.incoming == expected, "pieces of \(length)")
            #expect(heard.leftover == 0)
        }
    }
}
