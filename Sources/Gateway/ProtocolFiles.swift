import CProtocolFiles
import JSON

/// The files of `protocol/` that the gateway carries inside it.
package enum ProtocolFiles {
    /// Text of a file by its path below `protocol/`; nil when there is none.
    package static func text(_ path: String) -> [UInt8]? {
        for index in 0..<Int(pushgate_protocol_file_count()) {
            let file = pushgate_protocol_file(Int32(index))
            guard let name = file.path, String(cString: name) == path, let bytes = file.bytes else { continue }
            return Array(UnsafeBufferPointer(start: bytes, count: Int(file.count)))
        }
        return nil
    }

    /// Paths below `protocol/`, in order.
    package static var paths: [String] {
        (0..<Int(pushgate_protocol_file_count())).compactMap { index in
            pushgate_protocol_file(Int32(index)).path.map { String(cString: $0) }
        }.sorted()
    }

    /// The JSON files of a folder with their names, in order.
    package static func documents(under folder: String) -> [(name: String, document: JSONDocument)] {
        paths.filter { $0.hasPrefix(folder) && $0.hasSuffix(".json") }.compactMap { path in
            guard let text = text(path), let document = try? JSONDocument(parsing: text) else { return nil }
            return (String(path.dropFirst(folder.count).dropLast(5)), document)
        }
    }

    package static func document(_ path: String) -> JSONDocument? {
        text(path).flatMap { try? JSONDocument(parsing: $0) }
    }
}
