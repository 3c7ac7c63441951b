// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Where a record begins and ends in the bytes of a source.
///
/// What a line says is looked for first: where something wrapped it (`wrapper`), that is peeled
/// off, and colours for a terminal do not count.
///
/// Without `recordStart` each line is a record. With it a record begins at each line that the
/// expression finds and goes on to the next such line; a line that is a JSON object from its first
/// byte to its last is a record by itself. JSON that is printed over several lines is one record
/// in both cases.
public struct RecordFraming: Sendable {
    /// What may have wrapped the lines.
    public var wrapper: InputConfiguration.Framing
    /// Finds the first line of a record; nil when each line is one.
    public var recordStart: RegularExpression?
    /// Products whose lines may stand in the source, the most specific first, in place of
    /// `recordStart`: lines are joined as the product of the record demands.
    public var products: [ProductLines] = []
    /// The zone of times that wrappers write without one.
    public var zone = Zone.utc
    /// The most bytes of a record; what is longer is cut and flagged, the rest is left out.
    public var recordByteLimit: Int
    /// The most lines of a joined record; what is longer is cut and flagged.
    public var recordLineLimit: Int
    /// The same of printed JSON.
    public var printedLineLimit = InputLimit.printedLineLimit
    /// A joined record ends when its source is quiet for this long.
    public var joinTimeout: Duration

    /// `joinTimeout` unless it is configured.
    public static let defaultJoinTimeout = Duration.seconds(1)

    /// Describes a framing.
    public init(
        recordStart: RegularExpression? = nil, wrapper: InputConfiguration.Framing = .raw,
        recordByteLimit: Int = InputLimit.defaultRecordByteLimit,
        recordLineLimit: Int = InputLimit.recordLineLimit,
        joinTimeout: Duration = RecordFraming.defaultJoinTimeout
    ) {
        self.recordStart = recordStart
        self.wrapper = wrapper
        self.recordByteLimit = recordByteLimit
        self.recordLineLimit = recordLineLimit
        self.joinTimeout = joinTimeout
    }

    /// Whether what lines say decides about where a record ends.
    var joinsLines: Bool { recordStart != nil || !products.isEmpty }
}

/// Records that were cut out of a source, in a block of their own.
struct CutRecords: Sendable {
    /// The block, with its padding once it is complete.
    var bytes: [UInt8] = []
    /// The records in it.
    var records: [Record] = []
    /// What `RecordBatch` says of them under the same names.
    var hosts: [Range<UInt32>] = []
    var bodies: [Range<UInt32>] = []
    var times: [Timestamp?] = []

    /// Gives a batch what only wrapped records have.
    func complete(_ batch: inout RecordBatch) {
        batch.hosts = hosts
        batch.bodies = bodies
        batch.times = times
    }
}
