// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes events to standard output, one line each.
///
/// A reader that is slow makes it wait, never the thread that calls it: a pipe is written in
/// pieces that fit, and only while it has room.
// Safe because one thread makes all calls but wake, which rings a bell that any thread may ring.
final class StandardOutputSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "stdout", formats: [.canonical, .ecs, .ocsf, .cef, .leef],
        promise: "An event counts as delivered when the pipe has taken it, read or not.",
        options: NoSinkOptions.self
    ) { (configuration, _) throws(SinkError) in
        try StandardOutputSink(configuration, File(borrowing: 1, path: "standard output"))
    }

    // pipe(7): when poll says that a pipe can be written, this many bytes fit without waiting.
    private static let pieceByteCount = 4096

    private let file: File
    private let bell: Bell
    private var rendering: EventRendering
    private var output = ByteWriter(capacity: 1 << 16)
    private var writtenByteCount = 0
    // After a failure half a line may be out; the next line must not be glued to it.
    private var isInsideLine = false
    private var waiting: [(ticket: UInt64, end: Int, rejections: [Rejection])] = []

    init(_ configuration: SinkConfiguration, _ file: File) throws(SinkError) {
        do throws(SystemError) {
            bell = try Bell()
        } catch {
            throw SinkError(sink: configuration.id, "\(error)")
        }
        self.file = file
        rendering = EventRendering(configuration.format)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        if waiting.isEmpty, isInsideLine { output.append("\n") }
        let rejections = rendering.append(batch, to: &output)
        waiting.append((ticket, output.count, rejections))
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        guard !waiting.isEmpty else {
            _ = bell.wait(timeout: timeout)
            return []
        }
        let clock = SystemClock()
        let deadline = clock.monotonic().advanced(by: timeout)
        do throws(SystemError) {
            while writtenByteCount < waiting[0].end {
                let left = max(deadline.duration(since: clock.monotonic()), .zero)
                guard bell.waitUntilWritable(file, timeout: left) else { return [] }
                try writePiece()
            }
        } catch {
            return fail(error)
        }
        return takeWritten()
    }

    func wake() {
        bell.ring()
    }

    func probe() -> DeliveryError? { nil }

    func close() {
        waiting.removeAll()
        output.removeAll()
        writtenByteCount = 0
    }

    private func writePiece() throws(SystemError) {
        let end = min(output.count, writtenByteCount + StandardOutputSink.pieceByteCount)
        let range = writtenByteCount..<end
        let count = try output.withBytes { (bytes) throws(SystemError) -> Int in
            try file.writeSome(bytes.extracting(range))
        }
        writtenByteCount += count
        guard count > 0 else { return }
        let last = writtenByteCount - 1
        isInsideLine = output.withBytes { $0[last] != UInt8(ascii: "\n") }
    }

    private func takeWritten() -> [DeliveryOutcome] {
        let count = waiting.prefix { $0.end <= writtenByteCount }.count
        let outcomes = waiting.prefix(count).map { entry in
            (ticket: entry.ticket, result: Rejection.result(entry.rejections))
        }
        waiting.removeFirst(count)
        if waiting.isEmpty {
            output.removeAll()
            writtenByteCount = 0
        }
        return outcomes
    }

    private func fail(
        _ error: SystemError
    ) -> [DeliveryOutcome] {
        let failure = DeliveryError.alarm(
            reason: "\(error); start the agent with a reader behind its standard output",
            code: .file)
        let outcomes = waiting.map { entry in
            (ticket: entry.ticket, result: DeliveryResult.failure(failure))
        }
        close()
        return outcomes
    }
}
