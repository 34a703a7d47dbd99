// Theory of operation.
//
// Connections are accepted here with accept4(2), on readiness told by uv_poll, rather than by uv_listen: when the process
// is out of descriptors libuv refuses connections without a word, and it accepts without end while clients keep coming.
// Here a turn accepts at most `atOnce`, so that a storm of connects does not starve those who are connected. Out of
// descriptors, the spare one is given up, the connection accepted and closed (the client sees the end at once instead of
// waiting in the backlog), and the spare one opened anew; `onRefused` tells. When even that fails, accepting pauses:
// the socket stays readable, and without the pause the loop would spin.

import CLinux
import CUV
import Glibc

/// Accepts connections on a Unix socket.
package final class Listener: Handle {
    /// A connection was refused, or accepting pauses, for lack of a resource.
    package var onRefused: ((LoopFailure) -> Void)?

    private enum Origin {
        case place(SocketPlace)
        case inherited(Int32)
    }
    private let origin: Origin
    private var accept: ((Stream, PeerCredentials) -> Void)?
    private var spare: Int32
    private let pause: Timer

    private static let atOnce = 64
    private static let pauseNanoseconds: UInt64 = 100_000_000

    /// Listens at `path`, in the order of start that `SocketPlace` keeps. `mode` are the permissions of the socket file
    /// whatever the umask, `group` its group. `accept` gets each connection, not yet reading, with the identity of its
    /// peer. Throws `ListenFailure`.
    package init(
        loop: Loop, path: String, mode: UInt32 = 0o600, group: UInt32? = nil, backlog: Int32 = 511,
        accept: @escaping (Stream, PeerCredentials) -> Void
    ) throws(ListenFailure) {
        let place = try SocketPlace.take(path: path, mode: mode, group: group, backlog: backlog)
        let memory: UnsafeMutableRawPointer
        do throws(LoopFailure) {
            memory = try Self.watch(place.descriptor, loop)
        } catch {
            place.release()
            throw .system(error)
        }
        origin = .place(place)
        self.accept = accept
        spare = Self.openSpare()
        pause = Timer(loop: loop)
        super.init(loop: loop, memory: memory)
        listen()
    }

    /// Listens on a socket that a service manager opened (`InheritedSocket`). It is not unlinked at the end, and stays
    /// open when this throws: `.notListening` for anything but a listening Unix stream socket.
    package init(
        loop: Loop, inherited descriptor: Int32, accept: @escaping (Stream, PeerCredentials) -> Void
    ) throws(ListenFailure) {
        guard Self.option(SO_ACCEPTCONN, of: descriptor) == 1, Self.option(SO_DOMAIN, of: descriptor) == AF_UNIX,
            Self.option(SO_TYPE, of: descriptor) == Int32(SOCK_STREAM.rawValue)
        else { throw .notListening(descriptor: descriptor) }
        let memory: UnsafeMutableRawPointer
        do throws(LoopFailure) {
            memory = try Self.watch(descriptor, loop)
        } catch {
            throw .system(error)
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        origin = .inherited(descriptor)
        self.accept = accept
        spare = Self.openSpare()
        pause = Timer(loop: loop)
        super.init(loop: loop, memory: memory)
        listen()
    }

    /// Stops accepting at once; connections that wait in the backlog are reset. Unlinks the socket file only if device and
    /// inode are still ours.
    package func close() {
        guard !isClosing else { return }
        accept = nil
        onRefused = nil
        pause.close()
        uv_poll_stop(poll)
        switch origin {
        case .place(let place): place.release()
        case .inherited(let descriptor): Glibc.close(descriptor)
        }
        if spare >= 0 { Glibc.close(spare) }
        closeHandle(nil)
    }

    private func listen() {
        uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { handle, _, _ in
            Handle.object(handle?.pointee.data, as: Listener.self).acceptWaiting()
        }
    }

    private func acceptWaiting() {
        for _ in 0..<Self.atOnce {
            // `accept` may close the listener.
            guard !isClosing else { return }
            let accepted = clinux_accept(descriptor)
            switch accepted {
            case 0...: welcome(accepted)
            case -EAGAIN: return
            // The client gave up, or a signal came.
            case -ECONNABORTED, -EINTR: break
            case -EMFILE, -ENFILE:
                let refused = refuseOne(accepted)
                if refused == -EAGAIN { return }
                if refused < 0 { return rest(refused) }
            default: return rest(accepted)
            }
        }
    }

    private func welcome(_ accepted: Int32) {
        let stream: Stream
        let peer: PeerCredentials
        do throws(LoopFailure) {
            stream = try Stream(loop: loop, pollable: accepted)
        } catch {
            onRefused?(error)
            return
        }
        do throws(LoopFailure) {
            peer = try stream.peerCredentials()
        } catch {
            stream.close()
            onRefused?(error)
            return
        }
        accept?(stream, peer)
    }

    /// Takes one connection with the spare descriptor and closes it; answers what accept(2) said. EAGAIN is usual: without
    /// a free number the kernel says EMFILE before it looks whether anyone waits.
    private func refuseOne(_ code: Int32) -> Int32 {
        guard spare >= 0 else { return code }
        Glibc.close(spare)
        let accepted = clinux_accept(descriptor)
        if accepted >= 0 { Glibc.close(accepted) }
        spare = Self.openSpare()
        if accepted >= 0 { onRefused?(LoopFailure(code: code, operation: "accept connection")) }
        return accepted
    }

    private func rest(_ code: Int32) {
        guard !isClosing else { return }
        uv_poll_stop(poll)
        pause.start(after: Self.pauseNanoseconds) { [unowned self] in
            if spare < 0 { spare = Self.openSpare() }
            listen()
        }
        onRefused?(LoopFailure(code: code, operation: "accept connection"))
    }

    private static func openSpare() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    private static func watch(_ descriptor: Int32, _ loop: Loop) throws(LoopFailure) -> UnsafeMutableRawPointer {
        let memory = Handle.allocate(UV_POLL)
        let result = uv_poll_init(loop.raw, memory.assumingMemoryBound(to: uv_poll_t.self), descriptor)
        guard result == 0 else {
            memory.deallocate()
            throw LoopFailure(code: result, operation: "watch listening socket")
        }
        return memory
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }

    private var poll: UnsafeMutablePointer<uv_poll_t> { memory.assumingMemoryBound(to: uv_poll_t.self) }

    private var descriptor: Int32 {
        switch origin {
        case .place(let place): place.descriptor
        case .inherited(let descriptor): descriptor
        }
    }
}
