import CLinux

/// Who opened the other end of a Unix socket, as the kernel noted it when the peer connected (unix(7), SO_PEERCRED). Kept
/// for the life of a connection and never asked for again: the process may be gone and its number taken by another.
package struct PeerCredentials: Equatable, Sendable {
    package var uid: UInt32
    package var gid: UInt32
    /// 0 when the peer lives in a process namespace that we do not see.
    package var pid: Int32
    /// Supplementary groups (SO_PEERGROUPS). A group that the containers of a pod share is among these, not in `gid`.
    package var groups: [UInt32]

    package init(uid: UInt32, gid: UInt32, pid: Int32, groups: [UInt32]) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.groups = groups
    }

    /// Throws `LoopFailure` when `descriptor` is not a connected Unix socket.
    static func of(_ descriptor: Int32) throws(LoopFailure) -> PeerCredentials {
        var peer = PeerCredentials(uid: 0, gid: 0, pid: 0, groups: [])
        try LoopFailure.check(
            clinux_peer_credentials(descriptor, &peer.uid, &peer.gid, &peer.pid), "read peer credentials")
        var capacity = 32
        while true {
            var groups = [UInt32](repeating: 0, count: capacity)
            let count = Int(
                try LoopFailure.check(clinux_peer_groups(descriptor, &groups, capacity), "read peer groups"))
            if count <= capacity {
                peer.groups = Array(groups[..<count])
                return peer
            }
            capacity = count
        }
    }
}
