// Theory of operation.
//
// A table of names known when a schema is compiled, asked once for every member of every record. It is a sorted list and
// not a hash table: schemas and records may both come from the same caller, who could forge a hash but cannot make a
// binary search slow. The names lie in buckets by length, so most questions are settled by one or two comparisons of a
// word: the length chooses the bucket, the first eight bytes choose the name, the rest is compared once.

/// Finds a name among a fixed set by its bytes; allocates nothing.
package struct NameTable: Sendable {
    private struct Slot: Sendable {
        /// The first eight bytes, the first in the lowest place, padded with zeros.
        let word: UInt64
        let length: Int32
        let offset: Int32
        let place: Int32
    }

    /// Longer names share the last bucket.
    private static let buckets = 48
    /// Up to this many slots are looked through in order, which is faster than halving them.
    private static let linear = 6

    private let slots: ContiguousArray<Slot>
    private let starts: ContiguousArray<Int32>
    private let bytes: ContiguousArray<UInt8>
    /// A name that holds a backslash can look like the escaped spelling of another one.
    let hasBackslash: Bool
    var isEmpty: Bool { slots.isEmpty }

    /// - Parameter names: each once; `find` answers with the place in this list.
    package init(_ names: [String]) {
        var bytes: ContiguousArray<UInt8> = []
        var slots: ContiguousArray<Slot> = []
        for (place, name) in names.enumerated() {
            let offset = Int32(bytes.count)
            bytes.append(contentsOf: name.utf8)
            let length = Int32(bytes.count) - offset
            let word = bytes.withUnsafeBytes {
                Self.word(UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset + length)]))
            }
            slots.append(Slot(word: word, length: length, offset: offset, place: Int32(place)))
        }
        bytes.withUnsafeBytes { text in
            slots.sort { a, b in
                Self.order(
                    a, UnsafeRawBufferPointer(rebasing: text[Int(b.offset)..<Int(b.offset + b.length)]), b.word, text)
                    < 0
            }
        }
        var starts = ContiguousArray<Int32>(repeating: 0, count: Self.buckets + 1)
        for slot in slots { starts[Self.bucket(Int(slot.length)) + 1] += 1 }
        for bucket in 0..<Self.buckets { starts[bucket + 1] += starts[bucket] }
        (self.slots, self.starts, self.bytes) = (slots, starts, bytes)
        hasBackslash = bytes.contains(UInt8(ascii: "\\"))
    }

    @inline(__always)
    private static func bucket(_ length: Int) -> Int { length < buckets ? length : buckets - 1 }

    @inline(__always)
    private static func word(_ text: UnsafeRawBufferPointer) -> UInt64 {
        if text.count >= 8 { return text.loadUnaligned(as: UInt64.self).littleEndian }
        var word: UInt64 = 0
        for index in 0..<text.count { word |= UInt64(text[index]) << UInt64(index * 8) }
        return word
    }

    /// By length, then by first word, then by the rest; negative if `slot` comes first.
    @inline(__always)
    private static func order(
        _ slot: Slot, _ text: UnsafeRawBufferPointer, _ word: UInt64, _ names: UnsafeRawBufferPointer
    ) -> Int {
        if Int(slot.length) != text.count { return Int(slot.length) - text.count }
        if slot.word != word { return slot.word < word ? -1 : 1 }
        var index = 8
        while index < text.count {
            let (a, b) = (names[Int(slot.offset) + index], text[index])
            if a != b { return Int(a) - Int(b) }
            index += 1
        }
        return 0
    }

    /// The place of `text` in the list that the table was made from; -1 if it is not there.
    package func find(_ text: UnsafeRawBufferPointer) -> Int {
        let bucket = Self.bucket(text.count)
        var low = Int(starts[bucket])
        var high = Int(starts[bucket + 1])
        guard low < high else { return -1 }
        let word = Self.word(text)
        return bytes.withUnsafeBytes { names in
            while high - low > Self.linear {
                let middle = (low + high) / 2
                let order = Self.order(slots[middle], text, word, names)
                if order == 0 { return Int(slots[middle].place) }
                if order < 0 { low = middle + 1 } else { high = middle }
            }
            while low < high {
                if slots[low].word == word, Self.order(slots[low], text, word, names) == 0 {
                    return Int(slots[low].place)
                }
                low += 1
            }
            return -1
        }
    }
}
