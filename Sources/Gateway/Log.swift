import Glibc
import JSON
import PushCore

/// One JSON object a line on stderr. Never waits: a line that the pipe does not take at once is dropped and counted.
///
/// Only text of our own goes in: names, counts, ids, reasons. No contents of records, no token, no SQL argument.
package final class Log {
    package enum Level: Int, Sendable, CaseIterable, Comparable {
        case debug, info, warning, error

        package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    private let minimum: Level
    private let wallClock: () -> Int64
    private let descriptor: Int32
    private var dropped = 0
    /// Characters of one value beyond which it is cut.
    private static let valueCeiling = 1_024

    package init(minimum: Level, descriptor: Int32 = 2, wallClock: @escaping () -> Int64) {
        self.minimum = minimum
        self.descriptor = descriptor
        self.wallClock = wallClock
    }

    package func debug(_ message: StaticString, _ facts: (StaticString, String)...) { write(.debug, message, facts) }
    package func info(_ message: StaticString, _ facts: (StaticString, String)...) { write(.info, message, facts) }
    package func warning(_ message: StaticString, _ facts: (StaticString, String)...) {
        write(.warning, message, facts)
    }
    package func error(_ message: StaticString, _ facts: (StaticString, String)...) { write(.error, message, facts) }

    private func write(_ level: Level, _ message: StaticString, _ facts: [(StaticString, String)]) {
        guard level >= minimum else { return }
        var line = JSONWriter()
        line.beginObject()
        line.key("time")
        line.string(WireTime.text(wallClock()))
        line.key("level")
        line.string(String(describing: level))
        line.key("message")
        line.string(message.description)
        for (key, value) in facts {
            line.key(key)
            line.string(String(value.prefix(Self.valueCeiling)))
        }
        if dropped > 0 {
            line.key("dropped_lines")
            line.integer(dropped)
        }
        line.endObject()
        line.endLine()
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        // A full pipe that nobody reads must not stop the loop. A line is shorter than PIPE_BUF or close to it, so a
        // pipe that says it has room takes it whole.
        guard Glibc.poll(&poll, 1, 0) == 1, poll.revents & Int16(POLLOUT) != 0,
            line.bytes.withUnsafeBytes({ Glibc.write(descriptor, $0.baseAddress, $0.count) }) == line.bytes.count
        else {
            dropped += 1
            return
        }
        dropped = 0
    }
}
