import EventLoop
import Gateway
import Glibc
import JSON

/// `pushgate demo`: starts a gateway of its own in a folder of its own and does the main job with it, twice.
enum Demo {
    static func run(_ options: Options) throws {
        var template = Array("/tmp/pushgate-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Exit(code: 74, message: "No folder can be made in /tmp: \(String(cString: strerror(errno))).")
        }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { if !options.has("keep") { remove(folder) } }
        let child = try start(folder)
        defer {
            kill(child, SIGTERM)
            var status: Int32 = 0
            waitpid(child, &status, 0)
        }
        var caller = try connect(folder + "/gate.sock")
        defer { caller.close() }
        try show(&caller)
        if options.has("keep") {
            Terminal.write(
                "\nEverything is kept in \(folder): store.db is the gateway's, local/demo.db the provider's.\n")
        }
    }

    private static func start(_ folder: String) throws -> pid_t {
        var path = [CChar](repeating: 0, count: 4_096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        guard count > 0 else { throw Exit(code: 70, message: "/proc/self/exe cannot be read.") }
        let binary = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let arguments = [
            binary, "serve", "--listen", "unix:\(folder)/gate.sock", "--store", "\(folder)/store.db", "--log",
            "warning",
        ]
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        guard posix_spawn(&child, binary, nil, nil, &pointers, environ) == 0 else {
            throw Exit(code: 70, message: "\(binary) cannot be started.")
        }
        return child
    }

    private static func connect(_ path: String) throws -> Caller {
        for _ in 0..<200 {
            if let caller = try? Caller(socket: path) { return caller }
            usleep(10_000)
        }
        return try Caller(socket: path)
    }

    private static let records: JSONValue = [
        [
            "internal_id": "Contact1", "data": ["first_name": "Bob", "last_name": "Smith"],
            "associations": [
                "crm-company": [
                    ["internal_id": "Company1", "data": ["name": "Acme Corporation"]],
                    ["internal_id": "Company2", "data": ["name": "Bacme Corporation"]],
                ]
            ],
        ],
        [
            "internal_id": "Contact2", "data": ["first_name": "David", "last_name": "Jones"],
            "associations": ["crm-company": [["internal_id": "Company3", "data": ["name": "C Inc."]]]],
        ],
    ]

    private static func show(_ caller: inout Caller) throws {
        let session = try ask(
            &caller, "initiateSession",
            [
                "provider": "local", "account": "demo", "name": "demo",
                "schema": [["endgrate_type": "crm-contact"], ["endgrate_type": "crm-company"]],
            ])
        let id = session["session_id"]?.string ?? ""
        Terminal.write("session   \(id), two schemas, on the embedded provider\n")
        _ = try ask(&caller, "subscribe", ["session_id": .string(id), "heartbeat_ms": 0])
        for round in ["push", "the same again"] {
            Terminal.write("\n\(round)\n")
            let push = try ask(
                &caller, "pushTransfer",
                [
                    "session_id": .string(id), "endgrate_type": "crm-contact", "transfer_data": records,
                    "synchronous": true,
                ])
            let transfer = push["transfer_id"]?.string ?? ""
            let data = try ask(&caller, "getData", ["transfer_id": .string(transfer)])
            for row in data["transfer_data"]?.elements.map({ $0 }) ?? [] {
                let companies = row["associations"]?["crm-company"]?.elements.compactMap(\.string) ?? []
                Terminal.write(
                    "  \(row["internal_id"]?.string ?? "?") is record \(row["id"]?.string ?? "none"), linked to companies "
                        + "\(companies.joined(separator: " and ")): \(row["outcome"]?.string ?? "?")\n")
            }
        }
    }

    private static func ask(_ caller: inout Caller, _ method: String, _ params: JSONValue) throws -> JSONView {
        let answer = try caller.call(method, params, timeout: 30_000) { notice in
            guard let params = notice["params"], notice["method"]?.isString("event") == true else { return }
            Terminal.write("  event \(params["type"]?.string ?? "?") at \(params["cursor"]?.string ?? "?")\n")
        }
        if let error = answer["error"] {
            throw Exit(code: 1, message: "\(method): \(error["message"]?.string ?? "refused")")
        }
        return answer["result"] ?? answer
    }

    /// The files of the demonstration, which are known by name: nothing else is touched.
    private static func remove(_ folder: String) {
        for name in ["store.db", "local/demo.db"] {
            for ending in ["", "-wal", "-shm", ".lock", ".socket", ".key"] { unlink("\(folder)/\(name)\(ending)") }
        }
        unlink(folder + "/gate.sock")
        unlink(folder + "/gate.sock.lock")
        rmdir(folder + "/local")
        rmdir(folder)
    }
}
