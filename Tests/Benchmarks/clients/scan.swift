// Scans one text over and over with the room JSON of the build that is measured: grammar, UTF-8, duplicate keys.
// scan FILE ROUNDS prints {"seconds": S} for one round. Needs no Package.swift: see bench/scanning.py.

import Glibc
import JSON

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

func contents(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 24)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes.prefix(count))
}

let words = CommandLine.arguments
guard words.count == 3, let rounds = Int(words[2]), rounds > 0 else { exit(64) }
let text = contents(words[1])
guard (try? JSONDocument(parsing: text))?.root["params"] != nil else { exit(1) }
let start = seconds()
for _ in 0..<rounds {
    guard (try? JSONDocument(parsing: text)) != nil else { exit(1) }
}
print("{\"seconds\": \((seconds() - start) / Double(rounds))}")
