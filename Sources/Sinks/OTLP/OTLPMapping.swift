// SPDX-License-Identifier: Apache-2.0
import Events

/// One member of the log record or its resource: where it stands and what it is made of.
struct OTLPRow: Sendable {
    /// Where the value goes.
    let place: OTLPPlace
    /// What the value is.
    let source: OTLPSource
    /// True when the product itself, as the actor, does not count: it is nobody.
    let needsPerson: Bool

    init(_ place: OTLPPlace, _ source: OTLPSource, needsPerson: Bool = false) {
        self.place = place
        self.source = source
        self.needsPerson = needsPerson
    }
}

/// Where a value goes in the data model of OpenTelemetry logs.
enum OTLPPlace: Sendable, Equatable {
    /// `Timestamp`, nanoseconds since 1970.
    case time
    /// `ObservedTimestamp`, nanoseconds since 1970.
    case observed
    /// `SeverityNumber` and `SeverityText`.
    case severity
    /// `EventName`, with `oauth.` in front.
    case eventName
    /// `TraceId`, only of 32 hexadecimal digits that are not all zero.
    case traceID
    /// `Body`.
    case body
    /// `Attributes` of the record, under a name.
    case attribute([UInt8])
    /// `Attributes` of the resource, under a name.
    case resource([UInt8])
    /// `Attributes` of the resource, one for each member of a map, under its own name.
    case resourceMembers
}

/// What a value is.
enum OTLPSource: Sendable, Equatable {
    /// The value of a field: a text, an integer, a truth or a list of texts.
    case field(Field)
    /// The signed line, without its line feed.
    case line
    /// The stream that the event is numbered in.
    case stream
    /// Its number there.
    case sequence
}

/// The mapping to OpenTelemetry logs: what the table of fields says of each, and what only a log
/// record has.
enum OTLPMapping {
    static let rows: [OTLPRow] =
        FieldMapping.table.compactMap { row in
            row.otlp.map { name in
                OTLPRow(
                    place(name), .field(row.field), needsPerson: people.contains(row.field))
            }
        } + ownRows

    private static let ownRows: [OTLPRow] = [
        OTLPRow(.body, .line),
        // A log record belongs to what it speaks of: the provider, not the agent.
        OTLPRow(resource("service.name"), .field(.providerProduct)),
        OTLPRow(resource("service.version"), .field(.providerVersion)),
        OTLPRow(resource("host.name"), .field(.providerHost)),
        // Receivers from before protocol 1.5 leave out EventName without a word.
        OTLPRow(place("oauth.action"), .field(.action)),
        // The proof is in the body: an attribute would only repeat it.
        OTLPRow(place("oauth.integrity.stream"), .stream),
        OTLPRow(place("oauth.integrity.seq"), .sequence),
    ]

    private static let people: Set<Field> = [.actorID, .actorName, .actorEmail]

    /// The place that the table of fields names: a member of the record in capitals, or an
    /// attribute.
    private static func place(_ name: String) -> OTLPPlace {
        switch name {
        case "Timestamp": .time
        case "ObservedTimestamp": .observed
        case "SeverityNumber": .severity
        case "EventName": .eventName
        case "TraceId": .traceID
        case "resource attributes": .resourceMembers
        default: .attribute(Array(name.utf8))
        }
    }

    private static func resource(_ name: String) -> OTLPPlace { .resource(Array(name.utf8)) }

    /// `SeverityNumber`: INFO, INFO2, WARN, ERROR, FATAL of the data model.
    static func severityNumber(_ severity: Severity) -> UInt64 {
        switch severity {
        case .info: 9
        case .low: 10
        case .medium: 13
        case .high: 17
        case .critical: 21
        }
    }
}
