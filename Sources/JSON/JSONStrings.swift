/// Eight bytes of a string at once.
enum JSONWord {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The high bit of each byte that a string scan must look at: a quote, a backslash, a control, a non-ASCII byte.
    ///
    /// Borrows run upwards only, so the lowest marked byte is always right; higher ones are not read.
    @inline(__always)
    static func stops(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let control = word &- (ones &* 0x20)
        return ((quote &- ones) | (backslash &- ones) | control | word) & highs
    }
}

/// UTF-8 by the table of Unicode 15 section 3.9 (no overlong forms, no surrogates, nothing above U+10FFFF).
enum UTF8Sequence {
    /// Length in bytes of the multi-byte sequence at `at`, or nil if the buffer ends inside a good one.
    static func length(
        _ base: UnsafeRawPointer, _ at: Int, _ count: Int
    ) throws(JSONSyntaxError) -> Int? {
        let first = base.load(fromByteOffset: at, as: UInt8.self)
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, low) = (3, 0xA0)
        case 0xED: (length, high) = (3, 0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, low) = (4, 0x90)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, high) = (4, 0x8F)
        default: throw JSONSyntaxError(.invalidUTF8, at: at)
        }
        for index in 1..<length {
            guard at + index < count else { return nil }
            let byte = base.load(fromByteOffset: at + index, as: UInt8.self)
            guard byte >= low && byte <= high else { throw JSONSyntaxError(.invalidUTF8, at: at) }
            (low, high) = (0x80, 0xBF)
        }
        return length
    }
}

/// Escapes of RFC 8259 section 7; a surrogate pair counts as one escape of twelve bytes.
enum JSONEscape {
    /// Length in bytes of the escape at `at`, or nil if the buffer ends inside a good one.
    static func length(
        _ base: UnsafeRawPointer, _ at: Int, _ count: Int
    ) throws(JSONSyntaxError) -> Int? {
        guard at + 1 < count else { return nil }
        switch base.load(fromByteOffset: at + 1, as: UInt8.self) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"):
            guard let unit = try hex(base, at, count) else { return nil }
            guard unit & 0xF800 == 0xD800 else { return 6 }
            guard unit < 0xDC00 else { throw JSONSyntaxError(.loneSurrogate, at: at) }
            return try lowSurrogate(base, at, count)
        default:
            throw JSONSyntaxError(.invalidEscape, at: at)
        }
    }

    private static func lowSurrogate(
        _ base: UnsafeRawPointer, _ at: Int, _ count: Int
    ) throws(JSONSyntaxError) -> Int? {
        guard at + 6 < count else { return nil }
        guard base.load(fromByteOffset: at + 6, as: UInt8.self) == UInt8(ascii: "\\") else {
            throw JSONSyntaxError(.loneSurrogate, at: at)
        }
        guard at + 7 < count else { return nil }
        guard base.load(fromByteOffset: at + 7, as: UInt8.self) == UInt8(ascii: "u") else {
            throw JSONSyntaxError(.loneSurrogate, at: at)
        }
        guard let low = try hex(base, at + 6, count) else { return nil }
        guard low & 0xFC00 == 0xDC00 else { throw JSONSyntaxError(.loneSurrogate, at: at) }
        return 12
    }

    /// The code unit of `\uXXXX` at `at`; nil if cut.
    private static func hex(
        _ base: UnsafeRawPointer, _ at: Int, _ count: Int
    ) throws(JSONSyntaxError) -> UInt32? {
        var unit: UInt32 = 0
        for index in 2..<6 {
            guard at + index < count else { return nil }
            guard let digit = hexDigit(base.load(fromByteOffset: at + index, as: UInt8.self)) else {
                throw JSONSyntaxError(.invalidEscape, at: at)
            }
            unit = unit << 4 | digit
        }
        return unit
    }

    @inline(__always)
    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte &- 0x30)
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte &- 0x57)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte &- 0x37)
        default: nil
        }
    }

    /// Appends the decoded bytes of a string that the scanner has accepted.
    static func decode(_ text: UnsafeRawBufferPointer, into bytes: inout [UInt8]) {
        bytes.reserveCapacity(bytes.count + text.count)
        var at = 0
        while at < text.count {
            let byte = text[at]
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                at += 1
                continue
            }
            let kind = text[at + 1]
            at += 2
            switch kind {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = unit(text, at)
                at += 4
                if scalar & 0xFC00 == 0xD800 {
                    scalar = 0x10000 + ((scalar & 0x3FF) << 10 | (unit(text, at + 2) & 0x3FF))
                    at += 6
                }
                append(scalar, to: &bytes)
            default: bytes.append(kind)
            }
        }
    }

    private static func unit(_ text: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        var unit: UInt32 = 0
        for index in at..<at + 4 { unit = unit << 4 | (hexDigit(text[index]) ?? 0) }
        return unit
    }

    private static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | (scalar >> shift & 0x3F)) }
        switch scalar {
        case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: scalar))
        case 0x80..<0x800: bytes += [UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6), tail(0)]
        case 0x800..<0x10000: bytes += [UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12), tail(6), tail(0)]
        default: bytes += [UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18), tail(12), tail(6), tail(0)]
        }
    }
}

/// Keys of one object, compared by their decoded bytes: `"a"` and `"\u0061"` are one key.
enum JSONKeys {
    /// Up to this many members are compared pair by pair, which is faster than sorting them.
    private static let pairwise = 12

    static func hash(_ base: UnsafeRawPointer, _ start: Int, _ end: Int, hasEscape: Bool) -> UInt32 {
        guard hasEscape else { return hash(UnsafeRawBufferPointer(start: base + start, count: end - start)) }
        var bytes: [UInt8] = []
        JSONEscape.decode(UnsafeRawBufferPointer(start: base + start, count: end - start), into: &bytes)
        return bytes.withUnsafeBytes { hash($0) }
    }

    /// Any length, eight bytes a step. A caller who forges equal hashes gains nothing: see `refuseDuplicates`.
    @inline(__always)
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var hash = UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
        var at = 0
        while at &+ 8 <= bytes.count {
            hash = mix(hash, bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at &+= 8
        }
        // The last bytes in one step: two words that overlap, or at most three single bytes.
        let left = bytes.count &- at
        if left >= 4 {
            let low = bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)
            let high = bytes.loadUnaligned(fromByteOffset: bytes.count &- 4, as: UInt32.self)
            hash = mix(hash, UInt64(low) | UInt64(high) &<< 32)
        } else if left > 0 {
            let word =
                UInt64(bytes[at]) | UInt64(bytes[at &+ left &>> 1]) &<< 8 | UInt64(bytes[bytes.count &- 1]) &<< 16
            hash = mix(hash, word)
        }
        return UInt32(truncatingIfNeeded: hash &>> 32)
    }

    @inline(__always)
    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        return product ^ product &>> 29
    }

    /// - Throws: `.duplicateKey` at the later of two equal keys.
    static func refuseDuplicates(
        _ nodes: UnsafeBufferPointer<JSONNode>, object: Int, _ base: UnsafeRawPointer
    ) throws(JSONSyntaxError) {
        let count = nodes[object].count
        if count <= pairwise {
            // One bit of 64 a key: where no bit is hit twice, no key is there twice. That settles most objects.
            var seen: UInt64 = 0
            var index = object &+ 1
            for _ in 0..<count {
                seen |= 1 &<< UInt64(nodes[index].link &>> 26)
                index = next(nodes, index &+ 1)
            }
            if seen.nonzeroBitCount == count { return }
        }
        try refuseDuplicatesSlowly(nodes, object: object, base)
    }

    @inline(never)
    private static func refuseDuplicatesSlowly(
        _ nodes: UnsafeBufferPointer<JSONNode>, object: Int, _ base: UnsafeRawPointer
    ) throws(JSONSyntaxError) {
        let count = nodes[object].count
        var keys: [Int] = []
        keys.reserveCapacity(count)
        var index = object + 1
        for _ in 0..<count {
            keys.append(index)
            index = next(nodes, index + 1)
        }
        if count <= pairwise {
            for later in 1..<count {
                for earlier in 0..<later where isSame(nodes[keys[later]], nodes[keys[earlier]], base) {
                    throw JSONSyntaxError(.duplicateKey, at: Int(nodes[keys[later]].start) - 1)
                }
            }
            return
        }
        // Sorted by hash and, where hashes are equal, by bytes: a caller who forges hashes gains nothing.
        keys.sort { left, right in
            let (a, b) = (nodes[left], nodes[right])
            if a.link != b.link { return a.link < b.link }
            let order = compare(a, b, base)
            return order != 0 ? order < 0 : left < right
        }
        var first: Int?
        for place in 1..<count where isSame(nodes[keys[place - 1]], nodes[keys[place]], base) {
            first = min(first ?? .max, Int(nodes[keys[place]].start) - 1)
        }
        if let first { throw JSONSyntaxError(.duplicateKey, at: first) }
    }

    @inline(__always)
    private static func isSame(_ a: JSONNode, _ b: JSONNode, _ base: UnsafeRawPointer) -> Bool {
        a.link == b.link && compare(a, b, base) == 0
    }

    @inline(__always)
    private static func next(_ nodes: UnsafeBufferPointer<JSONNode>, _ index: Int) -> Int {
        switch nodes[index].kind {
        case .array, .object: Int(nodes[index].link)
        default: index &+ 1
        }
    }

    private static func compare(_ a: JSONNode, _ b: JSONNode, _ base: UnsafeRawPointer) -> Int {
        let left = UnsafeRawBufferPointer(start: base + Int(a.start), count: Int(a.end - a.start))
        let right = UnsafeRawBufferPointer(start: base + Int(b.start), count: Int(b.end - b.start))
        guard a.flag || b.flag else { return order(left, right) }
        var (one, two): ([UInt8], [UInt8]) = ([], [])
        JSONEscape.decode(left, into: &one)
        JSONEscape.decode(right, into: &two)
        return one.withUnsafeBytes { x in two.withUnsafeBytes { y in order(x, y) } }
    }

    private static func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        if a.count != b.count { return a.count - b.count }
        for index in 0..<a.count where a[index] != b[index] { return Int(a[index]) - Int(b[index]) }
        return 0
    }
}
