import CSQLite
import PushCore

/// A prepared statement. Belongs to its `Database`, which ends it.
final class Statement {
    fileprivate let handle: OpaquePointer
    let operation: StaticString
    /// The first parameter that was not taken; told by the next `step`.
    fileprivate var bindCode = SQLITE_OK

    init(_ handle: OpaquePointer, _ operation: StaticString) {
        self.handle = handle
        self.operation = operation
    }

    func finalize() { sqlite3_finalize(handle) }

    /// True when there is a row; false at the end. A failure resets the statement.
    func step() throws(StoreFailure) -> Bool {
        let code = bindCode == SQLITE_OK ? sqlite3_step(handle) : bindCode
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        reset()
        throw StoreFailure(code: code, operation: operation)
    }

    /// Runs a statement that gives no rows, and makes it ready for the next time.
    func run() throws(StoreFailure) {
        _ = try step()
        reset()
    }

    /// Makes the statement ready for the next time. A read that is left standing would hold its snapshot.
    func reset() {
        sqlite3_reset(handle)
        bindCode = SQLITE_OK
    }

    /// All rows that are left, read by `read`; then makes the statement ready for the next time.
    func rows<Row>(_ read: (inout RowReader) throws(StoreFailure) -> Row) throws(StoreFailure) -> [Row] {
        defer { reset() }
        var rows: [Row] = []
        while try step() {
            var reader = RowReader(self)
            rows.append(try read(&reader))
        }
        return rows
    }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    /// A column of any type, as text.
    func text(_ column: Int32) -> String? { sqlite3_column_text(handle, column).map { String(cString: $0) } }

    /// Binds whole numbers to the first parameters.
    func bind(_ numbers: Int64...) {
        for (place, number) in numbers.enumerated() {
            let code = sqlite3_bind_int64(handle, Int32(place + 1), number)
            if bindCode == SQLITE_OK { bindCode = code }
        }
    }
}

/// Binds the values of a row from the first parameter on and sums them up.
struct RowBinder {
    private let statement: Statement
    private var place: Int32 = 0
    private var sum = Checksum()

    init(_ statement: Statement) { self.statement = statement }

    // SQLite copies what it is given: no pointer of ours is kept beyond the call.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    private func note(_ code: Int32) { if statement.bindCode == SQLITE_OK { statement.bindCode = code } }

    mutating func put(_ number: Int64) {
        place += 1
        sum.add(number)
        note(sqlite3_bind_int64(statement.handle, place, number))
    }

    mutating func put(_ number: Int32) { put(Int64(number)) }
    mutating func put(_ flag: Bool) { put(flag ? 1 : 0 as Int64) }

    mutating func put(_ number: Int64?) { if let number { put(number) } else { putNothing() } }

    mutating func putNothing() {
        place += 1
        sum.addNothing()
        note(sqlite3_bind_null(statement.handle, place))
    }

    mutating func put(_ text: String) {
        place += 1
        var text = text
        text.withUTF8 { text in
            sum.add(UnsafeRawBufferPointer(text))
            // The address of an empty text may be nil, which SQLite would take for NULL.
            let start = UnsafeRawPointer(text.baseAddress) ?? UnsafeRawPointer(StaticString("").utf8Start)
            note(
                sqlite3_bind_text64(
                    statement.handle, place, start.assumingMemoryBound(to: CChar.self), UInt64(text.count), Self.copied,
                    UInt8(SQLITE_UTF8)))
        }
    }

    mutating func put(_ text: String?) { if let text { put(text) } else { putNothing() } }

    mutating func put(_ bytes: [UInt8]) { bytes.withUnsafeBytes { put($0) } }

    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        place += 1
        sum.add(bytes)
        if bytes.isEmpty {
            note(sqlite3_bind_zeroblob(statement.handle, place, 0))
        } else {
            note(sqlite3_bind_blob64(statement.handle, place, bytes.baseAddress, UInt64(bytes.count), Self.copied))
        }
    }

    /// Twelve bytes, most significant first, so that they sort as their text does.
    mutating func put(_ identifier: Identifier) {
        let words = (identifier.high.bigEndian, identifier.low.bigEndian)
        withUnsafeBytes(of: words) { put(UnsafeRawBufferPointer(rebasing: $0[..<12])) }
    }

    /// Binds the checksum of all that was put before.
    mutating func seal() { put(sum.value) }

    func run() throws(StoreFailure) { try statement.run() }
}

/// Reads the values of a row from the first column on and sums them up. A value of another type than asked for shows as
/// damage at the end of the row, never as a trap.
struct RowReader {
    private let statement: Statement
    private var column: Int32 = -1
    private var sum = Checksum()
    private var isDamaged = false

    init(_ statement: Statement) { self.statement = statement }

    private mutating func isNothing() -> Bool {
        guard sqlite3_column_type(statement.handle, column) == SQLITE_NULL else { return false }
        sum.addNothing()
        return true
    }

    mutating func integer() -> Int64 {
        column += 1
        let number = sqlite3_column_int64(statement.handle, column)
        if sqlite3_column_type(statement.handle, column) != SQLITE_INTEGER { isDamaged = true }
        sum.add(number)
        return number
    }

    mutating func optionalInteger() -> Int64? {
        column += 1
        if isNothing() { return nil }
        column -= 1
        return integer()
    }

    mutating func int32() -> Int32 { narrow(0) }
    mutating func int16() -> Int16 { narrow(0) }

    private mutating func narrow<Number: FixedWidthInteger>(_ instead: Number) -> Number {
        let wide = integer()
        guard let number = Number(exactly: wide) else {
            isDamaged = true
            return instead
        }
        return number
    }

    mutating func flag() -> Bool { integer() != 0 }

    mutating func text() -> String { raw(SQLITE_TEXT) { String(decoding: $0, as: UTF8.self) } }

    mutating func optionalText() -> String? {
        column += 1
        if isNothing() { return nil }
        column -= 1
        return text()
    }

    mutating func bytes() -> [UInt8] { raw(SQLITE_BLOB) { [UInt8]($0) } }

    mutating func optionalBytes() -> [UInt8]? {
        column += 1
        if isNothing() { return nil }
        column -= 1
        return bytes()
    }

    /// Sums up a value that the caller does not want, and gives its size in bytes.
    mutating func size() -> Int { raw(SQLITE_BLOB) { $0.count } }

    mutating func identifier() -> Identifier {
        let bytes = bytes()
        guard bytes.count == 12 else {
            isDamaged = true
            return Identifier(high: 0, low: 0)
        }
        return Identifier(
            high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }, low: bytes[8...].reduce(0) { $0 << 8 | UInt32($1) })
    }

    mutating func optionalIdentifier() -> Identifier? {
        column += 1
        if isNothing() { return nil }
        column -= 1
        return identifier()
    }

    private mutating func raw<Result>(_ type: Int32, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        column += 1
        if sqlite3_column_type(statement.handle, column) != type { isDamaged = true }
        // The value must be asked for before its length.
        let start = sqlite3_column_blob(statement.handle, column)
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement.handle, column)))
        sum.add(bytes)
        return body(bytes)
    }

    /// Says that the row cannot be what was written.
    mutating func reject() { isDamaged = true }

    /// To be called after the last column. Throws `damaged`.
    func end() throws(StoreFailure) {
        if isDamaged { throw .damaged(statement.operation) }
    }

    /// To be called when the checksum is the next column. Throws `damaged`.
    mutating func endSealed() throws(StoreFailure) {
        let expected = sum.value
        if integer() != expected || isDamaged { throw .damaged(statement.operation) }
    }
}
