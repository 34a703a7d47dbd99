import CLinux
import CUV

/// What the process asks of the kernel for itself at start.
package enum RunLimits {
    /// No core file, and no reading of our memory by another process of the same user: both would hold credentials. Throws
    /// `LoopFailure`, which a sandbox may cause.
    package static func forbidCoreDumps() throws(LoopFailure) {
        try LoopFailure.check(clinux_forbid_core_dumps(), "forbid core dumps")
    }

    /// Lifts the soft limit of descriptors to `wanted` or to the hard limit; answers what is now in force.
    package static func raiseDescriptors(to wanted: UInt64) throws(LoopFailure) -> UInt64 {
        var inForce: UInt64 = 0
        try LoopFailure.check(clinux_raise_descriptor_limit(wanted, &inForce), "raise limit of descriptors")
        return inForce
    }
}

/// The kernel's random numbers.
package enum Randomness {
    /// `count` bytes fit for keys (getrandom(2)). Waits once after the machine has started, until the kernel is seeded.
    package static func bytes(_ count: Int) throws(LoopFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = bytes.withUnsafeMutableBytes { uv_random(nil, nil, $0.baseAddress, $0.count, 0, nil) }
        try LoopFailure.check(result, "read random bytes")
        return bytes
    }
}
