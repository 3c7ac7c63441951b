// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Sends the letters of a sink again: hands them out, and leaves in the file those that stay.
///
/// The file itself is never changed. What stays is written beside it, in the same order, and takes
/// its place by one rename(2) at the end; so a crash at any moment leaves either all letters or
/// those that stay, and at most some are sent once more, with the same ids. What is rejected
/// meanwhile is appended to the old file and goes along. One thread makes all calls, the one that
/// appends.
public final class LetterReplay {
    /// Letters that were handed out together.
    private struct Letters {
        var end: Int
        /// Lines that stay: those nobody can read, and those that were refused again.
        var kept: [UInt8] = []
        var isSettled = false
    }

    private let letter: DeadLetter
    private let file: File?
    // What is appended later is not sent by this replay.
    private let limit: Int
    private var offset = 0
    private var spans: [Letters] = []
    private var firstSpan: UInt64 = 0
    private var reader = SealedLine()
    // Up to here the old file is not needed any more.
    private var passed = 0
    private var kept: File?
    private var keptByteCount = 0
    /// Lines that no event can be made of; they stay where they are.
    public private(set) var unreadableCount = 0
    /// How many letters there were.
    public let count: Int

    /// Begins with the first letter.
    public init(_ letter: DeadLetter) {
        self.letter = letter
        letter.lookAgain()
        (file, limit, count) = letter.change { ($0.file, $0.byteCount, $0.count) }
    }

    /// How much of the file was read, from 0 to 1.
    public var progress: Double { limit == 0 ? 1 : Double(offset) / Double(limit) }

    /// The number of the next span of letters and the letters; nil behind the last one.
    ///
    /// Throws when the disk refuses to read, or when a key is missing.
    public func next(
        countLimit: Int, byteLimit: Int
    ) throws(SinkError) -> (span: UInt64, batch: DeliveryBatch)? {
        guard let file, offset < limit else { return nil }
        var parts: [DeliveryBatch.Part] = []
        var span = Letters(end: offset)
        var byteCount = 0
        while parts.count < countLimit, byteCount < byteLimit, offset < limit {
            let line: [UInt8]
            do throws(SystemError) {
                line = try DeadLetter.line(file, at: offset)
            } catch {
                throw letter.error("\(error)")
            }
            guard !line.isEmpty else {
                // A blank line, as editors leave one, is no letter; behind a cut file is nothing.
                offset = try isBlank(file, at: offset) ? offset + 1 : limit
                byteCount += 1
                continue
            }
            if let batch = try batch(of: line) {
                byteCount += batch.bodies.count
                parts.append(DeliveryBatch.Part(batch: batch, events: [0]))
            } else {
                unreadableCount += 1
                byteCount += line.count
                span.kept += line + [UInt8(ascii: "\n")]
            }
            offset += line.count + 1
        }
        span.end = offset
        spans.append(span)
        return (firstSpan + UInt64(spans.count) - 1, DeliveryBatch(parts: parts))
    }

    private func isBlank(_ file: File, at offset: Int) throws(SinkError) -> Bool {
        do throws(SystemError) {
            return try DeadLetter.isBlank(file, at: offset)
        } catch {
            throw letter.error("\(error)")
        }
    }

    /// The event of a line; nil when it cannot be sent as it was.
    private func batch(of line: [UInt8]) throws(SinkError) -> SealedBatch? {
        // A line that needs a key that is not there is no damage: somebody can mend it.
        if case .locked = DeadLetter.clear(line, keys: letter.encryption) {
            _ = try letter.entry(line, at: offset)
        }
        guard let entry = try? letter.entry(line, at: offset) else { return nil }
        return reader.read(Array(entry.line.utf8))
    }

    /// Takes note that letters of a span were refused again, with the new reasons.
    ///
    /// - Parameters:
    ///   - rejections: indices into `batch`, in rising order.
    ///   - batch: some of the letters of the span.
    public func refuse(
        _ rejections: [Rejection], of batch: DeliveryBatch, span: UInt64, at now: Timestamp
    ) {
        guard let index = index(of: span) else { return }
        spans[index].kept += letter.render(rejections, of: batch, at: now)
    }

    /// Takes note that every letter of a span was confirmed or refused again.
    public func settle(_ span: UInt64) throws(SinkError) {
        guard let index = index(of: span) else { return }
        spans[index].isSettled = true
        while let first = spans.first, first.isSettled {
            try keep(first.kept.span)
            passed = first.end
            spans.removeFirst()
            firstSpan += 1
        }
    }

    private func index(of span: UInt64) -> Int? {
        guard span >= firstSpan, span - firstSpan < UInt64(spans.count) else { return nil }
        return Int(span - firstSpan)
    }

    /// Takes the letters that were settled out of the dead letter, and returns when that is safe
    /// against power loss.
    ///
    /// Throws, and leaves all letters, when the disk refuses or somebody has moved the file away.
    public func finish() throws(SinkError) {
        guard let file, passed > 0 else { return }
        let failure = letter.change { state -> SinkError? in
            guard state.file === file, letter.isNamed(file) else {
                return letter.error(
                    "\(letter.path) was moved away meanwhile; what was confirmed is in it still")
            }
            do throws(SystemError) {
                let kept = try keptFile()
                try copyRest(of: file, to: kept, limit: state.byteCount)
                try kept.synchronizeData()
                let found = try DeadLetter.survey(kept)
                try FileSystem.rename(temporaryPath, to: letter.path)
                (state.count, state.byteCount) = found
                state.file = kept
                // Those who look would find that the file they know was moved away.
                letter.show(state)
                try FileSystem.synchronizeFolder(letter.folder)
                return nil
            } catch {
                return letter.error("\(error); the letters stay and can be sent again")
            }
        }
        if let failure { throw failure }
    }

    // MARK: What stays

    // No `.ndjson` at its end: it is no dead letter before it has that name.
    private var temporaryPath: String { letter.path + ".new" }

    private func keptFile() throws(SystemError) -> File {
        if let kept { return kept }
        // One that a crash left is begun anew.
        let made = try File(
            temporaryPath, .readWrite, [.create, .truncate], permissions: 0o600)
        kept = made
        return made
    }

    private func keep(_ lines: Span<UInt8>) throws(SinkError) {
        guard lines.count > 0 else { return }
        do throws(SystemError) {
            try keptFile().write(lines, at: keptByteCount)
            keptByteCount += lines.count
        } catch {
            throw letter.error("\(error); the letters stay and can be sent again")
        }
    }

    private func copyRest(
        of file: File, to kept: File, limit: Int
    ) throws(SystemError) {
        while passed < limit {
            let piece = try file.read(
                count: min(DeadLetter.pieceByteCount, limit - passed), at: passed)
            if piece.isEmpty { return }
            try kept.write(piece.span, at: keptByteCount)
            keptByteCount += piece.count
            passed += piece.count
        }
    }
}

extension DeadLetter {
    fileprivate func error(_ sentence: String) -> SinkError {
        SinkError(sink: sink, "dead_letter: " + sentence)
    }

    /// Takes the file that has the name by now, where somebody moved or restored one.
    fileprivate func lookAgain() {
        change { state in
            if let file = state.file, isNamed(file) { return }
            state.file = nil
            (state.count, state.byteCount) = (0, 0)
            guard let file = try? File(path, .readWrite),
                let found = try? DeadLetter.survey(file)
            else { return }
            (state.count, state.byteCount) = found
            state.file = file
        }
    }

    /// How many letters rest in a folder for a sink, counted without touching anything.
    public static func count(
        folder: String, sink: String
    ) throws(SystemError) -> Int {
        let path = folder + "/" + sink + ".ndjson"
        guard FileSystem.exists(path) else { return 0 }
        return try survey(File(path)).count
    }
}
