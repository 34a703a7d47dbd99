import JSON

/// The batches of one connection whose answers are not all there (JSON-RPC 2.0 section 6).
struct Batches: Sendable {
    private struct Batch: Sendable {
        /// The answers so far, `[` first; empty as long as there is none.
        var replies = JSONWriter()
        /// Calls that were handed out and are not answered.
        var open = 0
        /// Members that were not handed out yet.
        var left: Int
    }

    private var slots: [Batch?] = []
    /// Bytes of answers that wait for the rest of their batch.
    private(set) var collectedBytes = 0

    mutating func add(members: Int) -> Int {
        let batch = Batch(left: members)
        if let slot = slots.firstIndex(where: { $0 == nil }) {
            slots[slot] = batch
            return slot
        }
        slots.append(batch)
        return slots.count - 1
    }

    /// One more call of the batch awaits its answer.
    mutating func expectReply(_ slot: Int) { slots[slot]?.open += 1 }

    mutating func write(_ slot: Int, _ body: (inout JSONWriter) -> Void) {
        guard var batch = slots[slot].take() else { return }
        let before = batch.replies.bytes.count
        if before == 0 { batch.replies.beginArray() }
        body(&batch.replies)
        collectedBytes += batch.replies.bytes.count - before
        slots[slot] = batch
    }

    /// A member was dealt with, or handed out.
    ///
    /// - Returns: the line of the whole batch without its end, if this was the last thing that was missing and anything
    ///   has to be said.
    mutating func memberIsDone(_ slot: Int) -> [UInt8]? {
        slots[slot]?.left -= 1
        return finish(slot)
    }

    /// A call of the batch was answered. Returns as `memberIsDone` does.
    mutating func replyIsWritten(_ slot: Int) -> [UInt8]? {
        slots[slot]?.open -= 1
        return finish(slot)
    }

    private mutating func finish(_ slot: Int) -> [UInt8]? {
        guard let batch = slots[slot], batch.left == 0 && batch.open == 0 else { return nil }
        slots[slot] = nil
        guard !batch.replies.bytes.isEmpty else { return nil }
        collectedBytes -= batch.replies.bytes.count
        var line = batch.replies
        line.endArray()
        return line.bytes
    }
}
