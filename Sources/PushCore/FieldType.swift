import JSON

/// What a field of a provider holds. `ResourceDescription.Field.converted` brings values into this form.
package enum FieldType: String, Sendable, CaseIterable {
    /// Whatever comes is taken as it is.
    case any
    case string
    case number
    case boolean
    case date
    case dateTime = "date-time"
    case array
    case object

    /// True of values that go into the field as they are, which most do.
    @inline(__always)
    func takes(_ kind: JSONKind) -> Bool {
        switch (self, kind) {
        case (.any, _), (_, .null), (.string, .string), (.number, .number), (.boolean, .bool), (.object, .object): true
        default: false
        }
    }
}

/// How a provider spells dates and times.
package enum TimeForm: String, Sendable, CaseIterable {
    /// `2026-01-31T09:30:00Z`, and `2026-01-31` for a date.
    case rfc3339
    /// `2026-01-31 09:30:00`, in UTC.
    case blank
    /// A number: milliseconds since 1970, for a date those of its midnight in UTC.
    case milliseconds
    /// A number: seconds since 1970.
    case seconds
}

/// The words that stand for true and false in a field, the first of each as they are written. Without them no text is a
/// boolean and no boolean a text.
package struct BooleanWords: Equatable, Sendable {
    package var yes: [String]
    package var no: [String]

    package init(yes: [String], no: [String]) {
        self.yes = yes
        self.no = no
    }

    /// Compared without case.
    func meaning(of text: String) -> Bool? {
        let folded = text.lowercased()
        if yes.contains(where: { $0.lowercased() == folded }) { return true }
        if no.contains(where: { $0.lowercased() == folded }) { return false }
        return nil
    }
}

/// What is done to values on their way to a field. Names are part of the wire (`getConfiguration`).
package enum Conversion: String, Sendable, CaseIterable {
    /// A number becomes a text, as it was spelled.
    case numberToText = "number_to_text"
    /// A text that spells a number becomes that number, digit by digit.
    case textToNumber = "text_to_number"
    /// The elements of a list become one text.
    case listToText = "list_to_text"
    /// One value becomes a list of one.
    case valueToList = "value_to_list"
    /// Plain elements of a list become typed entries.
    case listToEntries = "list_to_entries"
    case textToBoolean = "text_to_boolean"
    case booleanToText = "boolean_to_text"
    /// Dates and times get the provider's spelling.
    case time
}
