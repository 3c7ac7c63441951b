// SPDX-License-Identifier: Apache-2.0
import Platform

/// Where a record begins and ends in the bytes of a source.
///
/// Without `recordStart` each line is a record. With it a record begins at each line that the
/// expression finds and goes on to the next such line; a line that is a JSON object from its first
/// byte to its last is a record by itself.
public struct RecordFraming: Sendable {
    /// Finds the first line of a record; nil when each line is one.
    public var recordStart: RegularExpression?
    /// The most bytes of a record; what is longer is cut and flagged, the rest is left out.
    public var recordByteLimit: Int
    /// The most lines of a joined record; what is longer is cut and flagged.
    public var recordLineLimit: Int
    /// A joined record ends when its source is quiet for this long.
    public var joinTimeout: Duration

    /// `joinTimeout` unless it is configured.
    public static let defaultJoinTimeout = Duration.seconds(1)

    /// Describes a framing.
    public init(
        recordStart: RegularExpression? = nil,
        recordByteLimit: Int = InputLimit.defaultRecordByteLimit,
        recordLineLimit: Int = InputLimit.recordLineLimit,
        joinTimeout: Duration = RecordFraming.defaultJoinTimeout
    ) {
        self.recordStart = recordStart
        self.recordByteLimit = recordByteLimit
        self.recordLineLimit = recordLineLimit
        self.joinTimeout = joinTimeout
    }
}
