// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes events as an `ExportLogsServiceRequest` of OTLP, as `OTLPMapping` says.
///
/// Neighbours with the same resource stand in one `ResourceLogs`; order is kept. One rendering
/// serves one thread.
struct OTLPRendering: ~Copyable {
    private var fields = BodyFields()
    private var canonical = CanonicalRendering()
    // The fields 2 of the `ScopeLogs` that is open, one for each record.
    private var records = ByteWriter(capacity: 1 << 20)
    private var resource = ByteWriter()
    private var openResource: [UInt8] = []
    private var record = ByteWriter(capacity: 1 << 13)
    private var value = ByteWriter(capacity: 1 << 13)
    private var text = ByteWriter(capacity: 1 << 13)
    private let scope: [UInt8]
    private let rows = OTLPMapping.rows

    /// Makes a rendering.
    init() {
        var scope = ByteWriter()
        scope.append(field: 1, "sealtail")
        scope.append(field: 2, sealtailVersion)
        self.scope = scope.makeArray()
    }

    /// Appends one event to the request that `output` holds the beginning of.
    ///
    /// False, with nothing appended, when the body is not in the form that this agent writes.
    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        record.removeAll()
        resource.removeAll()
        guard fields.read(batch, event: event), fields.hasRequired else { return false }
        let isProduct = isProduct(batch.bodies.span)
        for row in rows where !(isProduct && row.needsPerson) {
            guard write(row, batch, event) else { return false }
        }
        // Bound here: the closure must not reach for the whole rendering.
        let isSame = resource.withBytes { ByteSearch.equal($0, openResource.span) }
        if !isSame || records.count == 0 {
            finish(&output)
            openResource = resource.makeArray()
        }
        records.append(field: 2, record)
        return true
    }

    /// Writes what is open; then `output` holds a whole request.
    mutating func finish(_ output: inout ByteWriter) {
        guard records.count > 0 else { return }
        let scopeByteCount = Protobuf.byteCount(field: scope.count) + records.count
        let byteCount =
            Protobuf.byteCount(field: openResource.count)
            + Protobuf.byteCount(field: scopeByteCount)
        output.append(field: 1, byteCount: byteCount)
        output.append(field: 1, byteCount: openResource.count)
        output.append(openResource)
        output.append(field: 2, byteCount: scopeByteCount)
        output.append(field: 1, byteCount: scope.count)
        output.append(scope)
        records.withBytes { output.append($0) }
        records.removeAll()
    }

    private static func severity(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Severity? {
        for severity in Severity.allCases {
            let word = severities[Int(severity.rawValue)]
            if ByteSearch.equal(bytes, range, word.span) { return severity }
        }
        return nil
    }

    private func isProduct(_ bytes: Span<UInt8>) -> Bool {
        guard let range = fields.range(of: .actorType) else { return false }
        return ByteSearch.equal(bytes, range, OTLPRendering.system.span)
    }

    private static let system = Array("\"system\"".utf8)
    private static let severities = Severity.allCases.map { Array("\"\($0.word)\"".utf8) }
    private static let eventPrefix: StaticString = "oauth."

    // MARK: One row

    private mutating func write(
        _ row: OTLPRow, _ batch: borrowing SealedBatch, _ event: Int
    ) -> Bool {
        value.removeAll()
        switch row.source {
        case .field(let field):
            guard let range = fields.range(of: field) else { return true }
            return write(row.place, batch.bodies.span, range)
        case .line:
            text.removeAll()
            guard canonical.append(batch, event: event, to: &text) else { return false }
            text.truncate(to: text.count - 1)
            value.append(field: 1, text)
        case .stream: value.append(field: 1, batch.stream)
        case .sequence: value.append(field: 3, varint: batch.firstSequence + UInt64(event))
        }
        place(row.place)
        return true
    }

    private mutating func write(
        _ place: OTLPPlace, _ bytes: Span<UInt8>, _ range: Range<Int>
    ) -> Bool {
        switch place {
        case .time, .observed:
            guard let moment = BodyText.time(bytes, range) else { return false }
            record.append(
                field: place == .time ? 1 : 11, fixed: OTLPRendering.nanoseconds(moment))
        case .severity:
            text.removeAll()
            guard let found = OTLPRendering.severity(bytes, range),
                text.append(textOf: bytes, range)
            else { return false }
            record.append(field: 2, varint: OTLPMapping.severityNumber(found))
            record.append(field: 3, text)
        case .eventName:
            text.removeAll()
            text.append(OTLPRendering.eventPrefix)
            guard text.append(textOf: bytes, range) else { return false }
            record.append(field: 12, text)
        case .traceID:
            // Anything else is in the body only: OTLP takes sixteen bytes that are not all zero.
            guard range.count == 34,
                let trace = Hex.decode(
                    bytes.extracting(range.lowerBound + 1..<range.upperBound - 1)),
                trace.contains(where: { $0 != 0 })
            else { return true }
            record.append(field: 9, byteCount: trace.count)
            record.append(trace)
        case .resourceMembers:
            return writeMembers(bytes, range)
        case .body, .attribute, .resource:
            guard writeValue(bytes, range) else { return false }
            self.place(place)
        }
        return true
    }

    /// Puts `value`, an `AnyValue`, where it belongs.
    private mutating func place(_ place: OTLPPlace) {
        switch place {
        case .body: record.append(field: 5, value)
        case .attribute(let key):
            OTLPRendering.append(6, key, value, to: &record)
        case .resource(let key):
            OTLPRendering.append(1, key, value, to: &resource)
        case .time, .observed, .severity, .eventName, .traceID, .resourceMembers:
            bug("a member of the log record that takes no value of any kind")
        }
    }

    /// Appends a `KeyValue`.
    private static func append(
        _ number: UInt8, _ key: [UInt8], _ value: borrowing ByteWriter,
        to output: inout ByteWriter
    ) {
        output.append(
            field: number,
            byteCount: Protobuf.byteCount(field: key.count)
                + Protobuf.byteCount(field: value.count))
        output.append(field: 1, byteCount: key.count)
        output.append(key)
        output.append(field: 2, value)
    }

    // MARK: Values

    /// Writes a value of the body into `value`, as the `AnyValue` that says the same.
    private mutating func writeValue(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        switch bytes[range.lowerBound] {
        case UInt8(ascii: "\""):
            text.removeAll()
            guard text.append(textOf: bytes, range) else { return false }
            value.append(field: 1, text)
        case UInt8(ascii: "["):
            guard writeList(bytes, range) else { return false }
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            value.append(field: 2, varint: bytes[range.lowerBound] == UInt8(ascii: "t") ? 1 : 0)
        default:
            guard let number = BodyText.integer(bytes, range) else { return false }
            value.append(field: 3, varint: UInt64(bitPattern: number))
        }
        return true
    }

    private mutating func writeList(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var list = ByteWriter()
        let isList = BodyText.forEachText(bytes, range) { range in
            text.removeAll()
            guard text.append(textOf: bytes, range) else { return false }
            list.append(field: 1, byteCount: Protobuf.byteCount(field: text.count))
            list.append(field: 1, text)
            return true
        }
        guard isList else { return false }
        value.append(field: 5, list)
        return true
    }

    private mutating func writeMembers(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        BodyText.forEachMember(bytes, range) { name, range in
            var pair = ByteWriter()
            text.removeAll()
            guard text.append(textOf: bytes, name) else { return false }
            pair.append(field: 1, text)
            text.removeAll()
            guard text.append(textOf: bytes, range) else { return false }
            pair.append(field: 2, byteCount: Protobuf.byteCount(field: text.count))
            pair.append(field: 1, text)
            resource.append(field: 1, pair)
            return true
        }
    }

    // Nanoseconds that no signed 64 bits can say become 0, which OTLP reads as unknown: decoders
    // use either sign. The body has the moment.
    private static func nanoseconds(_ moment: Timestamp) -> UInt64 {
        let (product, overflow) = moment.microseconds.multipliedReportingOverflow(by: 1000)
        return overflow || product < 0 ? 0 : UInt64(product)
    }
}
