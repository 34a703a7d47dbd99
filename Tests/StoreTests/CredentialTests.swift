import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct CredentialTests {
    private func account(_ name: String) -> AccountKey { AccountKey(provider: "local", name: name) }

    @Test func anAccountHasTheCredentialThatCameLast() throws {
        let scene = try Scene()
        let first = CredentialRow(account: account("a"), name: nil, sealed: [1, 0, 255], changed: 5)
        let other = CredentialRow(account: account("b"), name: "main", sealed: [], changed: 6)
        let later = CredentialRow(account: account("a"), name: "main", sealed: [], changed: 7)
        scene.commit(.credential(first), .credential(other))
        try scene.reopen()
        #expect(scene.store.state.credentials == [first, other])
        scene.commit(.credential(later))
        try scene.reopen()
        #expect(scene.store.state.credentials == [later, other])
        scene.commit(.credentialRemoved(account("b")), .credentialRemoved(account("c")))
        try scene.reopen()
        #expect(scene.store.state.credentials == [later])
        #expect(scene.count("credential") == 1)
        scene.end()
    }
}
