/// What an account shows to its provider (K21): one an account, whichever of its sessions brought it last.
package struct CredentialRow: Equatable, Sendable {
    package var account: AccountKey
    /// The operator's name for it; nil: the caller gave the value itself.
    package var name: String?
    /// The value, sealed under the gateway's key and bound to its account; empty when it goes by a name.
    package var sealed: [UInt8]
    /// When it was given: milliseconds since 1970.
    package var changed: Int64

    package init(account: AccountKey, name: String?, sealed: [UInt8], changed: Int64) {
        self.account = account
        self.name = name
        self.sealed = sealed
        self.changed = changed
    }
}
