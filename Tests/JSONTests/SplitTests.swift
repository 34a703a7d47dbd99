import Testing

@testable import JSON

/// What a scan comes to: every field of the tape, or the error.
enum Outcome: Equatable {
    case accepted([[UInt32]])
    case refused(JSONSyntaxError)
}

/// Scans `bytes` in the pieces that `splits` cuts; only the last is said to be final.
func outcome(_ bytes: [UInt8], ceilings: JSONCeilings = JSONCeilings(), splits: [Int] = []) -> Outcome {
    var scanner = JSONScanner(ceilings: ceilings)
    do throws(JSONSyntaxError) {
        for split in splits {
            let prefix = Array(bytes[..<split])
            let failure: JSONSyntaxError? = prefix.withUnsafeBytes { buffer in
                do throws(JSONSyntaxError) {
                    let progress = try scanner.scan(buffer, isFinal: false)
                    return (progress == .complete) == scanner.isComplete ? nil : JSONSyntaxError(.emptyText, at: -1)
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
        let document = try JSONDocument(finishing: &scanner, bytes: bytes)
        return .accepted(document.tape.map { [$0.start, $0.end, $0.link, $0.info] })
    } catch {
        return .refused(error)
    }
}

@Suite struct SplitTests {
    static let samples =
        Accepted.all + [
            #"{"a":{},"b":[],"c":[{}],"d":"x","e":{"f":[1,2.5,-3e7,{"g":null}],"h":true},"i":false}"#,
            #"{"n":1.10,"m":-0,"e":1E+400,"s":"é😀漢","u":"\u0041\ud83d\ude00\\\"","k\u0065y":"\/\b\f\n\r\t"}"#,
            #"[[],[[]],["0123456789012345678901234567890123456789"],"\u00e9","ééééééééééé","12345678","1234567é"]"#,
            " \r\n\t[ 1 , 2 ]\r\n ",
            #"{"method":"pushTransfer","id":9007199254740993,"params":{"x":[{"data":{"a":"b"}}]}}"#,
        ]

    @Test(arguments: samples)
    func everySplitGivesTheSameTape(text: String) {
        let bytes = Array(text.utf8)
        let whole = outcome(bytes)
        guard case .accepted = whole else {
            Issue.record("the sample was refused: \(whole)")
            return
        }
        for split in 0...bytes.count { #expect(outcome(bytes, splits: [split]) == whole, "split at \(split)") }
        #expect(outcome(bytes, splits: Array(0...bytes.count)) == whole)
    }

    /// Samples with bytes exchanged, dropped and doubled: accepted or not, the pieces do not matter. One seed, one order.
    @Test func damagedSamplesToo() {
        var state: UInt64 = 0x5EED
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(truncatingIfNeeded: state >> 33) % bound
        }
        let pool = Array("{}[]:,\"\\u0d8c9-+.eE1tfn \n".utf8) + [0x00, 0x1F, 0x80, 0xC3, 0xE2, 0xED, 0xF0, 0xFF]
        var accepted = 0
        for round in 0..<4000 {
            var bytes = Array(Self.samples[round % Self.samples.count].utf8)
            for _ in 0...random(2) where !bytes.isEmpty {
                let place = random(bytes.count)
                switch random(3) {
                case 0: bytes[place] = pool[random(pool.count)]
                case 1: bytes.remove(at: place)
                default: bytes.insert(pool[random(pool.count)], at: place)
                }
            }
            let whole = outcome(bytes)
            if case .accepted = whole { accepted += 1 }
            let splits = (0..<3).map { _ in random(bytes.count + 1) }.sorted()
            let pieces = outcome(bytes, splits: splits)
            let slow = outcome(bytes, splits: Array(0...bytes.count))
            #expect(pieces == whole && slow == whole, "\(bytes) cut at \(splits)")
        }
        #expect(accepted > 100 && accepted < 3900)
    }

    @Test func aScannerIsUsedAgain() throws {
        var scanner = JSONScanner()
        for text in [
            "[1,2,3]", "{\"a\":[\"b\"]}", "7", "\"x\\n\"", "[" + String(repeating: "1,", count: 500) + "1]", "{}",
        ] {
            let bytes = Array(text.utf8)
            let progress = try bytes.withUnsafeBytes { buffer in try scanner.scan(buffer, isFinal: true) }
            #expect(progress == .complete && scanner.isComplete)
            #expect(scanner.beganContainer == (text.first == "[" || text.first == "{"))
            let document = JSONDocument(taking: &scanner, bytes: bytes)
            #expect(scanner.offset == 0 && !scanner.isComplete)
            #expect(String(decoding: document.root.compactText, as: UTF8.self) == text)
        }
        // After an error the scanner is as new once it is reset.
        #expect(throws: JSONSyntaxError(.unexpectedByte, at: 3)) {
            _ = try Array("[1,}".utf8).withUnsafeBytes { buffer in try scanner.scan(buffer, isFinal: false) }
        }
        scanner.reset()
        #expect(try JSONDocument(finishing: &scanner, bytes: Array("[]".utf8)).root.kind == .array)
    }

    /// In a stream of lines the scan stops at the line feed and never looks behind it.
    @Test func aLineFeedEndsALine() throws {
        for (text, offset, complete) in [
            ("{}\n[1]\n", 2, true), ("[1,\n2]", 3, false), ("  \n1", 2, false), ("12\n3", 2, true), ("\n", 0, false),
            ("[\r\n]", 2, false),
        ] {
            var scanner = JSONScanner(endsAtLineFeed: true)
            let progress = try Array(text.utf8).withUnsafeBytes { buffer in try scanner.scan(buffer, isFinal: true) }
            #expect(scanner.offset == offset && (progress == .complete) == complete, "\(text)")
        }
        for (text, reason, offset) in [
            ("[\"a\nb\"]", JSONSyntaxError.Reason.controlCharacter, 3), ("[tr\nue]", .unexpectedByte, 3),
            ("[-\n1]", .invalidNumber, 2), ("[1.\n1]", .invalidNumber, 3),
        ] {
            var scanner = JSONScanner(endsAtLineFeed: true)
            #expect(throws: JSONSyntaxError(reason, at: offset)) {
                _ = try Array(text.utf8).withUnsafeBytes { buffer in try scanner.scan(buffer, isFinal: false) }
            }
        }
    }
}
