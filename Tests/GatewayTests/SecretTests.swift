import Testing

@testable import Gateway

@Suite struct SecretTests {
    @Test func aSecretShowsItselfNowhere() throws {
        let secret = try #require(Secret("hunter2".utf8))
        let source = CredentialSource(name: "main", place: .value(secret))
        var dumped = ""
        dump(source, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), "\(source)", String(reflecting: source), dumped] {
            #expect(!text.contains("hunter2"))
            #expect(!text.contains("104"), "its bytes as numbers")
        }
        #expect(secret.withBytes { $0 } == Array("hunter2".utf8))
    }

    @Test func aSecretCanStandInAHeader() {
        #expect(Secret("!~".utf8) != nil)
        #expect(Secret([UInt8](repeating: 0x61, count: Secret.ceiling)) != nil)
        #expect(Secret([UInt8](repeating: 0x61, count: Secret.ceiling + 1)) == nil)
        for text in ["", " ", "a b", "a\r\nb", "a\n", "é", "\u{7F}", "\u{0}"] { #expect(Secret(text.utf8) == nil) }
    }

    @Test func namesAreSafeOnACommandLine() {
        for name in ["a", "hubspot-main", "A.b_9"] { #expect(CredentialSource.isValid(name: name)) }
        for name in ["", "a b", "a/b", "a=b", "ä", String(repeating: "a", count: 65)] {
            #expect(!CredentialSource.isValid(name: name))
        }
    }
}
