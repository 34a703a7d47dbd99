import JSON
import PushCore

// Accounts that are paused: what callers see of it, and what has them asked again.

extension Server {
    /// `paused`, if the account is.
    func writePaused(_ account: AccountKey, into writer: inout JSONWriter) {
        if let pause = driver.pause(of: account) { Payloads.paused(pause, into: &writer) }
    }

    /// Something of an account is other than it was: if it is paused, it is asked at once whether it still has to be.
    func accountChanged(_ account: AccountKey) { driver.tell(.accountChanged(account)) }

    /// Credentials of the operator may have become others, or good, without a call.
    func askPausedAgain() {
        guard loop.now - credentials.lastAsked >= configuration.credentialProbe else { return }
        credentials.lastAsked = loop.now
        for account in driver.machine.awaitingCredentials where credentials.isDefinedByOperator(account) {
            accountChanged(account)
        }
    }

    /// These events are on disk.
    func published(_ rows: [EventRow]) {
        logPauses(rows)
        events.published(rows)
    }

    /// One line an account, not one a session that is told.
    private func logPauses(_ rows: [EventRow]) {
        var seen: Set<AccountKey> = []
        for row in rows where row.kind == .providerPaused || row.kind == .providerResumed {
            guard let account = sessions.byID[row.session]?.row.account, seen.insert(account).inserted else { continue }
            let reason = PauseReason(rawValue: UInt8(clamping: row.first))?.name ?? ""
            if row.kind == .providerResumed {
                log.info("an account goes on", ("provider", account.provider), ("account", account.name))
            } else {
                log.warning(
                    "an account is paused", ("provider", account.provider), ("account", account.name),
                    ("reason", reason))
            }
        }
    }
}
