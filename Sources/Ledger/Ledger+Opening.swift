// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

extension Ledger {
    private static let folderPermissions: UInt32 = 0o700
    // Bits by which the group or others may write.
    private static let foreignWriteBits: UInt32 = 0o022

    /// Opens the ledger of a state directory for one agent, and says where it goes on.
    ///
    /// Takes the lock of the directory until the ledger is gone. Begins a new segment; when the
    /// disk has no room for one, that is left to the first `append`.
    ///
    /// - Parameters:
    ///   - directory: the state directory; it is created when it is missing.
    ///   - sinks: the ids of the sinks that are configured; only these hold segments back.
    public static func open(
        directory: String, configuration: LedgerConfiguration, sinks: [String],
        time: any TimeSource = SystemClock()
    ) throws(LedgerError) -> (ledger: Ledger, recovered: RecoveredState) {
        let folder = directory + "/ledger"
        try LedgerError.wrapping { () throws(SystemError) in
            if !FileSystem.exists(directory) {
                try FileSystem.createFolders(directory, permissions: folderPermissions)
            }
            try FileSystem.createFolder(folder, permissions: folderPermissions)
        }
        for path in [directory, folder] {
            let permissions = try LedgerError.wrapping { () throws(SystemError) in
                try FileSystem.status(path).permissions
            }
            guard permissions & foreignWriteBits == 0 else {
                throw .exposed(path: path, permissions: permissions)
            }
        }
        let lock = try lock(directory)
        return try open(
            folder: folder, configuration: configuration, sinks: sinks, time: time,
            storage: DiskStorage(), lock: lock)
    }

    /// Takes a state directory for one process; throws `locked` when another one has it.
    static func lock(_ directory: String) throws(LedgerError) -> FileLock {
        let path = directory + "/lock"
        let lock = try LedgerError.wrapping { () throws(SystemError) in
            try FileLock.take(path, permissions: 0o600)
        }
        guard let lock else { throw .locked(path: path) }
        return lock
    }

    /// Opens a ledger in a folder that exists, on any storage.
    public static func open(
        folder: String, configuration: LedgerConfiguration, sinks: [String],
        time: any TimeSource, storage: any LedgerStorage, lock: FileLock? = nil
    ) throws(LedgerError) -> (ledger: Ledger, recovered: RecoveredState) {
        let quarantine = Quarantine(folder: folder + "/quarantine", storage: storage)
        var opening = Opening(
            folder: folder, storage: storage, quarantine: quarantine,
            keys: configuration.encryption)
        let unstated = quarantine.due()
        try opening.survey()
        try opening.recover()
        let numbers = opening.state.segments.map(\.number)
        let cursors = try opening.openCursors()
        let places = cursors.file.slots.map(\.cursor.place.segment)
        guard let number = Recovery.nextNumber(after: numbers, places) else {
            throw .refused(reason: "the numbers of segments have run out")
        }
        let retired = try opening.assign(cursors, to: sinks, newSegment: number)
        try opening.requireKeys()
        opening.findMissing()
        let recovery = opening.recovery
        let recovered = RecoveredState(
            positions: recovery.positions.positions, stream: recovery.stream,
            nextSequence: recovery.nextSequence, head: recovery.head,
            isNew: numbers.isEmpty, damage: opening.damage, unstated: unstated,
            retiredSinks: retired,
            lostCursors: cursors.areLost)
        opening.state.counts = numbers.isEmpty ? [:] : recovery.counts
        let ledger = Ledger(
            folder: folder, configuration: configuration, storage: storage, time: time,
            lock: lock, quarantine: quarantine,
            writer: LedgerWriter(recovery, nextNumber: number, codec: configuration.codec),
            cursorFile: cursors.file, state: opening.state)
        try ledger.begin()
        return (ledger, recovered)
    }

    /// Makes the cursors of new sinks durable and begins the segment of this start.
    private func begin() throws(LedgerError) {
        try flushCursors()
        // Cursors are lost once, not at every start from now on.
        try cursorFile.withLock { file throws(LedgerError) in try file.clearDamaged() }
        do {
            try writer.withLock { writer throws(LedgerError) in
                try openSegment(for: 0, usingReserve: true, &writer)
            }
        } catch {
            // Without room delivery still goes on, and that is what makes room.
            guard error.isTemporary else { throw error }
        }
    }
}
