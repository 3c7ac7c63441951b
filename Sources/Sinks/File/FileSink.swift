// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What may be written about a sink of type `file` beside the keys of all sinks.
struct FileOptions: SinkOptions {
    static let keys = ["path", "rotate"]

    /// The file that is written.
    let path: String
    /// When it is put aside; nil leaves that to others.
    let rotation: FileRotation?
    var writtenPath: String? { path }

    init(reading reader: inout ConfigurationReader) {
        path = reader.requiredString("path")
        if !path.isEmpty, !path.hasPrefix("/") {
            reader.problem("path", "must begin with /, is \"\(path)\"")
        }
        rotation = FileRotation(reading: &reader)
    }
}

/// Appends events to a file, one line each, and reports them when they are safe on the disk.
///
/// The file is the agent's own: other programs may move it away or empty it, not write to it.
// Safe because one thread makes all calls but wake, which touches the monitor only.
final class FileSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "file", formats: [.canonical, .ecs, .ocsf, .cef, .leef],
        promise: "An event counts as delivered when it is safe on the disk.",
        options: FileOptions.self
    ) { configuration, options in FileSink(configuration, options) }

    /// The longest line that can be ours: how far back the start of a half line is looked for.
    static let lineByteLimit = 1 << 20
    /// Owner and group may read it, nobody else.
    static let permissions: UInt32 = 0o640

    private let path: String
    private var rendering: EventRendering
    private var output = ByteWriter(capacity: 1 << 16)
    private var file: File?
    // Rendered batches that are not written yet: where each ends in `output`.
    private var waiting: [(ticket: UInt64, end: Int, rejections: [Rejection])] = []
    private let wakeUp = Monitor(false)
    private let rotation: FileRotation?
    private let archive: FileArchive?
    private let clock: any TimeSource
    // What went wrong beside the deliveries.
    private var problem: String?
    private var isFirst = true

    init(
        _ configuration: SinkConfiguration, _ options: FileOptions,
        clock: any TimeSource = SystemClock()
    ) {
        path = options.path
        rotation = options.rotation
        archive = options.rotation.map { FileArchive(path: options.path, rotation: $0) }
        self.clock = clock
        rendering = EventRendering(configuration.format)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        let rejections = rendering.append(batch, to: &output)
        waiting.append((ticket, output.count, rejections))
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        if waiting.isEmpty {
            // What was put aside is compressed while there is nothing else to do, and a piece of
            // it beside each delivery.
            let pause = archive?.isBusy == true ? .zero : timeout
            _ = wakeUp.wait(timeout: pause) { isWoken in isWoken ? true : nil }
        }
        lookAfterArchive()
        wakeUp.withLock { isWoken in isWoken = false }
        guard !waiting.isEmpty else { return [] }
        let failure = writeWaiting()
        let outcomes = waiting.map { entry in
            (ticket: entry.ticket, result: Self.result(failure, entry.rejections))
        }
        waiting.removeAll(keepingCapacity: true)
        output.removeAll()
        return outcomes
    }

    func wake() {
        wakeUp.update { isWoken in isWoken = true }
    }

    /// Only looks: an agent may be writing to the file, and a new one would belong to who asks.
    func probe() -> DeliveryError? {
        if let refusal { return refusal }
        do throws(SystemError) {
            if FileSystem.exists(path) {
                _ = try File(path, .write, [.append, .nonBlocking])
            } else {
                let folder = FileSystem.folder(of: path)
                _ = try FileSystem.status(folder)
                guard FileSystem.isWritable(folder) else {
                    return .alarm(
                        reason: "\(folder): may not be written by this user; give it the right",
                        code: .place)
                }
            }
            return nil
        } catch {
            return Self.failure(error)
        }
    }

    /// Why nothing is written to what lies at the path: only a file keeps what it is given, and
    /// a pipe that nobody reads would hold the sink for ever. A device is the operator's choice.
    private var refusal: DeliveryError? {
        guard let kind = try? FileSystem.status(path).kind, let words = Self.words(kind)
        else { return nil }
        let reason =
            "\(path): is \(words) and no file, so it keeps nothing; "
            + "name a file, or use a sink of type stdout"
        return .alarm(reason: reason, code: .place)
    }

    /// What cannot be written to as a file is; nil for what can.
    private static func words(_ kind: FileStatus.Kind) -> String? {
        switch kind {
        case .regular, .device: nil
        case .pipe: "a pipe"
        case .directory: "a folder"
        case .socket: "a socket"
        case .symbolicLink, .other: "something else"
        }
    }

    var condition: SinkCondition { SinkCondition(problem: problem) }

    func close() {
        file = nil
        waiting.removeAll()
        output.removeAll()
    }

    private static func result(
        _ failure: DeliveryError?, _ rejections: [Rejection]
    ) -> DeliveryResult {
        if let failure { return .failure(failure) }
        return Rejection.result(rejections)
    }

    /// Writes all that waits with one write and one fdatasync; nil when it is safe.
    private func writeWaiting() -> DeliveryError? {
        if let refusal {
            file = nil
            return refusal
        }
        do throws(SystemError) {
            var file = try openFile()
            let status = try file.status()
            guard status.kind == .regular else {
                try output.withBytes { (bytes) throws(SystemError) in try file.writeNext(bytes) }
                return nil
            }
            // What the last stop has left uncompressed.
            if isFirst { beginArchive() }
            isFirst = false
            var start = status.byteCount
            if let rotation,
                rotation.isDue(
                    byteCount: start, adding: output.count, writtenAt: status.modified,
                    now: clock.now())
            {
                file = try putAside(rotation)
                start = 0
            }
            do throws(SystemError) {
                try output.withBytes { (bytes) throws(SystemError) in try file.writeNext(bytes) }
                try file.synchronizeData()
            } catch {
                // No half line may stay: it would spoil the first line of the next try.
                try file.truncate(to: start)
                throw error
            }
            return nil
        } catch {
            file = nil
            return Self.failure(error)
        }
    }

    /// Gives the file a name of its own and begins a new one.
    private func putAside(_ rotation: FileRotation) throws(SystemError) -> File {
        let folder = FileSystem.folder(of: path)
        let name = rotation.name(
            for: FileSystem.name(of: path), at: clock.now(),
            besides: try FileSystem.names(in: folder))
        try FileSystem.rename(path, to: folder + "/" + name)
        file = nil
        // Both names are made safe together, when the new file is opened.
        let new = try openFile()
        beginArchive()
        return new
    }

    private func beginArchive() {
        do throws(SystemError) {
            try archive?.begin()
            problem = nil
        } catch {
            problem = "rotate: \(error)"
        }
    }

    private func lookAfterArchive() {
        guard let archive, archive.isBusy else { return }
        do throws(SystemError) {
            try archive.proceed()
        } catch {
            problem = "rotate: \(error); the file stays as it is until the next one is put aside"
        }
    }

    /// The open file at the path; a new one where the old one was moved away.
    private func openFile() throws(SystemError) -> File {
        if let file {
            let open = try file.status()
            if let named = try? FileSystem.status(path), named.inode == open.inode,
                named.device == open.device
            {
                return file
            }
        }
        let isNew = !FileSystem.exists(path)
        // Not blocking, should a pipe have come into its place this very moment.
        let opened = try File(
            path, .readWrite, [.create, .append, .nonBlocking], permissions: FileSink.permissions)
        if isNew {
            // The name must survive a power failure as well as what is written under it.
            try FileSystem.synchronizeFolder(FileSystem.folder(of: path))
        }
        try removeHalfLine(opened)
        file = opened
        return opened
    }

    /// Cuts what a crash left behind the last whole line; those events come again.
    private func removeHalfLine(_ file: File) throws(SystemError) {
        let byteCount = try file.status().byteCount
        let start = max(0, byteCount - FileSink.lineByteLimit)
        let tail = try file.read(count: byteCount - start, at: start)
        if tail.isEmpty || tail.last == UInt8(ascii: "\n") { return }
        if let lineFeed = ByteSearch.last(UInt8(ascii: "\n"), in: tail.span, 0..<tail.count) {
            try file.truncate(to: start + lineFeed + 1)
        } else if start == 0 {
            try file.truncate(to: 0)
        }
    }

    private static func failure(_ error: SystemError) -> DeliveryError {
        if error.isNoSpace {
            return .retry(after: nil, reason: error.description, code: .space)
        }
        if error.isPermission || error.isNotFound {
            return .alarm(reason: error.description, code: .place)
        }
        return .retry(after: nil, reason: error.description, code: .file)
    }
}
