/// The ticket of one call that awaits its answer. It is good for one answer, on the conversation that gave it.
package struct ReplyTo: Hashable, Sendable {
    let slot: Int
    /// Never used twice in a conversation, so an old ticket cannot answer the call that has its slot now.
    let serial: UInt64
}

/// The calls of one connection that await their answer, in slots that are used again.
///
/// Looking for an id is a walk over the slots: there are few (the ceiling `inFlight`), only a cancellation looks, and a
/// dictionary would cost each call what each cancellation saves.
struct PendingCalls: Sendable {
    struct Entry: Sendable {
        let id: RequestID
        /// The slot of its batch; nil for a call that came alone.
        let batch: Int?
        let serial: UInt64
    }

    private var slots: [Entry?] = []
    private var free: [Int] = []
    private var serial: UInt64 = 0
    var count: Int { slots.count - free.count }

    mutating func add(_ id: RequestID, batch: Int?) -> ReplyTo {
        serial += 1
        let entry = Entry(id: id, batch: batch, serial: serial)
        if let slot = free.popLast() {
            slots[slot] = entry
            return ReplyTo(slot: slot, serial: serial)
        }
        slots.append(entry)
        return ReplyTo(slot: slots.count - 1, serial: serial)
    }

    /// Nil if the ticket was used before.
    mutating func remove(_ ticket: ReplyTo) -> Entry? {
        guard ticket.slot < slots.count, slots[ticket.slot]?.serial == ticket.serial else { return nil }
        free.append(ticket.slot)
        return slots[ticket.slot].take()
    }

    /// The only call with this id; nil if there is none, or more than one.
    func ticket(of id: RequestID) -> ReplyTo? {
        var found: ReplyTo?
        for (slot, entry) in slots.enumerated() {
            guard let entry, entry.id == id else { continue }
            if found != nil { return nil }
            found = ReplyTo(slot: slot, serial: entry.serial)
        }
        return found
    }
}
