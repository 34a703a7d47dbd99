// Theory of operation.
//
// A caller chooses where a webhook goes, and so could make the gateway talk to what only the gateway can reach: itself, its
// neighbours, the cloud's metadata service. The decision is made on the binary address that is about to be connected to,
// after all resolving, so that no spelling and no changing DNS answer gets around it. What is not a public unicast address is
// refused; the lists are the IANA special-purpose registries (RFC 6890 and its registries, as of 2025), plus forms that carry
// an IPv4 address inside and which some router on the way might translate.

/// Says to which addresses a pool may connect.
package struct AddressFilter: Equatable, Sendable {
    /// What the operator lets through although it is not public. A form that carries an IPv4 address must be in here, and
    /// the address inside must be permitted, too.
    package var allowed: [AddressRange]

    package init(allowed: [AddressRange] = []) {
        self.allowed = allowed
    }

    package func permits(_ address: IPAddress) -> Bool {
        guard allowed.contains(where: { $0.contains(address) }) else { return Self.isPublic(address) }
        return Self.embedded(in: address).map(permits) ?? true
    }

    /// True when the operator named the address: it is not only permitted as a public one.
    package func names(_ address: IPAddress) -> Bool {
        allowed.contains { $0.contains(address) } && permits(address)
    }

    /// True for unicast addresses of the public Internet that stand for nothing but themselves.
    package static func isPublic(_ address: IPAddress) -> Bool {
        switch address {
        case .v4: !specialV4.contains { $0.contains(address) }
        // Only 2000::/3 was ever given out as public unicast (RFC 4291 section 2.4); the rest is special or yet unused.
        case .v6: publicV6.contains { $0.contains(address) } && !specialV6.contains { $0.contains(address) }
        }
    }

    /// The IPv4 address that a translated form stands for: compatible and mapped (RFC 4291), translated (RFC 2765), NAT64
    /// (RFC 6052, 8215), 6to4 (RFC 3056). Nil for others.
    static func embedded(in address: IPAddress) -> IPAddress? {
        guard case .v6(let value) = address, value > 1 else { return nil }
        if lastFourBytes.contains(where: { $0.contains(address) }) { return .v4(UInt32(truncatingIfNeeded: value)) }
        if sixToFour.contains(where: { $0.contains(address) }) { return .v4(UInt32(truncatingIfNeeded: value >> 80)) }
        // Teredo (RFC 4380): the client's address, all bits turned.
        if teredo.contains(where: { $0.contains(address) }) { return .v4(~UInt32(truncatingIfNeeded: value)) }
        return nil
    }

    private static func ranges(_ texts: String...) -> [AddressRange] { texts.compactMap(AddressRange.init) }

    private static let publicV6 = ranges("2000::/3")
    private static let lastFourBytes = ranges(
        "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
    private static let sixToFour = ranges("2002::/16")
    private static let teredo = ranges("2001::/32")

    static let specialV4 = ranges(
        "0.0.0.0/8",  // this network, unspecified
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  // private
        "100.64.0.0/10",  // shared by carriers; also a cloud's metadata service
        "127.0.0.0/8",  // loopback
        "168.63.129.16",  // a cloud's agent and metadata service behind an address that looks public
        "169.254.0.0/16",  // link-local, with most metadata services
        "192.0.0.0/24",  // protocol assignments
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  // documentation
        "192.88.99.0/24",  // relays of 6to4
        "198.18.0.0/15",  // benchmarks
        "224.0.0.0/4",  // multicast
        "240.0.0.0/4")  // reserved, broadcast

    static let specialV6 = ranges(
        "2001::/23",  // protocol assignments with Teredo, ORCHID, benchmarks
        "2001:db8::/32", "3fff::/20",  // documentation
        "2002::/16")  // 6to4
}
