import PushCore

extension Driver {
    /// A record of an earlier run that may have been created. Which resource it is of, the session of that time says; when
    /// that is gone, its identity is too.
    func takeUp(_ doubt: StoredState.StoredDoubt, _ done: @escaping () -> Void) {
        sessions.plan(session: doubt.session, revision: doubt.revision) { [self] plan in
            if let plan, let schema = plan.schemas.first(where: { $0.key == doubt.schemaKey }) {
                let key = IdentityDoubt.Key(
                    account: plan.account, namespace: plan.namespace, resource: schema.resource.name,
                    internalID: doubt.internalID)
                tell(
                    .inDoubt([
                        IdentityDoubt(
                            key: key, place: doubt.place, transferID: doubt.transferID, session: doubt.session)
                    ]))
            }
            done()
        }
    }
}
