import Foundation
import Testing

@testable import HTTPClient

@Suite struct AddressTests {
    @Test func twentyThousandAddressesAgreeWithPython() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", Server.folder + "/addresses.py", "20000", "1"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let filter = AddressFilter()
        var wrong: [Substring] = []
        var count = 0
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            let address = IPAddress(String(parts[0]))
            if address == nil || address.map(filter.permits) != (parts[1] == "1") { wrong.append(line) }
            count += 1
        }
        #expect(count >= 20000)
        #expect(wrong == [], "\(wrong.count) of \(count)")
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1..2.3", "0x7f.0.0.1", ":", ":::",
        "1::2::3",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "1.2.3.4::",
        "::1.2.3", "::1.2.3.4:5", "fe80::1%eth0", "[::1]", "1:2:3:4:5:6:7:1.2.3.4", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:",
    ])
    func isNoAddress(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test func spellingsOfOneAddressAreEqual() {
        #expect(IPAddress("::ffff:1.2.3.4") == IPAddress("0:0:0:0:0:FFFF:102:304"))
        #expect(IPAddress("1:2:3:4:5:6:7::") == IPAddress("1:2:3:4:5:6:7:0"))
        #expect(IPAddress("::") == .v6(0))
        #expect(IPAddress("255.255.255.255") == .v4(.max))
        #expect(IPAddress("1:2:3:4:5:6:1.2.3.4") == IPAddress("1:2:3:4:5:6:102:304"))
    }

    @Test(arguments: [
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::1/127", "::/129", "10.0.0.0/08", "10.0.0.0/8/8",
        "10.0.0.0/-1",
        "10.0.0.0/ 8", "10/8",
    ])
    func isNoRange(_ text: String) { #expect(AddressRange(text) == nil) }

    @Test func rangesHoldWhatTheySay() throws {
        let all = try #require(AddressRange("0.0.0.0/0"))
        #expect(all.contains(.v4(.max)) && all.contains(.v4(0)) && !all.contains(.v6(0)))
        let one = try #require(AddressRange("10.0.0.7"))
        #expect(one.contains(.v4(0x0A00_0007)) && !one.contains(.v4(0x0A00_0006)))
        let ten = try #require(AddressRange("10.0.0.0/8"))
        #expect(ten.contains(.v4(0x0AFF_FFFF)) && !ten.contains(.v4(0x0B00_0000)))
        let ula = try #require(AddressRange("fd00::/8"))
        #expect(try ula.contains(#require(IPAddress("fdff::1"))) && !ula.contains(#require(IPAddress("fc00::1"))))
        #expect(try #require(AddressRange("::/0")).contains(.v6(.max)))
    }

    @Test func operatorsAllowanceIsForWhatItNamesOnly() throws {
        let filter = AddressFilter(
            allowed: try ["10.1.0.0/16", "64:ff9b::/96", "2002::/16", "2001::/32"].map {
                try #require(AddressRange($0))
            })
        func permits(_ text: String) throws -> Bool { filter.permits(try #require(IPAddress(text))) }
        #expect(try permits("10.1.2.3"))
        #expect(try !permits("10.2.2.3"))
        #expect(try !permits("127.0.0.1"))
        #expect(try permits("8.8.8.8"))
        // A translated form counts by the address inside.
        #expect(try permits("64:ff9b::8.8.8.8"))
        #expect(try permits("64:ff9b::10.1.2.3"))
        #expect(try !permits("64:ff9b::10.2.2.3"))
        #expect(try !permits("64:ff9b::127.0.0.1"))
        #expect(try !permits("2002:7f00:1::"))
        #expect(try permits("2002:808:808::"))
        #expect(try !permits("2001:0:808:808:0:0:80ff:fffe"))
        // Not allowed as a form, whatever is inside.
        #expect(try !permits("::ffff:10.1.2.3"))
        #expect(try !permits("::ffff:8.8.8.8"))
    }

    @Test func loopbackIsNoTranslatedForm() throws {
        let filter = AddressFilter(allowed: [try #require(AddressRange("::1"))])
        #expect(try filter.permits(#require(IPAddress("::1"))))
        #expect(try !filter.permits(#require(IPAddress("::"))))
    }

    /// Every spelling of an inner address that gets past a text filter: none may open a socket.
    @Test func noSpellingReachesALocalServer() throws {
        let server = try Server.hostile()
        let hosts = [
            "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001",
            "0x7f.1", "0177.0.0.1",
            "0", "0.0.0.0", "127.255.255.254", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
            "[2001:0:1:2:3:4:80ff:fffe]",
            "[::ffff:0:127.0.0.1]", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "172.16.0.1", "192.168.0.1",
            "100.100.100.200",
            "168.63.129.16", "[fe80::1]", "[fec0::1]", "[fc00::1]", "224.0.0.1", "255.255.255.255", "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1", "[2001:db8::1]", "[ff02::1]", "198.18.0.1", "240.0.0.1", "[100::1]", "[5f00::1]",
        ]
        let origins = try hosts.map { try server.origin("http", $0) }
        let scene = try Scene(origins[0]) {
            $0.filter = AddressFilter()
            $0.plainOrigins = Set(origins)
        }
        let outcomes = scene.perform(
            origins.map { HTTPRequest(method: "POST", origin: $0, path: "/good?inner", body: Array("{}".utf8)) })
        for (host, outcome) in zip(hosts, outcomes) {
            // Not each place knows each spelling; what matters is that it never was a connection.
            #expect(
                ["addressForbidden connect", "nameNotFound resolve"].contains(outcome.brief),
                "\(host): \(outcome.brief)")
        }
        #expect(outcomes.filter { $0.failure?.kind == .addressForbidden }.count >= hosts.count - 2)
        scene.end()
        let watcher = try Scene(server.origin())
        #expect(watcher.seen("/good?inner") == 0)
        watcher.end()
    }
}
