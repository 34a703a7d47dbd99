import Gateway
import Glibc
import HTTPClient
import PushCore

/// The command line after the command: `--name value`, `--name=value`, switches, operands.
struct Options {
    /// Options that every way of serving takes.
    static let serving = [
        "store", "key-file", "credential", "providers", "provider-origin", "provider-allow", "local", "allow-uid",
        "allow-gid",
        "token-file", "drain", "log",
        "max-connections",
        "max-connections-per-user", "max-line", "max-depth", "max-batch", "max-in-flight", "max-subscriptions",
        "max-reply-line", "max-event-payload", "event-pause", "reply-pause", "stall-time", "line-time",
        "inbound-memory", "outbound-memory", "synchronous-time", "min-free-space", "parts-time", "keep-transfers",
        "keep-events", "webhook-allow", "webhook-retries", "max-endpoint-deliveries",
        "provider-probe",
    ]
    private static let switches: Set<String> = ["wait", "keep", "json"]

    private var values: [String: [String]] = [:]
    private(set) var operands: [String] = []

    /// - Throws: `Exit.usage` for an option that the command does not have, or a value that is missing.
    init(_ arguments: [String], allowing known: [String], operands ceiling: Int = 0) throws {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                operands.append(argument)
                continue
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard known.contains(name) else {
                throw Exit.usage("There is no option --\(name) here. pushgate --help lists them.")
            }
            if Self.switches.contains(name) {
                values[name] = [""]
            } else if parts.count == 2 {
                values[name, default: []].append(String(parts[1]))
            } else if let value = rest.popFirst() {
                values[name, default: []].append(value)
            } else {
                throw Exit.usage("--\(name) needs a value.")
            }
        }
        guard operands.count <= ceiling else { throw Exit.usage("\"\(operands[ceiling])\" is one argument too many.") }
    }

    subscript(name: String) -> String? { values[name]?.last }
    func all(_ name: String) -> [String] { values[name] ?? [] }
    func has(_ name: String) -> Bool { values[name] != nil }

    /// A whole number, with a suffix for bytes (`K`, `M`, `G`, powers of 1,024).
    func size(_ name: String) throws -> Int? {
        guard let text = self[name] else { return nil }
        return try size(name, text)
    }

    private func size(_ name: String, _ text: String) throws -> Int {
        let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        let unit = text.last.flatMap { units[Character($0.uppercased())] }
        guard let number = Int(unit == nil ? text[...] : text.dropLast()), number >= 0, number < 1 << 40 else {
            throw Exit.usage("--\(name) takes a whole number, such as 65536 or 16M, not \"\(text)\".")
        }
        return number * (unit ?? 1)
    }

    /// Nanoseconds of a duration such as `30s`, `1500ms`, `2m`; a bare number is milliseconds.
    func duration(_ name: String) throws -> UInt64? {
        guard let text = self[name] else { return nil }
        return try duration(name, text)
    }

    private func duration(_ name: String, _ text: String) throws -> UInt64 {
        let digits = text.prefix { ("0"..."9").contains($0) }
        let units: [String: UInt64] = [
            "": 1_000_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
            "h": 3_600_000_000_000, "d": 86_400_000_000_000,
        ]
        guard let number = UInt64(digits), let unit = units[String(text.dropFirst(digits.count))],
            number < (1 << 62) / unit
        else {
            throw Exit.usage("--\(name) takes a duration, such as 1500ms, 30s, 2m, 24h or 30d, not \"\(text)\".")
        }
        return number * unit
    }

    // MARK: Serving

    /// What the options say of a gateway.
    func configuration() throws -> Configuration {
        let store = self["store"] ?? Paths.store
        var configuration = Configuration(
            store: store, localDirectory: self["local"] ?? Paths.folder(of: store) + "/local")
        configuration.keyFile = self["key-file"]
        configuration.credentials = try CredentialOptions.sources(all("credential"))
        configuration.manifestDirectory = self["providers"]
        for text in all("provider-origin") where !configuration.providers.take(origin: text) {
            throw Exit.usage(
                "--provider-origin takes NAME=URL, such as hubspot=https://api.hubapi.com, not \"\(text)\".")
        }
        for text in all("provider-allow") where !configuration.providers.take(allowed: text) {
            throw Exit.usage("--provider-allow takes an address or a range, such as 10.0.0.0/8, not \"\(text)\".")
        }
        try readCeilings(into: &configuration.ceilings)
        try readRetention(into: &configuration.retention)
        try readWebhooks(into: &configuration.webhooks)
        if let time = try duration("drain") { configuration.drainTime = time }
        if let time = try duration("provider-probe") {
            guard time >= 10_000_000 else { throw Exit.usage("--provider-probe must be at least 10ms.") }
            configuration.providerProbe = time
        }
        configuration.allowedUsers = Set(try ids("allow-uid"))
        configuration.allowedGroups = Set(try ids("allow-gid"))
        if let path = self["token-file"] { configuration.token = try Paths.token(at: path) }
        if let level = self["log"] {
            guard let found = Log.Level.allCases.first(where: { String(describing: $0) == level }) else {
                throw Exit.usage("--log takes debug, info, warning or error, not \"\(level)\".")
            }
            configuration.logLevel = found
        }
        return configuration
    }

    /// `--keep-events` takes a duration (`7d`), or a size with its unit in capitals (`256M`); given twice, both.
    private func readRetention(into retention: inout Retention) throws {
        if let time = try duration("keep-transfers") { retention.transfers = try milliseconds("keep-transfers", time) }
        for text in all("keep-events") {
            if let last = text.last, "KMG".contains(last) {
                retention.eventBytes = try size("keep-events", text)
            } else {
                retention.events = try milliseconds("keep-events", try duration("keep-events", text))
            }
        }
    }

    private func readWebhooks(into webhooks: inout WebhookConfiguration) throws {
        webhooks.allowed = try all("webhook-allow").map { text in
            guard let range = AddressRange(text) else {
                throw Exit.usage(
                    "--webhook-allow takes an address or a range such as 10.0.0.0/8 or fd00::/8, not \"\(text)\".")
            }
            return range
        }
        if let count = try size("max-endpoint-deliveries") {
            guard count > 0 else { throw Exit.usage("--max-endpoint-deliveries must be at least 1.") }
            webhooks.endpointDeliveries = count
        }
        guard let text = self["webhook-retries"] else { return }
        let waits = try text.split(separator: ",", omittingEmptySubsequences: false).map {
            Int64(try duration("webhook-retries", String($0)) / 1_000_000)
        }
        guard waits.count <= 32, waits.allSatisfy({ (1...DeliverySchedule.longestWait).contains($0) }) else {
            throw Exit.usage("--webhook-retries takes 1 to 32 durations of 1ms to 24h, such as 5s,5m,30m.")
        }
        webhooks.schedule = DeliverySchedule(waits: waits)
    }

    private func milliseconds(_ name: String, _ nanoseconds: UInt64) throws -> Int64 {
        guard nanoseconds >= 1_000_000_000 else { throw Exit.usage("--\(name) must be at least 1s.") }
        return Int64(nanoseconds / 1_000_000)
    }

    private func ids(_ name: String) throws -> [UInt32] {
        try all(name).map { text in
            guard let id = UInt32(text) else { throw Exit.usage("--\(name) takes a number, not \"\(text)\".") }
            return id
        }
    }

    private func readCeilings(into ceilings: inout Ceilings) throws {
        func set(_ name: String, _ place: inout Int, least: Int = 1) throws {
            guard let value = try size(name) else { return }
            guard value >= least else { throw Exit.usage("--\(name) must be at least \(least).") }
            place = value
        }
        try set("max-connections", &ceilings.connections)
        if let value = try size("max-connections-per-user") { ceilings.connectionsPerUser = value }
        try set("max-line", &ceilings.framing.line, least: 1_024)
        try set("max-depth", &ceilings.framing.depth, least: 16)
        try set("max-batch", &ceilings.framing.batch)
        try set("max-in-flight", &ceilings.framing.inFlight)
        try set("max-subscriptions", &ceilings.subscriptions)
        try set("max-reply-line", &ceilings.outboundLine, least: 65_536)
        try set("max-event-payload", &ceilings.eventPayload, least: 1_024)
        try set("event-pause", &ceilings.eventPause, least: 4_096)
        try set("reply-pause", &ceilings.replyPause, least: 65_536)
        try set("inbound-memory", &ceilings.inboundMemory, least: 1 << 20)
        try set("outbound-memory", &ceilings.outboundMemory, least: 1 << 20)
        if let bytes = try size("min-free-space") { ceilings.freeSpace = Int64(bytes) }
        if let time = try duration("stall-time") { ceilings.stallTime = time }
        if let time = try duration("line-time") { ceilings.lineTime = time }
        if let time = try duration("synchronous-time") { ceilings.synchronousTime = time }
        if let time = try duration("parts-time") { ceilings.partsTime = time }
    }
}
