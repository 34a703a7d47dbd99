import Glibc

/// The directory of the accounts' files.
enum AccountFolder {
    /// Makes the directories above `path` that are missing, for the owner only. Each is flushed with its name, else a
    /// power cut could take a file whose contents were flushed. That it failed is seen when the file is made.
    static func make(above path: String) {
        var parent = path.hasPrefix("/") ? "/" : "."
        for (place, character) in path.enumerated() where character == "/" && place > 0 {
            let directory = String(path.prefix(place))
            if mkdir(directory, 0o700) == 0 { flush(parent) }
            parent = directory
        }
    }

    private static func flush(_ directory: String) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
