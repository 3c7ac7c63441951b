// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Reads a file, a pipe or standard input to its end, as `sealtail parse` does.
///
/// Records are cut as `FileInput` cuts them; the last line counts without its LF as well. There
/// are no positions: such a reading is not taken up again.
public struct WholeFileReader: ~Copyable {
    /// What event ids call the source of records that are only parsed.
    public static let source = "parse"

    private let file: File
    private let path: String?
    private let clock: any TimeSource
    private var stream: RecordStream
    private var isAtEnd = false

    /// Opens a file; `-` is standard input.
    public init(
        _ path: String, framing: RecordFraming = RecordFraming(),
        clock: any TimeSource = SystemClock()
    ) throws(InputError) {
        let standardInput: Int32 = 0
        if path == "-" {
            file = File(borrowing: standardInput, path: "standard input")
            self.path = nil
        } else {
            do throws(SystemError) {
                file = try File(path)
            } catch {
                throw .system(input: WholeFileReader.source, error)
            }
            self.path = path
        }
        self.clock = clock
        stream = RecordStream(framing: framing)
    }

    /// The next records; nil at the end.
    public mutating func next() throws(InputError) -> RecordBatch? {
        while true {
            if !isAtEnd, !stream.holdsMore { isAtEnd = try fill() == 0 }
            let wasMore = stream.holdsMore
            if let cut = stream.cut(at: isAtEnd ? .flushAll : .hold) {
                var batch = RecordBatch(
                    input: WholeFileReader.source, source: WholeFileReader.source, path: path,
                    observed: clock.now(), bytes: cut.bytes, records: cut.records, positions: [])
                cut.complete(&batch)
                return batch
            }
            if isAtEnd, !wasMore { return nil }
        }
    }

    private mutating func fill() throws(InputError) -> Int {
        do throws(SystemError) {
            return try stream.fill(from: file)
        } catch {
            throw .system(input: WholeFileReader.source, error)
        }
    }
}
