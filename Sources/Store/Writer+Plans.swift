import PushCore

// Changes of plans. A plan's records are those of the transfer that it becomes: to apply it moves none of them.

extension Writer {
    func begin(_ row: PlanRow) throws(StoreFailure) {
        guard let session = try number(of: row.session) else {
            endedArrivals.insert(row.sequence)
            return
        }
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO plan VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                "write plan"))
        row.put(into: &binder, session: session)
        try binder.run()
        rows += 1
    }

    func insert(_ row: PlannedRow) throws(StoreFailure) {
        guard endedArrivals.isEmpty || !endedArrivals.contains(row.place.transfer) else { return }
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO planned VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", "write planned record"))
        row.put(into: &binder)
        try binder.run()
        rows += 1
    }

    /// A plan whose session was deleted meanwhile has no row any more.
    func finish(_ row: PlanRow) throws(StoreFailure) {
        guard endedArrivals.remove(row.sequence) == nil else { return }
        var binder = RowBinder(
            try database.statement(
                "UPDATE plan SET ready=1, counts=?1, calls=?2, duration=?3 WHERE sequence=?4", "finish plan"))
        binder.put(row.countsText)
        binder.put(PlannedCalls.text(row.calls))
        binder.put(row.duration)
        binder.put(row.sequence)
        try binder.run()
        rows += 1
        guard database.changes == 1 else { throw StoreFailure(.constraint, operation: "finish plan") }
    }

    func apply(plan sequence: Int64, as transfer: Identifier) throws(StoreFailure) {
        let statement = try database.statement("UPDATE plan SET applied=?1 WHERE sequence=?2", "apply plan")
        var binder = RowBinder(statement)
        binder.put(transfer)
        binder.put(sequence)
        try binder.run()
        rows += 1
    }

    /// What was applied belongs to its transfer.
    func drop(plan sequence: Int64) throws(StoreFailure) {
        endedArrivals.remove(sequence)
        try Mark.transfer.hold(database)
        let delete = try database.statement("DELETE FROM plan WHERE sequence=?1 AND applied IS NULL", "remove plan")
        delete.bind(sequence)
        try delete.run()
        if database.changes > 0 {
            try removal.add(.transfer, sequence)
        } else {
            let applied = try database.statement("DELETE FROM plan WHERE sequence=?1", "remove applied plan")
            applied.bind(sequence)
            try applied.run()
        }
        rows += 2
    }

    /// The plans of a session that is deleted; what is still arriving of them is dropped.
    func drop(plansOf session: Int64) throws(StoreFailure) {
        let find = try database.statement("SELECT sequence, ready FROM plan WHERE session=?1", "find plans of session")
        find.bind(session)
        let plans = try find.rows { row throws(StoreFailure) in (sequence: row.integer(), isReady: row.flag()) }
        for plan in plans {
            try drop(plan: plan.sequence)
            if !plan.isReady { endedArrivals.insert(plan.sequence) }
        }
    }
}
