// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Cuts what comes out of a descriptor, in order and once, into records.
///
/// What is not a whole record yet is carried over to the next block.
struct RecordStream: ~Copyable {
    private var splitter: RecordSplitter
    private var skip = RecordSplitter.Skip.nothing
    private var carried: [UInt8] = []
    private var origin: UInt64 = 0
    private var fillByteCount = InputLimit.blockByteCount

    /// True when the bytes at hand hold more records than a batch does.
    private(set) var holdsMore = false
    /// True while whole lines of a record wait for the line that shows their end.
    var isJoining: Bool { splitter.isJoining }

    init(framing: RecordFraming) {
        splitter = RecordSplitter(framing)
    }

    /// Reads what is there, at most a block, and says how many bytes came: 0 at the end.
    mutating func fill(from file: File) throws(SystemError) -> Int {
        carried.reserveCapacity(
            carried.count + fillByteCount + RecordBatch.paddingByteCount)
        return try file.appendNext(to: &carried, count: fillByteCount)
    }

    /// Takes the records out of the bytes at hand; nil when there is none.
    mutating func cut(at ending: RecordSplitter.End) -> CutRecords? {
        var block = take()
        let origin = origin
        var skip = skip
        splitter.split(block.span, from: 0, origin: origin, skip: &skip, at: ending)
        self.skip = skip
        holdsMore = splitter.hasMore
        let end = splitter.end
        // A long record is shown again with twice as much, not with one more block each time.
        fillByteCount =
            end > 0
            ? InputLimit.blockByteCount : max(InputLimit.blockByteCount, block.count)
        guard end > 0 else {
            carried = block
            return nil
        }
        self.origin += UInt64(end)
        carried = Array(block[end...])
        guard !splitter.records.isEmpty else { return nil }
        return splitter.take(from: &block)
    }

    /// Moves the bytes at hand out, so that no second reference makes a change copy them.
    private mutating func take() -> [UInt8] {
        let block = carried
        carried = []
        return block
    }
}
