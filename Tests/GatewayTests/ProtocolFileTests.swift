import Foundation
import JSON
import Testing

@testable import Gateway

@Suite struct ProtocolFileTests {
    /// The folder `protocol/`, found from the place of this file.
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "protocol", directoryHint: .isDirectory)

    private static func pathsOnDisk() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".json") }.sorted()
    }

    @Test func everyJSONFileOfTheProtocolIsEmbeddedByteForByte() throws {
        let paths = try Self.pathsOnDisk()
        #expect(paths.count >= 14)
        #expect(ProtocolFiles.paths == paths)
        for path in paths {
            let bytes = [UInt8](try Data(contentsOf: Self.folder.appending(path: path)))
            #expect(ProtocolFiles.text(path) == bytes, "\(path)")
            #expect(ProtocolFiles.document(path) != nil, "\(path) is JSON")
        }
    }

    @Test func aFolderGivesItsDocumentsByName() {
        let types = ProtocolFiles.documents(under: "types/")
        #expect(
            types.map(\.name) == [
                "accounting-customer", "accounting-invoice", "accounting-payment", "accounting-product", "crm-activity",
                "crm-company", "crm-contact", "crm-deal", "crm-lead", "crm-note", "crm-product", "crm-task",
            ])
        #expect(types.allSatisfy { $0.document.root["properties"] != nil })
        #expect(ProtocolFiles.documents(under: "nothing/").isEmpty)
    }

    @Test(arguments: ["", "nothing.json", "types", "errors.jso", "errors.json/", "README.md"])
    func whatIsNotEmbeddedIsNotThere(path: String) {
        #expect(ProtocolFiles.text(path) == nil)
        #expect(ProtocolFiles.document(path) == nil)
    }
}
