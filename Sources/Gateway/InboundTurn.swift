// Theory of operation.
//
// The lines that are not read to their end share a budget of memory (K11). When it is used up by half lines, all of them
// waiting for the others would wait for ever. So one connection at a time may go on beyond the budget until its line is
// whole; the ceiling of a line bounds what that costs. Whoever has the turn and does not use it loses it with the
// connection, when the time of the line is over.

/// Whose line may be read to its end though the memory for unfinished lines is used up.
final class InboundTurn {
    private weak var holder: Connection?
    private var waiting: [Place] = []

    private struct Place {
        weak var connection: Connection?
    }

    /// Gives the turn to the connection if nobody has it, else puts it in line.
    func mayGoOn(_ connection: Connection) -> Bool {
        if holder == nil || holder === connection {
            holder = connection
            return true
        }
        waiting.append(Place(connection: connection))
        return false
    }

    /// The connection's line is whole, or the connection is gone: the next one goes on.
    func leave(_ connection: Connection) {
        guard holder === connection else { return }
        holder = nil
        while !waiting.isEmpty, holder == nil {
            guard let next = waiting.removeFirst().connection, next.waitsForMemory else { continue }
            holder = next
            next.memoryCameFree()
        }
    }
}
