// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Writes events in the format that a sink is configured for.
///
/// One rendering serves one thread.
public struct EventRendering: ~Copyable {
    /// The format it writes.
    public let format: SinkFormat
    private var canonical = CanonicalRendering()
    // Only where the format maps the event to another model.
    private var document: DocumentRendering?
    // Only where the format is a list of keys and values.
    private var pairs: PairRendering?
    private var fields = BodyFields()

    /// A line that some sinks write before each event, around the event's id as a JSON string.
    struct IDLine {
        var prefix: [UInt8]
        var suffix: [UInt8]

        /// False, with nothing appended, when the body has no id.
        func append(
            _ fields: borrowing BodyFields, _ bytes: Span<UInt8>, to output: inout ByteWriter
        ) -> Bool {
            guard let id = fields.range(of: .id) else { return false }
            output.append(prefix)
            output.append(bytes.extracting(id))
            output.append(suffix)
            return true
        }
    }

    /// Makes a rendering; `index` is the data stream that ECS documents name.
    public init(_ format: SinkFormat, index: String = SinkLimit.defaultIndex) {
        self.init(format, index: index, delimiter: LEEFMapping.defaultDelimiter)
    }

    /// Makes a rendering; `delimiter` stands between the attributes of LEEF.
    init(
        _ format: SinkFormat, index: String = SinkLimit.defaultIndex, delimiter: UInt8
    ) {
        self.format = format
        switch format {
        case .canonical: break
        case .ecs: document = .ecs(dataStream: index)
        case .ocsf: document = .ocsf()
        case .cef: pairs = PairRendering(CEFMapping.mapping)
        case .leef: pairs = PairRendering(LEEFMapping.mapping(delimiter: delimiter))
        }
    }

    /// Appends one event as a line with its LF.
    ///
    /// False, with nothing appended, when the body is not what this agent writes.
    public mutating func append(
        _ batch: borrowing SealedBatch, event: Int, to output: inout ByteWriter
    ) -> Bool {
        switch format {
        case .canonical:
            return canonical.append(batch, event: event, to: &output)
        case .ecs, .ocsf:
            return appendDocument(batch, event, nil, to: &output)
        case .cef, .leef:
            guard pairs?.append(batch, event: event, to: &output) == true else { return false }
            output.append(UInt8(ascii: "\n"))
            return true
        }
    }

    /// Appends each event of a batch as a line; answers with those that cannot be written.
    mutating func append(_ batch: DeliveryBatch, to output: inout ByteWriter) -> [Rejection] {
        var rejections: [Rejection] = []
        batch.forEach { index, sealed, event in
            if !append(sealed, event: event, to: &output) {
                rejections.append(.unrenderable(index))
            }
        }
        return rejections
    }

    /// Appends a line around the event's id, then the event as a line with its LF.
    mutating func append(
        _ batch: borrowing SealedBatch, event: Int, idLine: IDLine, to output: inout ByteWriter
    ) -> Bool {
        switch format {
        case .canonical, .cef, .leef:
            let start = output.count
            guard fields.read(batch, event: event),
                idLine.append(fields, batch.bodies.span, to: &output),
                append(batch, event: event, to: &output)
            else {
                output.truncate(to: start)
                return false
            }
            return true
        case .ecs, .ocsf:
            return appendDocument(batch, event, idLine, to: &output)
        }
    }

    private mutating func appendDocument(
        _ batch: borrowing SealedBatch, _ event: Int, _ idLine: IDLine?,
        to output: inout ByteWriter
    ) -> Bool {
        guard document?.append(batch, event: event, idLine: idLine, to: &output) == true else {
            return false
        }
        output.append(UInt8(ascii: "\n"))
        return true
    }
}
