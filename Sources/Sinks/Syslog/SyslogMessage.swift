// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes an event as a message of RFC 5424:
///
///     <PRI>1 TIMESTAMP HOSTNAME sealtail - MSGID STRUCTURED-DATA MSG
///
/// What follows the last space is the event in the sink's format, byte for byte, without a byte
/// order mark: it would stand in front of the signed bytes. One rendering serves one thread.
struct SyslogMessage: ~Copyable {
    private let facility: Int
    private let enterpriseNumber: Int?
    private var rendering: EventRendering
    private var fields = BodyFields()
    private var text: [UInt8] = []

    /// HOSTNAME, RFC 5424 §6.
    static let hostByteLimit = 255
    /// MSGID, RFC 5424 §6.
    static let messageIDByteLimit = 32

    init(_ format: SinkFormat, _ options: SyslogOptions) {
        facility = options.facility.number
        enterpriseNumber = options.enterpriseNumber
        rendering = EventRendering(format, delimiter: options.delimiter)
    }

    /// Appends one message, without a line feed inside it or behind it.
    ///
    /// False, with nothing appended, when the body is not what this agent writes.
    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        let start = output.count
        guard fields.read(batch, event: event), fields.hasRequired else { return false }
        let bytes = batch.bodies.span
        output.append("<")
        let severity = SyslogMessage.number(of: batch.events[event].severity)
        output.append(decimal: Int64(facility * 8 + severity))
        output.append(">1 ")
        append(.time, bytes, SyslogMessage.timeByteLimit, to: &output)
        output.append(" ")
        if fields.range(of: .providerHost) != nil {
            append(.providerHost, bytes, SyslogMessage.hostByteLimit, to: &output)
        } else {
            text = Array(batch.agentName.utf8)
            appendHeaderText(SyslogMessage.hostByteLimit, to: &output)
        }
        output.append(" sealtail - ")
        append(.action, bytes, SyslogMessage.messageIDByteLimit, to: &output)
        output.append(" ")
        appendStructuredData(batch, event: event, to: &output)
        output.append(" ")
        guard rendering.append(batch, event: event, to: &output) else {
            output.truncate(to: start)
            return false
        }
        output.truncate(to: output.count - 1)
        return true
    }

    private static let timeByteLimit = Timestamp.textByteCount

    /// RFC 5424 §6.2.1: 6 informational, 5 notice, 4 warning, 3 error, 2 critical.
    static func number(of severity: Severity) -> Int {
        switch severity {
        case .info: 6
        case .low: 5
        case .medium: 4
        case .high: 3
        case .critical: 2
        }
    }

    private mutating func append(
        _ field: Field, _ bytes: Span<UInt8>, _ limit: Int, to output: inout ByteWriter
    ) {
        text.removeAll(keepingCapacity: true)
        if let range = fields.range(of: field) {
            JSONString.append(bytes.extracting(range), to: &text)
        }
        appendHeaderText(limit, to: &output)
    }

    /// Appends `text` as 1*limit PRINTUSASCII: `_` for what is not, `-` where there is nothing.
    private func appendHeaderText(_ limit: Int, to output: inout ByteWriter) {
        if text.isEmpty { output.append("-") }
        for byte in text.prefix(limit) {
            output.append(byte > 0x20 && byte < 0x7F ? byte : UInt8(ascii: "_"))
        }
    }

    private mutating func appendStructuredData(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) {
        guard let enterpriseNumber else { return output.append("-") }
        output.append("[sealtail@")
        output.append(decimal: Int64(enterpriseNumber))
        output.append(" id=\"")
        text.removeAll(keepingCapacity: true)
        if let range = fields.range(of: .id) {
            JSONString.append(batch.bodies.span.extracting(range), to: &text)
        }
        appendParameter(to: &output)
        output.append("\" stream=\"")
        text = Array(batch.stream.utf8)
        appendParameter(to: &output)
        output.append("\" seq=\"")
        output.append(decimal: batch.firstSequence + UInt64(event))
        output.append("\"]")
    }

    /// Appends `text` as a PARAM-VALUE, RFC 5424 §6.3.3; control characters become spaces.
    private func appendParameter(to output: inout ByteWriter) {
        for byte in text {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                || byte == UInt8(ascii: "]")
            {
                output.append(UInt8(ascii: "\\"))
            }
            output.append(byte < 0x20 || byte == 0x7F ? 0x20 : byte)
        }
    }
}
