// SPDX-License-Identifier: Apache-2.0
import Events

/// One row of the table of fields: what a field says, and where it goes in every other model.
///
/// This table is the only place that knows. The plans of ECS and OCSF are compiled from it,
/// `sealtail schema` prints it, and docs/schema.md and the content for receivers are made from
/// that. A change of where something goes is a new version of the mapping in `DocumentModel`.
struct FieldMapping: Sendable {
    /// The field of the canonical event.
    let field: Field
    /// What it says, as a clause.
    let meaning: String
    /// The members of an ECS 9.4 document.
    let ecs: [DocumentMember]
    /// The members of an OCSF 1.8 event.
    let ocsf: [DocumentMember]
    /// The fields of Splunk's CIM; `Change.object` holds in that model only.
    let cim: [String]
    /// The attribute of an OpenTelemetry log record, or the member of the record in capitals.
    let otlp: String?
    /// The key of a CEF extension, or the part of the header in words.
    let cef: String?

    init(
        _ field: Field, _ meaning: String, ecs: [DocumentMember] = [],
        ocsf: [DocumentMember] = [], cim: [String] = [], otlp: String? = nil, cef: String? = nil
    ) {
        self.field = field
        self.meaning = meaning
        self.ecs = ecs
        self.ocsf = ocsf
        self.cim = cim
        self.otlp = otlp
        self.cef = cef
    }

    /// All rows, in the order in which people read them.
    static let table: [FieldMapping] =
        [event, provider, error, actor, target, client, source, request].flatMap { $0 }
        + [grant, token, session, change, agent, rest].flatMap { $0 }
}
