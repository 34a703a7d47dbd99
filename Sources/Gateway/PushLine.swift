// Theory of operation.
//
// Versions of a record are written in the order in which they were pushed, and a caller may have many pushes in flight on
// one connection. Not all of them take the same time until they are kept: one with an idempotency key is first looked up
// in the store, a large one is staged in parts. So the pushes of a connection stand in line, and only the first one may be
// staged; look-ups go on beside each other. Between connections there is no order to keep.
//
// A push that waits for another with the same idempotency key steps out of the line: whichever of the two comes first
// decides where the push stands, and two lines that wait for each other's keys would wait for ever.

/// The pushes of one connection that are not kept yet, in the order in which they were read.
final class PushLine {
    final class Place {
        fileprivate var hasLeft = false
        fileprivate var go: (() -> Void)?
    }

    private var places: [Place] = []
    private var isAdvancing = false

    /// The last place.
    func enter() -> Place {
        let place = Place()
        places.append(place)
        return place
    }

    /// Calls back when all before it have left: now, if they have or if the place itself was left.
    func whenFirst(_ place: Place, _ go: @escaping () -> Void) {
        if place.hasLeft || places.first === place { return go() }
        place.go = go
    }

    /// The push is as good as kept, or was refused. May be said twice.
    func leave(_ place: Place) {
        place.hasLeft = true
        guard !isAdvancing else { return }
        isAdvancing = true
        while let first = places.first {
            if first.hasLeft {
                places.removeFirst()
            } else if let go = first.go {
                first.go = nil
                go()
            } else {
                break
            }
        }
        isAdvancing = false
    }
}
