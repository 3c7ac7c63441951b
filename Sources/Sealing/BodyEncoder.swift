// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Turns canonical events into the bytes that are signed, with their ids and leaf hashes.
///
/// Nothing here depends on numbers or on other batches, so each parse worker has an encoder of its
/// own and one body has one leaf hash wherever it is sealed.
public struct BodyEncoder: ~Copyable {
    private var ids: EventIDMaker
    private var encoder = CanonicalEncoder()
    private let keepsTenants: Bool
    private var bodies = ByteWriter(capacity: 256 * 1024)
    private var id = ByteWriter(capacity: EventIDMaker.textByteCount)

    /// Encodes for the agent of this name.
    ///
    /// - Parameter tenants: keeps `provider.tenant` of each event beside it, for filters.
    public init(agentName: String, tenants: Bool) {
        ids = EventIDMaker(agentName: agentName)
        keepsTenants = tenants
    }

    /// Encodes all events of a batch, in order.
    public mutating func encode(_ batch: consuming EventBatch) -> EncodedBatch {
        bodies.removeAll()
        encoder.forgetPlaces()
        let cutsBefore = encoder.cutCount
        var events: [EncodedEvent] = []
        events.reserveCapacity(batch.events.count)
        var tenants: [String?] = []
        if keepsTenants { tenants.reserveCapacity(batch.events.count) }
        var idText = [UInt8](repeating: 0, count: EventIDMaker.textByteCount)
        var record = -1
        var checksum: UInt32 = 0
        let isNamedByOffset = batch.records.naming == .offset
        for index in batch.events.indices {
            let event = batch.events[index]
            if event.record != record {
                record = event.record
                let range = batch.records.records[record].range
                checksum = CRC32C.checksum(batch.records.bytes.span.extracting(range))
            }
            id.removeAll()
            if isNamedByOffset {
                ids.append(
                    source: batch.records.source,
                    position: batch.records.records[record].offset,
                    ordinal: event.ordinal, checksum: checksum, to: &id)
            } else {
                appendNamedID(event, batch, checksum)
            }
            id.withBytes { for index in 0..<$0.count { idText[index] = $0[index] } }
            let start = bodies.count
            encoder.encode(event, in: batch, id: idText, to: &bodies)
            let leaf = bodies.withBytes {
                SHA256.leaf($0.extracting(start..<$0.count))
            }
            events.append(
                EncodedEvent(
                    end: bodies.count, leaf: leaf, action: event.action, outcome: event.outcome,
                    severity: event.severity, errorCode: event.errorCode))
            if keepsTenants { tenants.append(BodyEncoder.tenant(event, batch)) }
        }
        var tally = batch.tally
        tally.cuts += encoder.cutCount - cutsBefore
        var encoded = EncodedBatch(
            input: batch.records.input, parser: batch.parser, bodies: bodies.makeArray(),
            events: events, tenants: tenants, positions: batch.records.positions, tally: tally)
        encoded.places = encoder.places
        encoded.losses = batch.records.losses
        encoded.forgotten = batch.records.forgotten
        return encoded
    }

    /// The id of an event whose record has a name of its own.
    private mutating func appendNamedID(
        _ event: Event, _ batch: borrowing EventBatch, _ checksum: UInt32
    ) {
        let records = batch.records
        switch records.naming {
        case .cursors(let cursors):
            return ids.append(
                source: records.source, position: cursors[event.record],
                ordinal: event.ordinal, checksum: checksum, to: &id)
        case .eventIDs(let source):
            guard let own = BodyEncoder.text(of: .providerEventID, event, batch) else { break }
            return ids.append(
                source: source, position: own, ordinal: event.ordinal, checksum: checksum,
                to: &id)
        case .offset: break
        }
        ids.append(
            source: records.source, position: records.records[event.record].offset,
            ordinal: event.ordinal, checksum: checksum, to: &id)
    }

    private static func tenant(_ event: Event, _ batch: borrowing EventBatch) -> String? {
        text(of: .providerTenant, event, batch)
    }

    private static func text(
        of field: Field, _ event: Event, _ batch: borrowing EventBatch
    ) -> String? {
        for index in event.values {
            let value = batch.values[index]
            guard value.field == field else { continue }
            switch value.form {
            case .block: return text(batch.records.bytes, value.range)
            case .scratch: return text(batch.scratch, value.range)
            case .constant: return text(batch.constants, value.range)
            case .word, .integer, .boolean, .time, .set, .map: return nil
            }
        }
        return nil
    }

    private static func text(_ bytes: [UInt8], _ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }
}
