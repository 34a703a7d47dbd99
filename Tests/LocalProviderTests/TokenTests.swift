import PushCore
import Testing

@testable import LocalProvider

@Suite struct TokenTests {
    /// SHA-256 of "abc", FIPS 180-2 appendix B.1.
    private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test(
        arguments: [
            ("authorization", "Bearer abc", 200), ("authorization", "Bearer abd", 401),
            ("authorization", "Bearer ", 401),
            ("authorization", "abc", 401), ("authorization", "Basic abc", 401), ("x-token", "Bearer abc", 401),
        ])
    func onlyTheTokenOfTheHashIsLetIn(name: String, value: String, status: Int) throws {
        var settings = LocalSettings()
        settings.acceptedToken = TokenHash(hexadecimal: Self.abc)
        let scene = try Scene(settings)
        var exchange = scene.exchange(
            "/contacts/write", #"{"inputs":[{"trace":0,"op":"create","fields":{"email":"a@b.example"}}]}"#, key: "k")
        #expect(Reply(scene.perform(exchange)).status == 401, "without any")
        exchange.headers.append(Exchange.Header(name, value))
        #expect(Reply(scene.perform(exchange)).status == status)
        scene.end()
    }

    @Test func aHashIsSixtyFourDigits() {
        #expect(TokenHash(hexadecimal: Self.abc) == TokenHash(hexadecimal: Self.abc.uppercased()))
        for text in ["", "ba", Self.abc + "0", String(Self.abc.dropLast()), String(Self.abc.dropLast()) + "g"] {
            #expect(TokenHash(hexadecimal: text) == nil)
        }
    }
}
