import Foundation
import Testing

/// The client's lines of one file of `protocol/transcripts`; the format is described in the README there.
struct TranscriptFile: Sendable, CustomTestStringConvertible {
    struct Line: Sendable {
        /// Of the file, for messages.
        let number: Int
        /// As sent, with the line feed. `$name` stands as it is written: to the conversation it is text like any other.
        let bytes: [UInt8]
    }

    /// `method/claim`.
    let name: String
    let sent: [Line]

    var testDescription: String { name }

    private init(at place: URL) throws {
        name =
            place.deletingLastPathComponent().lastPathComponent + "/" + place.deletingPathExtension().lastPathComponent
        var lines: [(number: Int, text: String)] = []
        let text = try String(contentsOf: place, encoding: .utf8)
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if raw.hasPrefix("    ") {
                lines[lines.count - 1].text += " " + raw.trimmingCharacters(in: .whitespaces)
            } else if !raw.allSatisfy(\.isWhitespace) {
                lines.append((index + 1, String(raw)))
            }
        }
        sent = lines.filter { $0.text.hasPrefix("--> ") }
            .map { Line(number: $0.number, bytes: Array($0.text.utf8.dropFirst(4)) + [UInt8(ascii: "\n")]) }
    }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../protocol/transcripts").standardized

    /// All of them, by name. Empty if the folder cannot be read, which a test looks at.
    static let all: [TranscriptFile] = {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        let places = (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "transcript" }
        return places.sorted { $0.path < $1.path }.compactMap { try? TranscriptFile(at: $0) }
    }()
}
