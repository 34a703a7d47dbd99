import CUV
import Glibc

/// A failed system call or libuv call.
package struct LoopFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// libuv's code: on Linux the negated errno, or one of libuv's own (UV_EOF).
    package let code: Int32
    /// What was being done, in words for a log line: "bind socket".
    package let operation: StaticString

    package init(code: Int32, operation: StaticString) {
        self.code = code
        self.operation = operation
    }

    /// The failure that `errno` tells about right now.
    static func last(_ operation: StaticString) -> LoopFailure {
        LoopFailure(code: -errno, operation: operation)
    }

    /// Throws when `result` is negative, as libuv's calls and the functions of CLinux report failure.
    @discardableResult
    static func check(_ result: Int32, _ operation: StaticString) throws(LoopFailure) -> Int32 {
        if result < 0 { throw LoopFailure(code: result, operation: operation) }
        return result
    }

    /// The symbolic name: "ECONNREFUSED".
    package var name: String { Self.text(code, uv_err_name_r) }

    package var description: String { "\(operation): \(Self.text(code, uv_strerror_r)) (\(name))" }

    package static func == (left: LoopFailure, right: LoopFailure) -> Bool {
        left.code == right.code && left.operation.description == right.operation.description
    }

    // The variants with a buffer: the plain ones leak memory on a code that they do not know.
    private static func text(
        _ code: Int32, _ describe: (Int32, UnsafeMutablePointer<CChar>?, Int) -> UnsafeMutablePointer<CChar>?
    ) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let start = describe(code, buffer.baseAddress, buffer.count) else { return "error \(code)" }
            return String(cString: start)
        }
    }
}
