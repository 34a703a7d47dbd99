import PushCore

// What happens to a transfer beside being pushed and running to its end.

extension Writer {
    /// Most transfers have nothing to be kept here.
    func insert(_ life: TransferLife, of sequence: Int64) throws(StoreFailure) {
        guard life != TransferLife() else { return }
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO transfer_life VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", "write life of transfer"))
        binder.put(sequence)
        life.put(into: &binder)
        try binder.run()
        rows += 1
    }

    /// A transfer that has completed, or whose session is gone, has nothing left to be cancelled.
    func cancel(_ sequence: Int64, at time: Int64) throws(StoreFailure) {
        let statement = try database.statement(
            """
            INSERT INTO transfer_life(transfer, cancelled, sample)
                SELECT sequence, ?2, 0 FROM transfer WHERE sequence=?1 AND completed IS NULL
            ON CONFLICT(transfer) DO UPDATE SET cancelled=coalesce(cancelled, excluded.cancelled)
            """, "cancel transfer")
        statement.bind(sequence, time)
        try statement.run()
        rows += 1
    }
}

extension TransferLife {
    func put(into binder: inout RowBinder) {
        binder.put(cancelled)
        binder.put(retryOf?.sequence)
        if let origin = retryOf { binder.put(origin.id) } else { binder.putNothing() }
        binder.put(parts.map(Int64.init))
        binder.put(touched)
        binder.put(isSample)
    }

    /// All columns are null when the transfer has no row of its life; `sample` comes first and tells.
    init(reading row: inout RowReader) {
        self.init()
        isSample = row.optionalInteger() == 1
        cancelled = row.optionalInteger()
        let (origin, id) = (row.optionalInteger(), row.optionalIdentifier())
        if let origin, let id { retryOf = Origin(sequence: origin, id: id) }
        parts = row.optionalInteger().map { Int32(clamping: $0) }
        touched = row.optionalInteger()
    }
}
