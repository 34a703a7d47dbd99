// swift-tools-version: 6.2
// One target a room. A room names each room that it may enter; the build refuses any other import
// (`--explicit-target-dependency-import-check error`). Layers, lowest first: doors to C, pure rooms, rooms with
// I/O, assembly. Inside a layer: alphabetical.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// A C library of the system: module map and `shim.h`, nothing else.
func door(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

/// A room of the house: a library target under `Sources`.
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The tests of one room, or of several rooms together.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "pushgate",
    products: [.executable(name: "pushgate", targets: ["pushgate"])],
    targets: [
        // Doors to C
        // Needs the headers of libcurl (libcurl4-openssl-dev); the library is loaded when it is needed.
        .target(name: "CCurl"),
        .target(name: "CLinux"),
        door("CPCRE2", pkgConfig: "libpcre2-8", apt: "libpcre2-dev"),
        .target(name: "CProtocolFiles", cSettings: [.disableWarning("c23-extensions")]),
        door("CSodium", pkgConfig: "libsodium", apt: "libsodium-dev"),
        door("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        door("CUV", pkgConfig: "libuv", apt: "libuv1-dev"),
        door("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),

        // Pure rooms
        room("JSON"),
        room("JSONRPC", ["JSON"]),
        room("JSONSchema", ["JSON"]),
        room("Providers", ["JSON", "PushCore"]),
        room("PushCore", ["JSON", "JSONSchema"]),

        // Rooms with I/O
        room("EventLoop", ["CLinux", "CUV"]),
        room("HTTPClient", ["CCurl", "CZlib", "EventLoop", "PushCore"]),
        room("LocalProvider", ["CSodium", "CSQLite", "EventLoop", "JSON", "PushCore"]),
        room("Store", ["CSQLite", "EventLoop", "PushCore"]),

        // Assembly
        room(
            "Gateway",
            [
                "CLinux", "CPCRE2", "CProtocolFiles", "CSodium", "EventLoop", "HTTPClient", "JSON", "JSONRPC",
                "JSONSchema", "LocalProvider", "Providers", "PushCore", "Store",
            ]),
        .executableTarget(
            name: "pushgate", dependencies: ["CLinux", "EventLoop", "Gateway", "HTTPClient", "JSON", "PushCore"],
            swiftSettings: strict),

        // Tests
        tests("ConformanceTests", ["JSON", "JSONRPC"]),
        tests("EventLoopTests", ["CLinux", "CUV", "EventLoop"]),
        tests("GatewayTests", ["CProtocolFiles", "Gateway", "JSON", "JSONSchema", "PushCore"]),
        .testTarget(
            name: "HTTPClientTests", dependencies: ["EventLoop", "HTTPClient", "PushCore"], exclude: ["Servers"],
            swiftSettings: strict),
        tests("JSONTests", ["JSON"]),
        tests("JSONRPCTests", ["JSON", "JSONRPC"]),
        tests("JSONSchemaTests", ["JSON", "JSONSchema"]),
        tests("LocalProviderTests", ["EventLoop", "JSON", "LocalProvider", "PushCore"]),
        tests("ProvidersTests", ["JSON", "Providers", "PushCore"]),
        tests("PushCoreTests", ["JSON", "JSONSchema", "PushCore"]),
        tests("StoreTests", ["CSQLite", "EventLoop", "PushCore", "Store"]),
    ]
)

// The thread sanitizer looks at the rooms that have threads; to build the others along would double what it takes.
if Context.environment["PUSHGATE_TARGETS"] == "threads" {
    let others: Set = [
        "pushgate", "Gateway", "Providers", "ConformanceTests", "GatewayTests", "JSONTests", "JSONRPCTests",
        "JSONSchemaTests", "ProvidersTests", "PushCoreTests",
    ]
    package.targets.removeAll { others.contains($0.name) }
    package.products = []
}
