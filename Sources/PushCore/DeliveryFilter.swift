/// Which deliveries are meant.
package struct DeliveryFilter: Equatable, Sendable {
    package var session: Identifier?
    package var transfer: Identifier?
    package var state: DeliveryRow.State?

    package init(session: Identifier? = nil, transfer: Identifier? = nil, state: DeliveryRow.State? = nil) {
        self.session = session
        self.transfer = transfer
        self.state = state
    }
}

extension DeliveryRow.State {
    /// The state that is called so on the wire.
    package init?(name: String) {
        guard let state = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = state
    }
}
