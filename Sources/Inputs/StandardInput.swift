// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Synchronization

/// Reads records from standard input until it ends, numbered from where the last start stopped.
///
/// Nothing can be read twice from a pipe: what was read and not committed is gone after a crash.
public final class StandardInput: Input {
    /// The id of the input, as configured.
    public let id: String

    private let source: String
    private let framing: RecordFraming
    private let clock: any TimeSource
    private let file: File
    private let bell: Bell
    private let stream: Monitor<Reading>
    private let snapshot = Monitor(InputState())
    private let isClosed = Atomic(false)

    private struct Reading: ~Copyable {
        var records: RecordStream
        var number: UInt64
        var isAtEnd = false
    }

    /// Prepares to read standard input.
    public convenience init(
        _ configuration: InputConfiguration, framing: RecordFraming, context: InputContext
    ) throws(InputError) {
        let standardInput: Int32 = 0
        try self.init(
            configuration, framing: framing, context: context,
            file: File(borrowing: standardInput, path: "standard input"))
    }

    init(
        _ configuration: InputConfiguration, framing: RecordFraming, context: InputContext,
        file: File
    ) throws(InputError) {
        id = configuration.id
        source = context.stream + " " + configuration.id
        clock = context.clock
        self.framing = framing
        self.file = file
        do throws(SystemError) {
            bell = try Bell()
        } catch {
            throw .system(input: configuration.id, error)
        }
        var number: UInt64 = 0
        for position in context.positions where position.input == configuration.id {
            if case .count(let count) = position.place { number = max(number, count) }
        }
        stream = Monitor(Reading(records: RecordStream(framing: framing), number: number))
    }

    /// The next records; nil when there are none in time, and always after the end.
    public func next(waitingAtMost timeout: Duration) throws(InputError) -> RecordBatch? {
        let deadline = clock.monotonic().advanced(by: timeout)
        do throws(SystemError) {
            return try stream.withLock { (reading) throws(SystemError) -> RecordBatch? in
                try next(&reading, until: deadline)
            }
        } catch {
            throw .system(input: id, error)
        }
    }

    /// What waited for more lines.
    public func remainder() -> RecordBatch? {
        stream.withLock { reading in batch(&reading, reading.records.cut(at: .flushLines)) }
    }

    /// Does nothing: nobody waits for an answer.
    public func committed(through position: Position) {
        // Whoever writes into a pipe waits for no answer.
    }

    /// Makes a `next` that waits return.
    public func wake() {
        bell.ring()
    }

    /// Ends reading; standard input itself stays open.
    public func close() {
        isClosed.store(true, ordering: .releasing)
        bell.ring()
    }

    /// How the input is doing.
    public var state: InputState {
        snapshot.withLock { $0 }
    }

    private func next(
        _ reading: inout Reading, until deadline: MonotonicInstant
    ) throws(SystemError) -> RecordBatch? {
        while !reading.isAtEnd || reading.records.holdsMore {
            if isClosed.load(ordering: .acquiring) { return nil }
            if reading.records.holdsMore {
                let ending: RecordSplitter.End = reading.isAtEnd ? .flushAll : .hold
                return batch(&reading, reading.records.cut(at: ending))
            }
            let left = deadline.duration(since: clock.monotonic())
            let isJoining = reading.records.isJoining && framing.joinTimeout < left
            let wait = isJoining ? framing.joinTimeout : max(.zero, left)
            switch bell.wait(for: file, timeout: wait) {
            case .readable:
                guard let count = try fill(&reading) else { continue }
                if count == 0 { reading.isAtEnd = true }
                if let cut = reading.records.cut(at: count == 0 ? .flushAll : .hold) {
                    return batch(&reading, cut)
                }
            case .timedOut where isJoining:
                if let cut = reading.records.cut(at: .flushLines) { return batch(&reading, cut) }
            case .rung, .timedOut:
                return nil
            }
        }
        snapshot.withLock { $0.isFinished = true }
        return nil
    }

    /// Reads a block; a signal or an empty non-blocking pipe count as no end.
    private func fill(_ reading: inout Reading) throws(SystemError) -> Int? {
        do throws(SystemError) {
            let count = try reading.records.fill(from: file)
            snapshot.withLock { $0.readByteCount += UInt64(count) }
            return count
        } catch {
            if error.code == "EAGAIN" { return nil }
            throw error
        }
    }

    private func batch(_ reading: inout Reading, _ cut: CutRecords?) -> RecordBatch? {
        guard var cut else { return nil }
        var tooLong: UInt64 = 0
        for index in cut.records.indices {
            cut.records[index].offset = reading.number + UInt64(index)
            if cut.records[index].damage.contains(.cut) { tooLong += 1 }
        }
        reading.number += UInt64(cut.records.count)
        let now = clock.now()
        let count = UInt64(cut.records.count)
        snapshot.withLock { state in
            state.recordCount += count
            state.cutRecordCount += tooLong
            state.lastRecord = now
        }
        var batch = RecordBatch(
            input: id, source: source, path: nil, observed: now, bytes: cut.bytes,
            records: cut.records,
            positions: [Position(input: id, place: .count(reading.number))])
        cut.complete(&batch)
        return batch
    }
}
