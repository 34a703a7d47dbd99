import JSON

/// Reads members of one object of a manifest, and says where something is wrong.
struct ManifestReader {
    let root: JSONView
    var pointer = ""

    func failure(_ key: String, _ problem: String) -> ManifestFailure {
        ManifestFailure(pointer: "\(pointer)/\(key)", problem: problem)
    }

    /// A reader of an inner object; nil when there is none.
    func object(_ key: String) throws(ManifestFailure) -> ManifestReader? {
        guard let view = root[name: key] else { return nil }
        guard view.kind == .object else { throw failure(key, "must be an object") }
        return ManifestReader(root: view, pointer: "\(pointer)/\(key)")
    }

    /// Readers of the objects of a list; none when there is no list.
    func objects(_ key: String) throws(ManifestFailure) -> [ManifestReader] {
        guard let view = root[name: key] else { return [] }
        guard view.kind == .array, view.elements.allSatisfy({ $0.kind == .object }) else {
            throw failure(key, "must be a list of objects")
        }
        return view.elements.enumerated().map {
            ManifestReader(root: $0.element, pointer: "\(pointer)/\(key)/\($0.offset)")
        }
    }

    /// Readers of the objects that an object holds, by name, in their order.
    func named(_ key: String) throws(ManifestFailure) -> [(name: String, reader: ManifestReader)] {
        guard let view = root[name: key] else { return [] }
        guard view.kind == .object, view.members.allSatisfy({ $0.value.kind == .object }) else {
            throw failure(key, "must be an object of objects")
        }
        return view.members.map {
            let name = $0.key.string ?? ""
            return (name, ManifestReader(root: $0.value, pointer: "\(pointer)/\(key)/\(name)"))
        }
    }

    func string(_ key: String) throws(ManifestFailure) -> String {
        guard let text = root[name: key]?.string, !text.isEmpty else {
            throw failure(key, "must be a string that is not empty")
        }
        return text
    }

    func text(_ key: String) throws(ManifestFailure) -> String? {
        guard root[name: key] != nil else { return nil }
        return try string(key)
    }

    func strings(_ key: String) throws(ManifestFailure) -> [String] {
        guard let view = root[name: key] else { return [] }
        let texts = view.elements.compactMap(\.string)
        guard view.kind == .array, texts.count == view.count, !texts.contains("") else {
            throw failure(key, "must be a list of strings that are not empty")
        }
        return texts
    }

    func flag(_ key: String) throws(ManifestFailure) -> Bool {
        guard let view = root[name: key] else { return false }
        guard let flag = view.bool else { throw failure(key, "must be true or false") }
        return flag
    }

    func number(_ key: String, _ range: ClosedRange<Int64>) throws(ManifestFailure) -> Int64? {
        guard let view = root[name: key] else { return nil }
        guard let number = view.integer, range.contains(number) else {
            throw failure(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func numbers(_ key: String, _ range: ClosedRange<Int64>) throws(ManifestFailure) -> [Int] {
        guard let view = root[name: key] else { return [] }
        let numbers = view.elements.compactMap(\.integer)
        guard view.kind == .array, numbers.count == view.count, numbers.allSatisfy(range.contains) else {
            throw failure(key, "must be a list of whole numbers from \(range.lowerBound) to \(range.upperBound)")
        }
        return numbers.map(Int.init)
    }

    /// One of the words of an enumeration.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _ standard: Choice
    ) throws(ManifestFailure) -> Choice where Choice.RawValue == String {
        guard let view = root[name: key] else { return standard }
        guard let choice = view.string.flatMap(Choice.init) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw failure(key, "must be one of \(words)")
        }
        return choice
    }

    func size(_ key: String) throws(ManifestFailure) -> Int {
        guard let size = root["batch"]?[name: key]?.integer, size >= 1, size <= 10_000 else {
            throw ManifestFailure(
                pointer: "\(pointer)/batch/\(key)", problem: "must be a whole number from 1 to 10000")
        }
        return Int(size)
    }
}
