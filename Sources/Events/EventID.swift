// SPDX-License-Identifier: Apache-2.0
import Platform

/// Makes the deterministic `id` of events: the same record at the same place gives the same id.
///
/// One maker serves one thread.
public struct EventIDMaker: ~Copyable {
    private let agentName: String
    private var writer = ByteWriter(capacity: 64)
    /// A message that holds all up to the position.
    private var beginning = SHA256()
    private var source: String?

    /// The hexadecimal digits of an id.
    public static let textByteCount = 32

    /// Makes ids for the agent of this name.
    public init(agentName: String) {
        self.agentName = agentName
    }

    /// Appends the id as 32 hexadecimal digits.
    ///
    /// - Parameters:
    ///   - source: what names the source of the record (a file key, a stream).
    ///   - position: the record's place in the source.
    ///   - ordinal: which event of its record it is, from 0.
    ///   - checksum: CRC32C of the record's raw bytes.
    public mutating func append(
        source: String, position: UInt64, ordinal: Int, checksum: UInt32,
        to output: inout ByteWriter
    ) {
        begin(source)
        writer.append(decimal: position)
        finish(ordinal, checksum, to: &output)
    }

    /// The same for a record whose place is a text.
    public mutating func append(
        source: String, position: String, ordinal: Int, checksum: UInt32,
        to output: inout ByteWriter
    ) {
        begin(source)
        writer.append(position)
        finish(ordinal, checksum, to: &output)
    }

    private mutating func begin(_ source: String) {
        if source != self.source {
            beginning = SHA256()
            beginning.update(Array("sealtail-id/v1\n\(agentName)\n\(source)\n".utf8).span)
            self.source = source
        }
        writer.removeAll()
    }

    private mutating func finish(
        _ ordinal: Int, _ checksum: UInt32, to output: inout ByteWriter
    ) {
        writer.append("\n")
        writer.append(decimal: Int64(ordinal))
        writer.append("\n")
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            writer.append(hex: UInt8(truncatingIfNeeded: checksum >> shift))
        }
        var state = beginning
        writer.withBytes { state.update($0) }
        output.append(hex: state.finish(), byteCount: EventIDMaker.textByteCount / 2)
    }
}
