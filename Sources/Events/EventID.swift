// SPDX-License-Identifier: Apache-2.0
import Platform

/// Makes the deterministic `id` of events: the same record at the same place gives the same id.
///
/// One maker serves one thread.
public struct EventIDMaker: ~Copyable {
    private let hasher = SHA256Hasher()
    private let agentName: String
    private var writer = ByteWriter(capacity: 256)
    private var prefixByteCount = 0
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
            writer.removeAll()
            writer.append("sealtail-id/v1\n")
            writer.append(agentName)
            writer.append("\n")
            writer.append(source)
            writer.append("\n")
            prefixByteCount = writer.count
            self.source = source
        }
        writer.truncate(to: prefixByteCount)
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
        let digest = writer.withBytes { hasher.digest($0) }
        output.append(hex: digest, byteCount: EventIDMaker.textByteCount / 2)
    }
}
