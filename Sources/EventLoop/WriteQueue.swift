/// Bytes waiting to be written, in order. Small pieces are joined, so that many short writes cost few system calls.
struct WriteQueue {
    private var pieces: [[UInt8]] = []
    /// Index of the first piece that is not used up, and how much of it is.
    private var first = 0
    private var offset = 0
    private(set) var count = 0

    /// Pieces are joined up to this size in bytes: one system call's worth.
    private static let joined = 64 * 1024

    var isEmpty: Bool { count == 0 }

    mutating func append(_ bytes: [UInt8], from start: Int = 0) {
        count += bytes.count - start
        if let last = pieces.indices.last, pieces[last].count + bytes.count - start <= Self.joined {
            pieces[last].append(contentsOf: bytes[start...])
        } else {
            pieces.append(start == 0 ? bytes : Array(bytes[start...]))
        }
    }

    /// The first bytes that lie together. Not to be called on an empty queue.
    func withFront<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        pieces[first].withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[offset...])) }
    }

    /// Forgets the first `written` bytes, which must lie within the front.
    mutating func drop(_ written: Int) {
        count -= written
        offset += written
        guard offset == pieces[first].count else { return }
        pieces[first] = []
        first += 1
        offset = 0
        // Moving the rest down only now and then keeps a long queue linear.
        if first == pieces.count {
            pieces.removeAll(keepingCapacity: false)
            first = 0
        } else if first >= 64 {
            pieces.removeSubrange(..<first)
            first = 0
        }
    }

    /// Moves the first bytes, as many as fit, to `buffer`; answers how many.
    mutating func move(to buffer: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        while filled < buffer.count, !isEmpty {
            let taken = withFront { front in
                let taken = min(front.count, buffer.count - filled)
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: front[..<taken]))
                return taken
            }
            drop(taken)
            filled += taken
        }
        return filled
    }

    mutating func removeAll() { self = WriteQueue() }
}
