// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform
import Synchronization

/// A disk in memory that fails when told to and, at a crash, forgets what was not synchronised.
final class MemoryDisk: LedgerStorage {
    /// The calls that can fail.
    enum Call: Equatable, Sendable {
        case create, open, read, write, synchronize, truncate, remove, synchronizeFolder, names
    }

    /// How a call fails.
    struct Fault: Sendable {
        let number: Int32
        /// A write does this part of its work before it fails.
        var writtenByteCount = 0

        static let inputOutput = Fault(number: 5)
        static let noSpace = Fault(number: 28)
    }

    struct Content {
        var bytes: [UInt8] = []
        var durable: [UInt8] = []
        // Writes since the last synchronisation, in order.
        var pending: [(offset: Int, bytes: [UInt8])] = []
    }

    private struct State {
        var contents: [Int: Content] = [:]
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var next = 1
        var callCount = 0
        var fault: @Sendable (Call, String, Int) -> Fault? = { _, _, _ in nil }
    }

    private let state = Mutex(State())

    /// From now on `fault` decides about each call: its kind, its path, and its number.
    func fail(_ fault: @escaping @Sendable (Call, String, Int) -> Fault?) {
        state.withLock { $0.fault = fault }
    }

    /// From now on nothing fails.
    func heal() {
        fail { _, _, _ in nil }
    }

    var callCount: Int { state.withLock { $0.callCount } }

    /// The disk as the next start finds it: what was not synchronised is gone, or for each piece
    /// of 512 bytes `isKept` says.
    func crash(isKept: (Int) -> Bool = { _ in false }) -> MemoryDisk {
        let disk = MemoryDisk()
        let (contents, names, next) = state.withLock { ($0.contents, $0.durableNames, $0.next) }
        var kept: [Int: Content] = [:]
        for number in names.values {
            guard let content = contents[number] else { continue }
            var bytes = content.durable
            for write in content.pending {
                for start in stride(from: 0, to: write.bytes.count, by: 512) {
                    let place = write.offset + start
                    guard isKept(place / 512) else { continue }
                    let piece = write.bytes[start..<min(start + 512, write.bytes.count)]
                    MemoryDisk.put(Array(piece), into: &bytes, at: place)
                }
            }
            kept[number] = Content(bytes: bytes, durable: bytes)
        }
        disk.state.withLock { state in
            state.contents = kept
            state.names = names
            state.durableNames = names
            state.next = next
        }
        return disk
    }

    /// A copy of the disk as it stands, nothing forgotten.
    func copy() -> MemoryDisk {
        let disk = MemoryDisk()
        let (contents, names, next) = state.withLock { ($0.contents, $0.names, $0.next) }
        disk.state.withLock { state in
            state.contents = contents.mapValues { Content(bytes: $0.bytes, durable: $0.bytes) }
            state.names = names
            state.durableNames = names
            state.next = next
        }
        return disk
    }

    subscript(path: String) -> [UInt8]? {
        get {
            state.withLock { state in
                state.names[path].flatMap { state.contents[$0]?.bytes }
            }
        }
        set {
            state.withLock { state in
                let number = state.names[path] ?? state.next
                state.next = max(state.next, number + 1)
                state.names[path] = newValue == nil ? nil : number
                state.durableNames[path] = newValue == nil ? nil : number
                state.contents[number] = newValue.map { Content(bytes: $0, durable: $0) }
            }
        }
    }

    var paths: [String] { state.withLock { $0.names.keys.sorted() } }

    // MARK: LedgerStorage

    func names(in folder: String) throws(SystemError) -> [String] {
        try check(.names, folder)
        let prefix = folder + "/"
        return paths.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
            .filter { !$0.contains("/") }
    }

    func createFolder(_ path: String) throws(SystemError) {}

    func open(_ path: String, isWritable: Bool) throws(SystemError) -> any LedgerFile {
        try check(.open, path)
        guard let number = state.withLock({ $0.names[path] }) else {
            throw SystemError(call: "open", path: path, number: 2)
        }
        return MemoryFile(disk: self, number: number, path: path)
    }

    func create(_ path: String, byteCount: Int) throws(SystemError) -> any LedgerFile {
        try check(.create, path)
        let number: Int? = state.withLock { state in
            guard state.names[path] == nil else { return nil }
            let number = state.next
            state.next += 1
            state.names[path] = number
            state.contents[number] = Content(bytes: [UInt8](repeating: 0, count: byteCount))
            return number
        }
        guard let number else { throw SystemError(call: "open", path: path, number: 17) }
        return MemoryFile(disk: self, number: number, path: path)
    }

    func remove(_ path: String) throws(SystemError) {
        try check(.remove, path)
        let wasThere = state.withLock { $0.names.removeValue(forKey: path) != nil }
        guard wasThere else { throw SystemError(call: "remove", path: path, number: 2) }
    }

    func synchronizeFolder(_ path: String) throws(SystemError) {
        try check(.synchronizeFolder, path)
        state.withLock { state in
            let prefix = path + "/"
            state.durableNames = state.durableNames.filter { !$0.key.hasPrefix(prefix) }
            for (name, number) in state.names where name.hasPrefix(prefix) {
                state.durableNames[name] = number
            }
        }
    }

    // MARK: Files

    fileprivate func check(_ call: Call, _ path: String) throws(SystemError) {
        if let fault = decide(call, path) {
            throw SystemError(call: "\(call)", path: path, number: fault.number)
        }
    }

    fileprivate func decide(_ call: Call, _ path: String) -> Fault? {
        let (fault, number) = state.withLock { state in
            state.callCount += 1
            return (state.fault, state.callCount)
        }
        return fault(call, path, number)
    }

    fileprivate func change<Result: Sendable>(
        _ number: Int, _ body: (inout Content) -> Result
    ) -> Result {
        state.withLock { state in
            body(&state.contents[number, default: Content()])
        }
    }

    fileprivate static func put(_ piece: [UInt8], into bytes: inout [UInt8], at offset: Int) {
        let end = offset + piece.count
        if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
        bytes.replaceSubrange(offset..<end, with: piece)
    }
}

private final class MemoryFile: LedgerFile {
    let disk: MemoryDisk
    let number: Int
    let path: String

    init(disk: MemoryDisk, number: Int, path: String) {
        self.disk = disk
        self.number = number
        self.path = path
    }

    func append(
        to bytes: inout [UInt8], count: Int, at offset: Int
    ) throws(SystemError) -> Int {
        try disk.check(.read, path)
        let piece = disk.change(number) { content in
            Array(content.bytes.dropFirst(offset).prefix(count))
        }
        bytes += piece
        return piece.count
    }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        let fault = disk.decide(.write, path)
        var piece = [UInt8]()
        let count = min(bytes.count, fault?.writtenByteCount ?? bytes.count)
        for index in 0..<count { piece.append(bytes[index]) }
        let written = piece
        disk.change(number) { content in
            MemoryDisk.put(written, into: &content.bytes, at: offset)
            content.pending.append((offset, written))
        }
        if let fault { throw SystemError(call: "write", path: path, number: fault.number) }
    }

    func synchronizeData() throws(SystemError) {
        let fault = disk.decide(.synchronize, path)
        disk.change(number) { content in
            // After a failure the kernel may call dropped pages clean.
            if fault == nil { content.durable = content.bytes }
            content.pending = []
        }
        if let fault { throw SystemError(call: "synchronize", path: path, number: fault.number) }
    }

    func truncate(to byteCount: Int) throws(SystemError) {
        try disk.check(.truncate, path)
        disk.change(number) { content in
            content.bytes = Array(content.bytes.prefix(byteCount))
            content.durable = Array(content.durable.prefix(byteCount))
            content.pending.removeAll { $0.offset + $0.bytes.count > byteCount }
        }
    }

    func measure() throws(SystemError) -> (byteCount: Int, modified: Timestamp) {
        (disk.change(number) { $0.bytes.count }, Timestamp(microseconds: 0))
    }
}
