// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// A record as it came out of an input.
struct ReadRecord: Equatable {
    var text: String
    var source: String
    var offset: UInt64
    var path: String?
    var isCut: Bool
}

/// A file input over a temporary folder that is stopped and started again, with what it committed.
final class Following {
    let folder: TemporaryFolder
    var input: FileInput
    var records: [ReadRecord] = []
    var losses: [InputLoss] = []

    private let make: ([Position]) throws -> FileInput
    private var committed: [Position.Identity: Position] = [:]

    /// No test waits longer than this for a record.
    static let deadline = Duration.seconds(10)
    /// How long a test looks for a record that must not come.
    static let moment = Duration.milliseconds(60)

    init(
        _ patterns: [String] = ["app.log"], in folder: TemporaryFolder? = nil,
        exclude: [String] = [], startAt: InputConfiguration.Start = .beginning,
        framing: RecordFraming = RecordFraming(), isWatching: Bool = true,
        gather: Duration = .zero, poll: Duration = .milliseconds(5), rescan: Duration = .seconds(5),
        quiet: Duration = .milliseconds(30), linger: Duration? = nil,
        review: Duration = .seconds(600),
        reportsChanges: @escaping @Sendable (String) -> Bool = FileSystem.reportsChanges
    ) throws {
        let folder = try folder ?? TemporaryFolder()
        self.folder = folder
        var timing = FileTiming()
        timing.gather = gather
        timing.poll = poll
        timing.rescan = rescan
        timing.rescanWithoutWatch = .milliseconds(10)
        timing.rescanPause = .milliseconds(1)
        timing.quiet = quiet
        timing.linger = linger ?? quiet
        timing.review = review
        timing.firstRetry = .milliseconds(5)
        timing.longestRetry = .milliseconds(20)
        let configuration = InputConfiguration(
            id: "test", kind: .file, paths: patterns.map { folder($0) }, exclude: exclude,
            startAt: startAt, recordByteLimit: framing.recordByteLimit)
        make = { [timing] positions in
            try FileInput(
                configuration, framing: framing, context: InputContext(positions: positions),
                timing: timing, isWatching: isWatching, reportsChanges: reportsChanges)
        }
        input = try make([])
    }

    /// The positions that a ledger would hold by now.
    var positions: [Position] { Array(committed.values) }

    /// The texts of all records so far.
    var texts: [String] { records.map(\.text) }

    /// One batch, checked for what every batch promises; nil when none came.
    func batch(within timeout: Duration, isCommitted: Bool = true) throws -> RecordBatch? {
        guard let batch = try input.next(waitingAtMost: timeout) else { return nil }
        check(batch)
        for record in batch.records {
            records.append(
                ReadRecord(
                    text: String(decoding: batch.bytes[record.range], as: UTF8.self),
                    source: batch.source, offset: record.offset, path: batch.path,
                    isCut: record.damage.contains(.cut)))
        }
        if isCommitted {
            losses += batch.losses
            for position in batch.positions {
                committed[position.identity] = position
                input.committed(through: position)
            }
            for identity in batch.forgotten { committed[identity] = nil }
        }
        return batch
    }

    /// Reads until so many records came in all; fewer when the deadline passes.
    @discardableResult
    func read(_ count: Int, isCommitted: Bool = true) throws -> [String] {
        let clock = SystemClock()
        let end = clock.monotonic().advanced(by: Following.deadline)
        while records.count < count, clock.monotonic() < end {
            _ = try batch(within: .milliseconds(20), isCommitted: isCommitted)
        }
        return texts
    }

    /// Reads for a moment, to see that nothing more comes.
    func readOn(for duration: Duration = Following.moment) throws {
        try wait(atMost: duration) { false }
    }

    /// Reads until a condition holds.
    func wait(
        atMost limit: Duration = Following.deadline, until condition: () -> Bool
    ) throws {
        let clock = SystemClock()
        let end = clock.monotonic().advanced(by: limit)
        while !condition(), clock.monotonic() < end {
            _ = try batch(within: .milliseconds(5))
        }
    }

    /// Stops reading, as at the end of the agent.
    func stop() {
        input.close()
    }

    /// Starts again from what was committed, and forgets the records read so far.
    func start() throws {
        input = try make(positions)
        records = []
    }

    /// Stops and starts again.
    func restart() throws {
        stop()
        try start()
    }

    private func check(_ batch: RecordBatch) {
        #expect(batch.bytes.suffix(RecordBatch.paddingByteCount).allSatisfy { $0 == 0 })
        var end = 0
        for record in batch.records {
            #expect(record.range.lowerBound >= end)
            #expect(!record.range.isEmpty)
            end = record.range.upperBound
        }
        #expect(end <= batch.bytes.count - RecordBatch.paddingByteCount)
        if batch.positions.isEmpty, !batch.losses.isEmpty { return }
        guard case .file(let file) = batch.positions.last?.place else {
            Issue.record("a batch of a file without its position")
            return
        }
        #expect(batch.source == file.key.text)
        #expect(file.key != .zero)
        if let last = batch.records.last {
            #expect(file.offset >= last.offset + UInt64(last.count))
        } else {
            #expect(file.offset > 0)
        }
    }
}

/// What rotation makes of a content when it compresses it.
enum Packed {
    /// The content in the format of a suffix: `.gz`, else Zstandard.
    static func bytes(_ content: [UInt8], _ suffix: String) -> [UInt8] {
        var packed: [UInt8] = []
        if suffix == ".gz" {
            GzipEncoder().compress(content.span, into: &packed)
        } else {
            ZstdEncoder().compress(content.span, into: &packed)
        }
        return packed
    }
}

extension TemporaryFolder {
    /// Makes an archive of a file with the file's times, as gzip(1) does, and keeps the file.
    func archive(_ name: String, _ suffix: String) throws {
        try write(name + suffix, Packed.bytes(try read(name), suffix))
        try copyTimes(from: name, to: name + suffix)
    }

    /// Puts an archive in a file's place.
    func compress(_ name: String, _ suffix: String) throws {
        try archive(name, suffix)
        try remove(name)
    }
}

extension ContractInput {
    /// Wraps an input for the contract.
    init(_ input: any Input) {
        self.init(
            next: { try input.next(waitingAtMost: $0) },
            committed: { input.committed(through: $0) }, wake: { input.wake() },
            close: { input.close() }, recordCount: { input.state.recordCount })
    }
}
