import JSON
import PushCore
import Testing

@testable import LocalProvider

@Suite struct RefusalTests {
    @Test(arguments: [
        ("", ""), ("{", ""), ("[]", ""), ("null", ""), ("\u{FEFF}{}", ""), (#"{"a":1,"a":2}"#, ""), ("{}x", ""),
        (String(repeating: "[", count: 100_000), ""), (#"{"inputs":{}}"#, "/inputs"), ("{}", "/inputs"),
        (#"{"inputs":[7]}"#, "/inputs/0"), (#"{"inputs":[{"trace":0},{"op":"create"}]}"#, "/inputs/1"),
        (#"{"inputs":[{"trace":1.0}]}"#, "/inputs/0"), (#"{"inputs":[{"trace":"1"}]}"#, "/inputs/0"),
        (#"{"inputs":[{"trace":99999999999999999999}]}"#, "/inputs/0"),
        (#"{"inputs":[{"trace":1},{"trace":1}]}"#, "/inputs/1/trace"),
    ])
    func aBadBodyOfAWriteIsRefusedWithItsPlace(body: String, pointer: String) throws {
        let scene = try Scene()
        let reply = Reply(scene.perform(scene.exchange("/contacts/write", body, key: "k")))
        #expect(reply.status == 400)
        #expect(reply["error"]?["code"] == "BAD_REQUEST")
        #expect(reply["error"]?["where"]?.string == pointer)
        #expect(reply.headers == [Exchange.Header("content-type", "application/json")])
        #expect(scene.create("{}") == "101")
        scene.end()
    }

    @Test(arguments: [
        ("{", ""), ("[]", ""), (#"{"ids":"1"}"#, "/ids"), (#"{"ids":["1",2]}"#, "/ids/1"),
        (#"{"search":{}}"#, "/search"),
        (#"{"search":["email"]}"#, "/search/0"), (#"{"search":[{"field":"email","value":null}]}"#, "/search/0"),
        (#"{"search":[{"field":"shoe_size","value":"44"}]}"#, "/search/0/field"),
    ])
    func aBadBodyOfAReadIsRefusedWithItsPlace(body: String, pointer: String) throws {
        let scene = try Scene()
        let reply = scene.read(body)
        #expect(reply.status == 400)
        #expect(reply["error"]?["where"]?.string == pointer)
        scene.end()
    }

    @Test(arguments: [nil, "", String(repeating: "k", count: 256)])
    func aWriteNeedsAKey(key: String?) throws {
        let scene = try Scene()
        let reply = Reply(scene.perform(scene.exchange("/contacts/write", #"{"inputs":[]}"#, key: key)))
        #expect(reply.status == 400)
        #expect(scene.write("[]", key: String(repeating: "k", count: 255)).text == #"{"results":[]}"#)
        scene.end()
    }

    @Test(arguments: [
        "", "/", "contacts/read", "/contacts", "/contacts/", "/contacts/erase", "/contacts/read/", "//read",
        "/a/b/read",
        "/contacts/read?x=1", "/%/read", "/%4/read", "/%zz/read", "/%00/read", "/%ff/read",
        "/\(String(repeating: "a", count: 129))/read",
    ])
    func anUnknownPathIsNotFound(path: String) throws {
        let scene = try Scene()
        let reply = Reply(scene.perform(scene.exchange(path, "{}", key: "k")))
        #expect(reply.status == 404)
        #expect(reply["error"]?["code"] == "NOT_FOUND")
        scene.end()
    }

    @Test func percentEncodedNamesAreDecoded() {
        #expect(LocalCall.route("/a%2Fb%c3%A9/read")?.resource == "a/bé")
        #expect(LocalCall.route("/%2e%2e/write")?.resource == "..")
    }

    @Test(arguments: ["GET", "PUT", "DELETE", "post"])
    func otherMethodsAreNotAllowed(method: String) throws {
        let scene = try Scene()
        let reply = Reply(scene.perform(scene.exchange("/contacts/read", "{}", method: method)))
        #expect(reply.status == 405)
        #expect(reply.headers.contains(Exchange.Header("allow", "POST")))
        scene.end()
    }

    @Test func tooMuchAtOnceIsRefusedWhole() throws {
        let scene = try Scene()
        func inputs(_ count: Int, _ more: String = "") -> String {
            "[" + (0..<count).map { #"{"trace":\#($0),"op":"create"\#(more)}"# }.joined(separator: ",") + "]"
        }
        #expect(scene.write(inputs(1001)).status == 413)
        let links =
            "[" + Array(repeating: #"{"resource":"companies","id":"1"}"#, count: 11).joined(separator: ",") + "]"
        #expect(scene.write(inputs(1000, #","links":\#(links)"#)).status == 413)
        let ids = Array(repeating: #""1""#, count: 1000).joined(separator: ",")
        #expect(scene.read(#"{"ids":[\#(ids)]}"#).status == 200)
        let reply = scene.read(#"{"ids":[\#(ids)],"search":[{"field":"email","value":"x"}]}"#)
        #expect(reply.status == 413)
        #expect(reply["error"]?["code"] == "TOO_LARGE")
        let large = Exchange(
            account: AccountKey(provider: "local", name: "a"), method: "POST", path: "/contacts/read",
            body: [UInt8](repeating: 0x20, count: LocalCall.bodyCeiling + 1))
        #expect(Reply(scene.perform(large)).status == 413)
        #expect(scene.write(inputs(1000)).status == 200)
        #expect(try scene.count("1") == 1000)
        scene.end()
    }

    @Test func anAnswerThatWouldBeTooLargeHasNoEffect() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder, answerCeiling: 1000)
        let long = String(repeating: "x", count: 400)
        let input = #"{"trace":N,"op":"create","fields":{"a":"\#(long)"}}"#
        let two = (0..<2).map { input.replacing("N", with: String($0)) }.joined(separator: ",")
        #expect(Reply(file.write("[\(two)]", key: "both")).status == 413)
        #expect(try Database(path: file.path).integer("SELECT count(*) FROM effect") == 0)
        for number in 0..<2 {
            #expect(Reply(file.write("[\(input.replacing("N", with: "0"))]", key: "one\(number)")).status == 200)
        }
        #expect(Reply(file.read(#"{"ids":["101","102"]}"#)).status == 413)
        #expect(Reply(file.read(#"{"ids":["102"]}"#)).status == 200)
    }
}
