import Testing

@testable import Gateway

@Suite struct WebhookSignatureTests {
    /// The example of the Standard Webhooks specification and of its reference libraries.
    @Test func theExampleOfTheSpecificationIsMet() throws {
        let key = try #require(WebhookSecrets.key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let text = WebhookSignature.text(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8),
            keys: [key])
        #expect(text == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func eachKeySigns() throws {
        let keys = [[UInt8](repeating: 1, count: 24), [UInt8](repeating: 2, count: 64)]
        let both = WebhookSignature.text(id: "a", timestamp: 1, body: [1, 2], keys: keys)
        let one = keys.map { WebhookSignature.text(id: "a", timestamp: 1, body: [1, 2], keys: [$0]) }
        #expect(both == one.joined(separator: " ") && one[0] != one[1])
    }

    @Test func secretsAreReadStrictly() {
        for length in [24, 25, 26, 63, 64] {
            let key = [UInt8](repeating: 7, count: length)
            #expect(WebhookSecrets.key(WebhookSecrets.text(key)) == key)
        }
        for length in [0, 1, 23, 65] {
            #expect(WebhookSecrets.key(WebhookSecrets.text([UInt8](repeating: 7, count: length))) == nil)
        }
        let good = WebhookSecrets.text([UInt8](repeating: 7, count: 32))
        for text in [
            "", "whsec_", String(good.dropFirst(6)), good + "=", " " + good, good.dropLast() + "-", "WHSEC_" + good,
        ] {
            #expect(WebhookSecrets.key(text) == nil, "\(text)")
        }
    }
}
