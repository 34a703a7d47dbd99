import JSON
import PushCore
import Testing

@testable import Providers

@Suite struct HTTPManifestTests {
    private static let whole = #"""
        {"name":"p","display_name":"P","class":"searchable","auth_type":"api_key","endgrate_provider_type":"CRM",
        "batch":{"read":10,"write":1},"settle_ms":500,"partial":"all_or_nothing","open_field_type":"string",
        "http":{"base":"https://api.example.com/v1/","variables":{"v":"7"},"values":"json","message":"error.text",
        "authorization":{"header":"X-Token","scheme":""},"concurrency":2,
        "deadlines":{"first_byte_ms":250,"total_ms":9000},
        "budgets":[{"operations":["search"],"max":2,"window_ms":1000},{"except":["search"],"max":5,"window_ms":2000}],
        "errors":[{"status":[429],"when":{"code":"DAY"},"class":"throttled","wait":{"until":"midnight"}},
        {"status":[420],"class":"throttled","wait":{"header":"X-Wait","ms":7}},
        {"status":[400],"class":"content"},{"status":[404],"class":"request","wait":{"ms":1}}],
        "operations":{"read":{"method":"GET","path":"/{v}/{resource}/{id}"},
        "search":{"method":"GET","path":"/{resource}?mail={value}","results":"list","next":"next"},
        "create":{"method":"POST","path":"/{resource}","headers":{"X-A":"b"},"body":"{{fields}}","correlate":[{"by":"order"}]},
        "update":{"method":"PATCH","path":"/{resource}/{id}","body":"{{fields}}","accepted":[202],"correlate":[{"by":"id"}]},
        "link":{"method":"PUT","path":"/{resource}/{id}/{to}/{target}"},
        "account":{"method":"GET","path":"/me"}}},
        "resources":[{"name":"people","endgrate_type":"crm-contact","display_name":"People",
        "fields":[{"name":"mail","normalise":"email"}],"derived":[{"field":"made","from":["mail"],"how":"join","normalise":"name"}],
        "match":[["mail"],["made"]],"look_up":{"mail":{"operation":"search","conditions":[{"field":"mail","values":"exact"}]},
        "made":{"operation":"read","key":"made"}},"returned":["age"],
        "associations":{"crm-deal":{"resource":"deals","cardinality":"one"}}},
        {"name":"deals","endgrate_type":"crm-deal","display_name":"Deals","fields":[],"derived":[],"match":[],"associations":{}}]}
        """#

    private static func read(_ text: String) throws -> HTTPProvider? {
        try HTTPManifest.read(try JSONDocument(parsing: Array(text.utf8)).root)
    }

    @Test func whatAManifestSaysIsRead() throws {
        let provider = try #require(try Self.read(Self.whole))
        #expect(provider.name == "p" && provider.base == "https://api.example.com/v1" && provider.concurrency == 2)
        #expect(provider.authorization == HTTPProvider.Authorization(header: "X-Token", scheme: ""))
        #expect(
            provider.budgets == [
                RateRule(operations: [.search], max: 2, window: 1_000),
                RateRule(except: [.search], max: 5, window: 2_000),
            ])
        #expect(provider.deadlines == HTTPProvider.Deadlines(connect: 10_000, firstByte: 250, total: 9_000))
        #expect(provider.values == .json && provider.accountQuestion?.path.text([:]) == "/me")
        let people = try #require(provider.resources["people"])
        #expect(people.returned == ["mail", "age"] && people.links == ["deals"])
        #expect(people.operations[.read]?.path.text(["resource": "people", "id": "1/../2"]) == "/7/people/1%2F..%2F2")
        #expect(people.operations[.create]?.headers == [Exchange.Header("X-A", "b")])
        #expect(people.operations[.update]?.accepted == [202] && people.operations[.read]?.accepted == [200, 201])
        let description = try Manifest.read(try JSONDocument(parsing: Array(Self.whole.utf8)).root)
        #expect(description.splitsWrites && description.linksAfter && description.asksForFields)
        #expect(description.settleMilliseconds == 500 && description.partial == .allOrNothing)
        #expect(description.needsCredentials && description.resources[0].openFieldType == .string)
    }

    @Test func theEmbeddedProviderIsNotOverHTTP() throws {
        #expect(try HTTPManifest.read(try EngineScene.manifest("local")) == nil)
    }

    @Test(
        arguments: [
            (#""base":"https://api.example.com/v1/","#, "", "/http/base"),
            ("https://api", "ftp://api", "/http/base"),
            (#""v":"7""#, #""v":7"#, "/http/variables/v"),
            (#""values":"json""#, #""values":"xml""#, "/http/values"),
            (#""concurrency":2"#, #""concurrency":0"#, "/http/concurrency"),
            (#""max":2,"#, #""max":0,"#, "/http/budgets/0/max"),
            (#""max":2,"#, "", "/http/budgets/0/max"),
            (#","window_ms":1000"#, "", "/http/budgets/0/window_ms"),
            (#"["search"],"max":2"#, #"["find"],"max":2"#, "/http/budgets/0/operations"),
            (#""status":[429]"#, #""status":[]"#, "/http/errors/0/status"),
            (#""status":[429]"#, #""status":[200]"#, "/http/errors/0/status"),
            (#""code":"DAY""#, #""code":1"#, "/http/errors/0/when/code"),
            (#""until":"midnight""#, #""until":"noon""#, "/http/errors/0/wait/until"),
            (#""wait":{"ms":1}"#, #""wait":{}"#, "/http/errors/3/wait/ms"),
            (#""class":"content""#, #""class":"odd""#, "/http/errors/2/class"),
            (#""read":{"method""#, #""raed":{"method""#, "/http/operations/raed"),
            (#""read":{"method":"GET","path":"/{v}/{resource}/{id}"},"#, "", "/resources/0/look_up/made/operation"),
            (#""create":{"#, #""x":{"#, "/http/operations/x"),
            (#""method":"PUT""#, #""method":"DELETE""#, "/http/operations/link/method"),
            (#""path":"/{v}/"#, #""path":"{v}/"#, "/http/operations/read/path"),
            (#"/{resource}/{id}"},"#, #"/{resource}/{ix}"},"#, "/http/operations/read/path"),
            (#"/{resource}/{id}"},"#, #"/{resource}/{id"},"#, "/http/operations/read/path"),
            (#""X-A":"b""#, #""X-A":1"#, "/http/operations/create/headers/X-A"),
            (
                #""body":"{{fields}}","correlate":[{"by":"order"}]"#,
                #""body":"{{field}}","correlate":[{"by":"order"}]"#,
                "/http/operations/create/body"
            ),
            (
                #""body":"{{fields}}","correlate":[{"by":"order"}]"#,
                #""body":"{{items}}","batch":5,"correlate":[{"by":"order"}]"#,
                "/http/operations/create/item"
            ),
            (#","correlate":[{"by":"order"}]"#, "", "/http/operations/create/correlate"),
            (#"{"by":"order"}"#, #"{"by":"luck"}"#, "/http/operations/create/correlate/0/by"),
            (#"{"by":"order"}"#, #"{"by":"trace"}"#, "/http/operations/create/correlate/0/at"),
            (#"{"by":"order"}"#, #"{"by":"fields","fields":[]}"#, "/http/operations/create/correlate/0/fields"),
            (#""accepted":[202]"#, #""accepted":[302]"#, "/http/operations/update/accepted"),
            (#""mail":{"operation""#, #""fax":{"operation""#, "/resources/0/look_up/fax"),
            (#","made":{"operation":"read","key":"made"}"#, "", "/resources/0/look_up"),
            (#""operation":"read","key":"made""#, #""operation":"create""#, "/resources/0/look_up/made/operation"),
            (#""operation":"read","key":"made""#, #""operation":"read""#, "/resources/0/look_up/made/key"),
            (#","conditions":[{"field":"mail","values":"exact"}]"#, "", "/resources/0/look_up/mail/conditions"),
            (#""values":"exact""#, #""values":"odd""#, "/resources/0/look_up/mail/conditions/0/values"),
            (#","link":{"method":"PUT","path":"/{resource}/{id}/{to}/{target}"}"#, "", "/resources/0/operations"),
            (#""returned":["age"]"#, #""returned":[7]"#, "/resources/0/returned"),
            (#""write":1"#, #""write":2"#, "/resources/0/operations"),
            (#""accepted":[202]"#, #""done":[302]"#, "/http/operations/update/done"),
            (#""path":"/me""#, #""path":"/me","done":[204]"#, "/http/operations/account/done"),
            (
                #""cardinality":"one""#, #""cardinality":"one"},"crm-task":{"resource":"tasks""#,
                "/resources/0/associations/crm-task/resource"
            ),
            (#""exact""#, #""domain""#, "/resources/0/look_up/mail/conditions"),
            (#""settle_ms":500"#, #""settle_ms":-1"#, "/settle_ms"),
            (#""open_field_type":"string""#, #""open_field_type":"text""#, "/open_field_type"),
        ])
    func aFaultIsNamedByItsPlace(part: String, replacement: String, pointer: String) throws {
        let whole = Self.whole.replacing("\n", with: "")
        let faulty = whole.replacing(part, with: replacement)
        #expect(faulty != whole, "the part is there")
        #expect { try Self.read(faulty) } throws: { ($0 as? ManifestFailure)?.pointer == pointer }
    }

    // MARK: Templates

    @Test(arguments: [
        ("a b", "a%20b"), ("..", "%2E%2E"), ("a.b", "a.b"), ("ü", "%C3%BC"), ("?&=#%+/", "%3F%26%3D%23%25%2B%2F"),
        ("", ""),
    ])
    func aValueStaysInItsPlace(value: String, text: String) throws {
        let path = try #require(PathTemplate("/a/{x}?b={y}"))
        #expect(path.names == ["x", "y"])
        #expect(path.filled(["x": "1"]).text(["y": value]) == "/a/1?b=\(text)")
    }

    @Test(arguments: ["", "a", "/{", "/}", "/{}", "/{a{b}}", "/a}b{c}", "/a b", "/a#b", "/ü"])
    func otherPathsAreNone(text: String) { #expect(PathTemplate(text) == nil) }

    @Test func whatHasNoValueIsLeftOut() throws {
        let text = #"{"a":"{{x}}","b":["{{y}}","{{x}}","{{}}"],"c":{"d":"{{y}}","e":null},"f":1.0}"#
        let template = BodyTemplate(try JSONDocument(parsing: Array(text.utf8)).root)
        #expect(template.names == ["x", "y", "x", "y"])
        #expect(
            String(decoding: template.text(["x": Array("[1]".utf8)]), as: UTF8.self)
                == #"{"a":[1],"b":[[1],"{{}}"],"c":{"e":null},"f":1.0}"#)
    }

    @Test func aWayLeadsThroughObjectsAndLists() throws {
        let root = try JSONDocument(parsing: Array(#"{"a":[{"b":7},{"b":"x"}],"n":12345678901234567890}"#.utf8)).root
        #expect(root.at(ValueWay("a.1.b"))?.string == "x" && root.at(ValueWay(""))?.kind == .object)
        #expect(root.at(ValueWay("a.2.b")) == nil && root.at(ValueWay("a.b")) == nil)
        #expect(root.at(ValueWay("a.0.b"))?.idText == "7", "ids come quoted or not")
        #expect(root.at(ValueWay("n"))?.idText == "12345678901234567890", "and do not go through a machine number")
    }

    @Test func aPhoneIsSearchedWithAndWithoutWhatMayBeItsCountry() {
        #expect(
            LookupWay.Form.phone.values(of: "15551234567") == ["15551234567", "5551234567", "551234567", "51234567"])
        #expect(LookupWay.Form.phone.values(of: "1234567") == ["1234567"])
        #expect(LookupWay.Form.domain.values(of: "a.org") == ["a.org", "www.a.org"])
        #expect(LookupWay.Form.heads.values(of: "a b c") == ["a", "a b"])
        #expect(LookupWay.Form.tails.values(of: "a b c") == ["b c", "c"])
    }
}
