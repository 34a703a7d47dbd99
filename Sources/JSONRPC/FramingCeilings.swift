import JSON

/// The maxima of one connection. Defaults and errors are those of `protocol/openrpc.json`, `x-ceilings`.
package struct FramingCeilings: Equatable, Sendable {
    /// Bytes of one line without its line feed; a longer line is skipped and answered with `requestTooLarge`.
    package var line: Int
    /// Arrays and objects inside each other, the array of a batch counted; `parseError`.
    package var depth: Int
    /// Calls in one batch; `invalidRequest`.
    package var batch: Int
    /// Calls that wait for their answer, those of batches counted; `overloaded`.
    package var inFlight: Int
    /// JSON values of one line, keys included; `parseError`.
    package var values: Int
    /// Members of one object; `parseError`.
    package var members: Int

    package init(
        line: Int = 16 << 20, depth: Int = 128, batch: Int = 100, inFlight: Int = 256,
        values: Int = JSONCeilings().values, members: Int = JSONCeilings().members
    ) {
        self.line = line
        self.depth = depth
        self.batch = batch
        self.inFlight = inFlight
        self.values = values
        self.members = members
    }

    var text: JSONCeilings { JSONCeilings(depth: depth, values: values, members: members) }
}
