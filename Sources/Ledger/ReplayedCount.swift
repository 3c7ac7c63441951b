// SPDX-License-Identifier: Apache-2.0
import Platform

/// Counts what was replayed while no agent runs, where the next one finds it.
public enum ReplayedCount {
    /// Adds to the total beside a sink's cursor; returns when it is safe against power loss.
    ///
    /// The caller holds the lock of the state directory. A sink without a cursor is left alone.
    public static func add(
        _ count: UInt64, of sink: String, directory: String
    ) throws(LedgerError) {
        try add(count, of: sink, folder: directory + "/ledger", storage: DiskStorage())
    }

    static func add(
        _ count: UInt64, of sink: String, folder: String, storage: any LedgerStorage
    ) throws(LedgerError) {
        do throws(SystemError) {
            let file = try storage.open(folder + "/cursors", isWritable: true)
            var bytes: [UInt8] = []
            _ = try file.append(to: &bytes, count: CursorFile.byteCount, at: 0)
            // What the agent wrote last may be in memory only, so its slot is the one to keep.
            let isDurable = (try? file.synchronizeData()) != nil
            var cursors = CursorFile(
                file: file, entries: CursorFile.read(bytes.span), isDurable: isDurable)
            guard var slot = cursors.slots.first(where: { $0.sink == sink }) else { return }
            slot.cursor.totals.replayed &+= count
            do throws(LedgerError) {
                try cursors.write(
                    [(sink, slot.cursor)], now: slot.written,
                    keeping: Set(cursors.slots.map(\.sink)))
                try cursors.synchronize()
            } catch {
                guard case .system(let cause) = error else { return }
                throw cause
            }
        } catch {
            throw .system(error)
        }
    }
}
