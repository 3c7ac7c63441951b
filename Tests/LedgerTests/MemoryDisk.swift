// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform

/// A disk in memory that fails when told to and, at a crash, keeps of what was not synchronised
/// whatever it likes: nothing, all, or some pieces and some names in any order.
///
/// It is as unkind as POSIX allows: each piece of 512 bytes of a write, each cut and each change
/// of a name survives or not on its own. After a synchronisation that failed, later ones do not
/// bring back what it was to write.
final class MemoryDisk: LedgerStorage {
    /// The calls that can fail.
    enum Call: Equatable, Sendable {
        case create, open, read, write, synchronize, truncate, remove, rename, synchronizeFolder
        case names
    }

    /// How a call fails.
    struct Fault: Sendable {
        let number: Int32
        /// A write does this part of its work before it fails.
        var writtenByteCount = 0
        /// Nothing is done any more, and nothing is forgotten before `crash` says what is kept.
        var isPowerCut = false

        static let inputOutput = Fault(number: 5)
        static let powerCut = Fault(number: 5, isPowerCut: true)
        static let noSpace = Fault(number: 28)
    }

    static let pieceByteCount = 512

    /// One thing that was done to a file and is not synchronised.
    private enum Change {
        case write(offset: Int, bytes: [UInt8])
        case cut(to: Int)
    }

    private struct Content {
        var bytes: [UInt8] = []
        var durable: [UInt8] = []
        var pending: [Change] = []
    }

    /// One change of a name that is not synchronised.
    private enum NameChange {
        case add(String, Int)
        case remove(String)
        case rename(String, String)
    }

    private struct State {
        var contents: [Int: Content] = [:]
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var pendingNames: [NameChange] = []
        var next = 1
        var callCount = 0
        var fault: (@Sendable (Call, String, Int) -> Fault?)?
        var swallow: (@Sendable (Call, String) -> Bool)?
        var byteLimit = Int.max
        var carriesFaults = false
        var refusals: [(path: String, range: Range<Int>)] = []
    }

    private let state = Monitor(State())

    // MARK: What goes wrong

    /// From now on `fault` decides about each call: its kind, its path, and its number.
    func fail(_ fault: @escaping @Sendable (Call, String, Int) -> Fault?) {
        state.withLock { $0.fault = fault }
    }

    /// The next call of one kind fails, and no other.
    func failOnce(_ call: Call, _ fault: Fault) {
        let isOver = Monitor(false)
        fail { kind, _, _ in
            guard kind == call else { return nil }
            return isOver.withLock { isOver in
                defer { isOver = true }
                return isOver ? nil : fault
            }
        }
    }

    /// True while a fault is set; it may be over.
    var isFailing: Bool { state.withLock { $0.fault != nil } }

    /// From now on nothing fails.
    func heal() {
        state.withLock { $0.fault = nil }
    }

    /// True when the disk of the next start fails like this one, its calls counted on.
    var carriesFaults: Bool {
        get { state.withLock { $0.carriesFaults } }
        set { state.withLock { $0.carriesFaults = newValue } }
    }

    /// From now on reads of a part of a file fail.
    func refuseToRead(_ path: String, _ range: Range<Int>) {
        state.withLock { $0.refusals.append((path, range)) }
    }

    fileprivate func isRefused(_ path: String, _ range: Range<Int>) -> Bool {
        state.withLock { state in
            state.refusals.contains { $0.path == path && $0.range.overlaps(range) }
        }
    }

    /// From now on calls that `swallow` names answer that all is well and do nothing.
    func swallow(_ swallow: @escaping @Sendable (Call, String) -> Bool) {
        state.withLock { $0.swallow = swallow }
    }

    /// The room for all files; more is answered with ENOSPC.
    var byteLimit: Int {
        get { state.withLock { $0.byteLimit } }
        set { state.withLock { $0.byteLimit = newValue } }
    }

    /// The room that all files take.
    var byteCount: Int { state.withLock { MemoryDisk.byteCount($0) } }

    private static func byteCount(_ state: State) -> Int {
        Set(state.names.values).reduce(0) { $0 + (state.contents[$1]?.bytes.count ?? 0) }
    }

    var callCount: Int { state.withLock { $0.callCount } }

    /// What the next start finds after a power cut: of all that was not synchronised, `isKept`
    /// says of each piece whether it is there.
    func crash(isKept: () -> Bool = { false }) -> MemoryDisk {
        let disk = MemoryDisk()
        var (contents, names, changes, next) = state.withLock {
            ($0.contents, $0.durableNames, $0.pendingNames, $0.next)
        }
        for change in changes where isKept() { MemoryDisk.apply(change, to: &names) }
        changes = []
        var kept: [Int: Content] = [:]
        for number in names.values.sorted() {
            guard let content = contents[number] else { continue }
            var bytes = content.durable
            for change in content.pending { MemoryDisk.apply(change, to: &bytes, isKept) }
            kept[number] = Content(bytes: bytes, durable: bytes)
        }
        contents = kept
        disk.take(contents, names, next)
        disk.inherit(self)
        return disk
    }

    /// The disk as it stands, nothing forgotten: what a start finds after kill -9.
    ///
    /// - Parameter limited: true when the copy has no more room than this disk.
    func copy(limited: Bool = false) -> MemoryDisk {
        let disk = MemoryDisk()
        if limited { disk.byteLimit = byteLimit }
        let (contents, names, next) = state.withLock { ($0.contents, $0.names, $0.next) }
        disk.take(
            contents.mapValues { Content(bytes: $0.bytes, durable: $0.bytes) }, names, next)
        disk.inherit(self)
        return disk
    }

    private func inherit(_ other: MemoryDisk) {
        let old = other.state.withLock { $0 }
        guard old.carriesFaults else { return }
        state.withLock { state in
            state.fault = old.fault
            state.swallow = old.swallow
            state.callCount = old.callCount
            state.carriesFaults = true
        }
    }

    private func take(_ contents: [Int: Content], _ names: [String: Int], _ next: Int) {
        state.withLock { state in
            state.contents = contents
            state.names = names
            state.durableNames = names
            state.next = next
        }
    }

    private static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .add(let name, let number): names[name] = number
        case .remove(let name): names[name] = nil
        case .rename(let old, let new):
            if let number = names.removeValue(forKey: old) { names[new] = number }
        }
    }

    private static func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .cut(let byteCount): bytes.removeLast(max(0, bytes.count - byteCount))
        case .write(let offset, let written): put(written[...], into: &bytes, at: offset)
        }
    }

    private static func apply(
        _ change: Change, to bytes: inout [UInt8], _ isKept: () -> Bool
    ) {
        switch change {
        case .cut(let byteCount): if isKept() { bytes = Array(bytes.prefix(byteCount)) }
        case .write(let offset, let written):
            var start = 0
            while start < written.count {
                // Pieces of the disk, not of the write.
                let end = min(
                    written.count,
                    start + pieceByteCount - (offset + start) % pieceByteCount)
                if isKept() { put(written[start..<end], into: &bytes, at: offset + start) }
                start = end
            }
        }
    }

    // MARK: Looking into it

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
        let number: Result<Int, Fault> = state.withLock { state in
            guard state.names[path] == nil else { return .failure(Fault(number: 17)) }
            guard MemoryDisk.byteCount(state) + byteCount <= state.byteLimit else {
                return .failure(.noSpace)
            }
            let number = state.next
            state.next += 1
            state.names[path] = number
            state.pendingNames.append(.add(path, number))
            let zeros = [UInt8](repeating: 0, count: byteCount)
            state.contents[number] = Content(
                bytes: zeros, pending: [.write(offset: 0, bytes: zeros)])
            return .success(number)
        }
        switch number {
        case .success(let number): return MemoryFile(disk: self, number: number, path: path)
        case .failure(let fault):
            throw SystemError(call: "open", path: path, number: fault.number)
        }
    }

    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try check(.rename, path)
        let isDone = state.withLock { state in
            guard state.names[newPath] == nil, let number = state.names.removeValue(forKey: path)
            else { return false }
            state.names[newPath] = number
            state.pendingNames.append(.rename(path, newPath))
            return true
        }
        guard isDone else { throw SystemError(call: "rename", path: path, number: 2) }
    }

    func remove(_ path: String) throws(SystemError) {
        try check(.remove, path)
        let wasThere = state.withLock { state in
            state.pendingNames.append(.remove(path))
            return state.names.removeValue(forKey: path) != nil
        }
        guard wasThere else { throw SystemError(call: "remove", path: path, number: 2) }
    }

    func synchronizeFolder(_ path: String) throws(SystemError) {
        try check(.synchronizeFolder, path)
        guard !isSwallowed(.synchronizeFolder, path) else { return }
        state.withLock { state in
            let prefix = path + "/"
            state.durableNames = state.durableNames.filter { !$0.key.hasPrefix(prefix) }
            for (name, number) in state.names where name.hasPrefix(prefix) {
                state.durableNames[name] = number
            }
            state.pendingNames.removeAll { change in
                switch change {
                case .add(let name, _), .remove(let name), .rename(let name, _):
                    name.hasPrefix(prefix)
                }
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
        return fault?(call, path, number)
    }

    fileprivate func isSwallowed(_ call: Call, _ path: String) -> Bool {
        state.withLock { $0.swallow }?(call, path) ?? false
    }

    fileprivate func read(_ number: Int, _ count: Int, at offset: Int) -> [UInt8] {
        state.withLock { state in
            guard let bytes = state.contents[number]?.bytes, offset < bytes.count else { return [] }
            return Array(bytes[offset..<min(bytes.count, offset + count)])
        }
    }

    fileprivate func byteCount(_ number: Int) -> Int {
        state.withLock { $0.contents[number]?.bytes.count ?? 0 }
    }

    fileprivate func write(_ number: Int, _ bytes: [UInt8], at offset: Int) {
        state.withLock { state in
            MemoryDisk.put(
                bytes[...], into: &state.contents[number, default: Content()].bytes, at: offset)
            state.contents[number]?.pending.append(.write(offset: offset, bytes: bytes))
        }
    }

    fileprivate func cut(_ number: Int, to byteCount: Int) {
        state.withLock { state in
            let count = state.contents[number]?.bytes.count ?? 0
            guard count > byteCount else { return }
            state.contents[number]?.bytes.removeLast(count - byteCount)
            state.contents[number]?.pending.append(.cut(to: byteCount))
        }
    }

    fileprivate func synchronize(_ number: Int, fails: Bool) {
        state.withLock { state in
            guard var content = state.contents.removeValue(forKey: number) else { return }
            if fails {
                // Some of it may be there all the same, and none of it is tried again.
                var luck = SeededGenerator(seed: UInt64(state.callCount))
                for change in content.pending {
                    MemoryDisk.apply(change, to: &content.durable) {
                        Bool.random(using: &luck)
                    }
                }
            } else {
                for change in content.pending { MemoryDisk.apply(change, to: &content.durable) }
            }
            content.pending = []
            state.contents[number] = content
        }
    }

    private static func put(_ piece: ArraySlice<UInt8>, into bytes: inout [UInt8], at offset: Int) {
        let end = offset + piece.count
        if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
        bytes.replaceSubrange(offset..<end, with: piece)
    }
}

extension MemoryDisk.Fault: Error {}

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
        if disk.isRefused(path, offset..<offset + count) {
            throw SystemError(call: "read", path: path, number: 5)
        }
        let piece = disk.read(number, count, at: offset)
        bytes += piece
        return piece.count
    }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        let fault = disk.decide(.write, path)
        let count = min(bytes.count, fault?.writtenByteCount ?? bytes.count)
        disk.write(number, [UInt8](copying: bytes.extracting(0..<count)), at: offset)
        if let fault { throw SystemError(call: "write", path: path, number: fault.number) }
    }

    func synchronizeData() throws(SystemError) {
        let fault = disk.decide(.synchronize, path)
        guard !disk.isSwallowed(.synchronize, path) else { return }
        if fault?.isPowerCut != true { disk.synchronize(number, fails: fault != nil) }
        if let fault { throw SystemError(call: "synchronize", path: path, number: fault.number) }
    }

    func truncate(to byteCount: Int) throws(SystemError) {
        try disk.check(.truncate, path)
        disk.cut(number, to: byteCount)
    }

    func measure() throws(SystemError) -> (byteCount: Int, modified: Timestamp) {
        (disk.byteCount(number), Timestamp(microseconds: 0))
    }
}
