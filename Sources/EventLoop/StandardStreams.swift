// Theory of operation.
//
// Descriptors 0 and 1 may be anything, and may be shared with the shell and other processes:
//
// - What epoll takes (pipe, socket, terminal) becomes a `Stream`. O_NONBLOCK belongs to the open file description, which
//   the next program in the pipeline may share and which would then fail with EAGAIN; so pipes and terminals are opened
//   anew through /proc/self/fd, which makes a description of our own. Sockets cannot be opened anew, and others' pipes may
//   not be: there the flag is set and taken back on close.
// - What epoll refuses (regular file, directory, /dev/null) is read and written on the pool of threads, through a
//   duplicate: the position in a file is shared on purpose, `(pushgate stdio; cat) < file` must go on where we stopped.
// - A descriptor that was closed at start is /dev/null by now: no input, and output goes nowhere.
//
// Afterwards 0 is /dev/null and 1 is stderr. A stray print then cannot break the protocol, and the other end of our pipes
// sees them end when we close them.

import CLinux
import Glibc

/// Takes standard input and output for the protocol.
package enum StandardStreams {
    /// To be called once, after the loop was made. Throws `LoopFailure` when no descriptor is left.
    package static func open(loop: Loop) throws(LoopFailure) -> StandardPair {
        // Closed since the loop was made: else what is opened here would get the number.
        try Descriptors.plugStandardHoles()
        let output = try openOutput(loop)
        do throws(LoopFailure) {
            let input = try openInput(loop)
            return StandardPair(input: input, output: output.sink, outputIsOwn: output.isOwn)
        } catch {
            output.sink.close()
            throw error
        }
    }

    private static func openInput(_ loop: Loop) throws(LoopFailure) -> any ByteSource {
        let source: any ByteSource
        if try Descriptors.isPollable(STDIN_FILENO) {
            source = try openStream(loop, STDIN_FILENO, O_RDONLY).stream
        } else {
            source = FileReader(loop: loop, descriptor: try Descriptors.duplicate(STDIN_FILENO))
        }
        do throws(LoopFailure) {
            let nothing = try Descriptors.repeating("open /dev/null") { Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
            defer { close(nothing) }
            _ = try Descriptors.repeating("replace standard input") { dup2(nothing, STDIN_FILENO) }
        } catch {
            source.close()
            throw error
        }
        return source
    }

    private static func openOutput(_ loop: Loop) throws(LoopFailure) -> (sink: any ByteSink, isOwn: Bool) {
        let opened: (sink: any ByteSink, isOwn: Bool)
        if try Descriptors.isPollable(STDOUT_FILENO) {
            let (stream, isOwn) = try openStream(loop, STDOUT_FILENO, O_WRONLY)
            opened = (stream, isOwn)
        } else {
            opened = (FileWriter(loop: loop, descriptor: try Descriptors.duplicate(STDOUT_FILENO)), true)
        }
        do throws(LoopFailure) {
            _ = try Descriptors.repeating("replace standard output") { dup2(STDERR_FILENO, STDOUT_FILENO) }
        } catch {
            opened.sink.close()
            throw error
        }
        return opened
    }

    private static func openStream(
        _ loop: Loop, _ descriptor: Int32, _ access: Int32
    ) throws(LoopFailure) -> (stream: Stream, isOwn: Bool) {
        if let own = reopen(descriptor, access) { return (try Stream(loop: loop, pollable: own), true) }
        let wasBlocking = fcntl(descriptor, F_GETFL) & O_NONBLOCK == 0
        let stream = try Stream(loop: loop, pollable: try Descriptors.duplicate(descriptor))
        stream.restoresBlocking = wasBlocking
        return (stream, false)
    }

    /// An open file description of our own for a pipe or terminal; nil where that is impossible or would be another thing:
    /// the read end of a pipe opened for writing, a terminal's master.
    private static func reopen(_ descriptor: Int32, _ access: Int32) -> Int32? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        let kind = status.st_mode & S_IFMT
        let allowed = fcntl(descriptor, F_GETFL) & O_ACCMODE
        guard kind == S_IFIFO || (kind == S_IFCHR && clinux_is_terminal_master(descriptor) == 0),
            allowed == access || allowed == O_RDWR
        else { return nil }
        let own = Glibc.open("/proc/self/fd/\(descriptor)", access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        return own >= 0 ? own : nil
    }
}

/// Standard input and output as one stream.
package final class StandardPair: ByteStream {
    private let input: any ByteSource
    private let output: any ByteSink
    /// Whether the output's open file description is ours alone, so that it can be closed before the input.
    private let outputIsOwn: Bool

    init(input: any ByteSource, output: any ByteSink, outputIsOwn: Bool) {
        self.input = input
        self.output = output
        self.outputIsOwn = outputIsOwn
    }

    package var onBytes: ((UnsafeRawBufferPointer) -> Void)? {
        get { input.onBytes }
        set { input.onBytes = newValue }
    }
    package var onDrained: (() -> Void)? {
        get { input.onDrained }
        set { input.onDrained = newValue }
    }
    package var onEnd: ((LoopFailure?) -> Void)? {
        get { input.onEnd }
        set { input.onEnd = newValue }
    }
    package var onWritable: (() -> Void)? {
        get { output.onWritable }
        set { output.onWritable = newValue }
    }
    package var onOutputFailure: ((LoopFailure) -> Void)? {
        get { output.onOutputFailure }
        set { output.onOutputFailure = newValue }
    }
    package var lowWater: Int {
        get { output.lowWater }
        set { output.lowWater = newValue }
    }
    package var isReading: Bool { input.isReading }
    package var queuedBytes: Int { output.queuedBytes }
    package var lastProgress: UInt64 { output.lastProgress }
    /// Never: input and output may lead to different peers, and the end of the input ends the gateway anyway.
    package var isHungUp: Bool { false }

    package func startReading() { input.startReading() }
    package func pauseReading() { input.pauseReading() }
    package func write(_ bytes: [UInt8]) { output.write(bytes) }

    /// A reader of a pipe sees the end only when the pipe is closed. A description shared with the input stays open until
    /// `close`: taking O_NONBLOCK back would make the input block.
    package func endOutput(_ done: (() -> Void)?) {
        output.endOutput { [output, outputIsOwn] in
            if outputIsOwn { output.close() }
            done?()
        }
    }

    /// Both at once: once O_NONBLOCK was taken back from a shared description nothing may be written to it.
    package func close(_ done: (() -> Void)?) {
        var open = 2
        let oneClosed = {
            open -= 1
            if open == 0 { done?() }
        }
        input.close(oneClosed)
        output.close(oneClosed)
    }
}
