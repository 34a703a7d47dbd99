import Foundation
import JSON
import PushCore
import Testing

@testable import Providers

/// The repository, from the place of this file.
private let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

private func localManifest() throws -> [UInt8] {
    [UInt8](try Data(contentsOf: repository.appending(path: "protocol/providers/local.json")))
}

@Suite struct ManifestTests {
    @Test func theManifestOfTheEmbeddedProviderIsRead() throws {
        let local = try Manifest.read(try JSONDocument(parsing: try localManifest()).root)
        #expect(local.name == "local")
        #expect(local.recoveryClass == .keyed)
    }
}
