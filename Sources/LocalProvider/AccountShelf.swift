import EventLoop
import PushCore

/// What the loop asks of the thread.
enum LocalOrder: Sendable {
    case open(account: String, LocalSettings)
    /// - Parameter time: wall clock, milliseconds since 1970.
    case perform(ticket: Int, Exchange, time: Int64)
}

struct LocalReport: Sendable {
    var ticket: Int
    var outcome: ExchangeOutcome
}

/// All accounts, on the provider's thread. Files open on first use; of those that are open, the longest unused one is
/// closed when there are too many.
struct AccountShelf {
    let directory: String
    let resources: [ResourceDescription]
    private let catalogue: Catalogue
    private var files: [String: AccountFile] = [:]
    private var uses: UInt64 = 0

    /// Files open at once, three descriptors each.
    static let openCeiling = 32
    /// With nothing to do for so long (nanoseconds), checkpoints that are due are made.
    static let idleTime: UInt64 = 20_000_000

    init(directory: String, resources: [ResourceDescription]) {
        self.directory = directory
        self.resources = resources
        catalogue = Catalogue(resources)
    }

    /// The body of the thread.
    static func serve(
        _ inbox: WorkerInbox<LocalOrder, LocalReport>, directory: String, _ resources: [ResourceDescription]
    ) {
        var shelf = AccountShelf(directory: directory, resources: resources)
        while let orders = shelf.wantsCheckpoint ? inbox.take(waitingAtMost: idleTime) : inbox.take() {
            for order in orders {
                if let report = shelf.handle(order) { inbox.report(report) }
            }
            if orders.isEmpty { shelf.checkpointOne() }
        }
    }

    mutating func handle(_ order: LocalOrder) -> LocalReport? {
        switch order {
        case .open(let account, let settings):
            if let file = files[account] {
                file.settings = settings
            } else {
                files[account] = AccountFile(
                    path: "\(directory)/\(account).db", settings: settings, resources: resources, catalogue: catalogue)
            }
            return nil
        case .perform(let ticket, let exchange, let time):
            guard let file = files[exchange.account.name] else {
                return LocalReport(
                    ticket: ticket, outcome: .failed(phase: .connect, reason: "The account was not opened."))
            }
            if !file.isOpen { makeRoom() }
            uses += 1
            file.lastUse = uses
            return LocalReport(ticket: ticket, outcome: file.perform(exchange, at: time))
        }
    }

    /// Sees to it that one more file may be open.
    private func makeRoom() {
        let open = files.values.filter(\.isOpen)
        guard open.count >= Self.openCeiling else { return }
        open.min { $0.lastUse < $1.lastUse }?.close()
    }

    var wantsCheckpoint: Bool { files.values.contains(where: \.wantsCheckpoint) }

    /// One only, so that orders that came meanwhile wait for one at most.
    func checkpointOne() {
        files.values.filter(\.wantsCheckpoint).min { $0.lastUse < $1.lastUse }?.checkpoint()
    }
}
