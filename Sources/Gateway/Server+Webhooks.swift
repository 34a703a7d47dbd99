import PushCore
import Store

extension Server {
    func wireWebhooks() {
        driver.webhooks = webhooks
        webhooks.takeEvent = { [unowned self] in driver.takeEvent() }
        webhooks.onPublished = { [unowned self] rows in events.published(rows) }
        webhooks.writeConfigured = { [unowned self] in writeConfigured($0, into: &$1) }
        webhooks.onQuiet = { [unowned self] in endIfWaited() }
        if !webhooks.secrets.unopened.isEmpty {
            log.warning(
                "webhook secrets in the store do not open with this key: give new ones with updateSession",
                ("sessions", String(webhooks.secrets.unopened.count)))
        }
    }

    /// `stdio --wait` ends when the last transfer has completed and the webhooks of it have been called.
    func endIfWaited() {
        guard configuration.waitsForTransfers, driver.machine.running == 0 else { return }
        for connection in connections.values where connection.peer == nil { connection.checkInputDone() }
    }

    static func storeSettings(_ configuration: Configuration) -> StoreSettings {
        var settings = StoreSettings()
        settings.eventLogBytes = configuration.retention.eventBytes
        settings.endpointDeliveries = configuration.webhooks.endpointDeliveries
        return settings
    }
}
