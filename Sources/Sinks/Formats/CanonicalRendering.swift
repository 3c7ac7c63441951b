// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes the signed line: the body with its `integrity` as the last member.
///
/// One rendering serves one thread.
public struct CanonicalRendering: ~Copyable {
    private var integrity = IntegrityWriter()

    /// Makes a rendering.
    public init() {}

    /// Appends the line of one event and an LF.
    ///
    /// False, with nothing appended, when the body does not end as a JSON object does.
    public mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        let range = batch.bodyRange(event)
        guard range.count >= 2, batch.bodies[range.upperBound - 1] == UInt8(ascii: "}") else {
            return false
        }
        output.append(batch.bodies, range.lowerBound..<range.upperBound - 1)
        output.append(range.count > 2 ? ",\"integrity\":" : "\"integrity\":")
        integrity.append(batch, event: event, to: &output)
        output.append("}\n")
        return true
    }
}
