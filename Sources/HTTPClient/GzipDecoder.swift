import CZlib

/// Undoes gzip (RFC 1952) in slices, up to a ceiling. A body of several members is one after the other.
final class GzipDecoder {
    enum Progress: Equatable {
        case more
        case done([UInt8])
        case failed(HTTPFailure.Kind)
    }

    /// Bytes that come out of one slice: about 0.2 ms of work.
    static let slice = 64 * 1024

    /// True when the bytes begin as gzip does (magic and the only method that there is).
    static func looksLikeGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B, 0x08]) }

    private let input: [UInt8]
    private let ceiling: Int
    private var output: [UInt8] = []
    private var taken = 0
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: GzipDecoder.slice)
    private let started: Int32

    init(_ input: [UInt8], ceiling: Int) {
        self.input = input
        self.ceiling = ceiling
        stream.initialize(to: z_stream())
        // 15 bits of window, and 16 for "gzip only".
        started = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        scratch.deallocate()
    }

    /// Does one slice.
    func step() -> Progress {
        guard started == Z_OK else { return .failed(.noPlace) }
        // One byte above the ceiling is enough to know.
        let room = min(Self.slice, ceiling - output.count + 1)
        let result = input.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress else { return Z_BUF_ERROR }
            stream.pointee.next_in = UnsafeMutablePointer(mutating: from + taken)
            stream.pointee.avail_in = UInt32(source.count - taken)
            stream.pointee.next_out = scratch.baseAddress
            stream.pointee.avail_out = UInt32(room)
            let result = inflate(stream, Z_NO_FLUSH)
            taken = source.count - Int(stream.pointee.avail_in)
            return result
        }
        output.append(contentsOf: UnsafeBufferPointer(rebasing: scratch[..<(room - Int(stream.pointee.avail_out))]))
        guard output.count <= ceiling else { return .failed(.bodyTooLarge) }
        switch result {
        case Z_STREAM_END:
            if taken == input.count { return .done(output) }
            return inflateReset(stream) == Z_OK ? .more : .failed(.badEncoding)
        case Z_OK: return .more
        // Nothing more to read, and the end has not come: Z_BUF_ERROR.
        default: return .failed(.badEncoding)
        }
    }
}
