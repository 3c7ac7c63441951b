// SPDX-License-Identifier: Apache-2.0
import Events

/// A model that events are mapped to: its column of the table of fields, and what every document
/// of it has besides.
struct DocumentModel: Sendable {
    /// The version of the mapping, so that `verify` can run the same mapping again.
    let version: String
    /// Where the document says that version.
    let versionPath: String
    /// Where it carries the integrity, without which the signed bytes prove nothing.
    let integrityPath: String
    /// Where it repeats the number in the stream.
    let sequencePath: String
    /// Members that say where a document went and not what happened.
    let unsignedPaths: Set<String>
    /// The classes of events, each of which has a plan of its own; empty where there are none.
    let classes: [OCSFClass]
    /// What comes before the members of the table: constants, and empty places, which only say in
    /// which order the members with these paths are written.
    let head: [DocumentPlace]
    /// What comes behind them in its object.
    let tail: [DocumentMember]
    /// The members of a row of the table.
    let members: @Sendable (FieldMapping) -> [DocumentMember]
}

/// A place in the order of a document.
enum DocumentPlace: Sendable, ExpressibleByStringLiteral {
    /// Members of the table with this path, or below it, stand here.
    case path(String)
    /// This member stands here.
    case member(DocumentMember)

    init(stringLiteral path: String) { self = .path(path) }

    static func constant(_ path: String, _ value: String) -> DocumentPlace {
        .member(.constant(path, value))
    }
}

extension DocumentModel {
    /// The Elastic Common Schema 9.4, with what it has no name for under `oauth`.
    ///
    /// - Parameter dataStream: `type-dataset-namespace`. A name that is not of this form is an
    ///   index of its own, and documents name no data stream.
    static func ecs(dataStream: String = SinkLimit.defaultIndex) -> DocumentModel {
        let stream = DocumentModel.members(ofDataStream: dataStream)
        return DocumentModel(
            version: "1", versionPath: "oauth.mapping", integrityPath: "integrity",
            sequencePath: "event.sequence",
            unsignedPaths: [
                "data_stream.type", "data_stream.dataset", "data_stream.namespace",
            ],
            classes: [],
            head: [
                .constant("ecs.version", "\"9.4.0\""), "@timestamp",
                "event.created", "event.id", .constant("event.kind", "\"event\""), "error",
                stream.map { .constant("data_stream", $0) } ?? "data_stream",
                "observer", "organization", "service",
                "user.id", "user.name", "user.email", "user.hash", "user.target",
                "group", "source", "user_agent", "device", "http", "url", "trace",
                "related", "labels",
                "oauth.grant", "oauth.token", "oauth.scope", "oauth.session", "oauth.auth",
                "oauth.change", "oauth.target", "oauth.issuer", "oauth.endpoint",
                "oauth.redirect_uri", "oauth.resource", "oauth.client_auth", "oauth.actor_type",
                "oauth.outcome",
            ],
            tail: [
                .constant("event.module", "\"oauth\""),
                .constant("event.dataset", "\"oauth.audit\""),
                .at("event.original", .signedBytes), .at("event.hash", .leaf),
                .at("event.sequence", .sequence, when: [.isSealed]),
                .constant("observer.type", "\"idp\""),
                .constant("oauth.mapping", "\"1\""),
                .constant("tags", "[\"preserve_original_event\"]"),
                .at("integrity", .integrity, when: [.isSealed]),
            ],
            members: \.ecs)
    }

    /// The Open Cybersecurity Schema Framework 1.8, with what it has no name for in `unmapped`.
    ///
    /// What a class requires is always there: `unknown` stands where nobody is named.
    static let ocsf = DocumentModel(
        version: "1", versionPath: "unmapped.mapping", integrityPath: "unmapped.integrity",
        sequencePath: "metadata.sequence", unsignedPaths: [], classes: OCSFClass.allCases,
        head: [
            "category_uid", "class_uid", "activity_id", "type_uid", "severity_id", "severity",
            "time", "time_dt", .constant("timezone_offset", "0"), "status_id", "status",
            "status_code", "status_detail", "activity_name",
            .constant("metadata.version", "\"1.8.0\""), "metadata.uid",
            "metadata.product.name",
            "src_endpoint", "actor", "http_request", "http_response", "api", "user",
            "auth_protocol_id", "auth_protocol", "dst_endpoint", "service", "session",
            "auth_factors", "is_mfa", "is_remote", "account_switch_type_id",
            "account_switch_type", "entity", "group", "privileges", "resources[]", "resources",
            // It ends in the integrity, which must be the last of all.
            "unmapped",
        ],
        tail: DocumentModel.ocsfConstants + [
            .at("metadata.sequence", .sequence, when: [.isSealed]),
            .constant("unmapped.mapping", "\"1\""),
            .at("unmapped.signed_event", .signedBytes),
            .at("unmapped.integrity", .integrity, when: [.isSealed]),
        ],
        members: \.ocsf)

    private static let ocsfConstants: [DocumentMember] = [
        .constant("metadata.profiles", "[\"datetime\"]"),
        .constant("src_endpoint.svc_name", "\"unknown\"", without: [.sourceIP, .clientID]),
        .constant("actor.user.name", "\"unknown\"", when: [.actorIsUnknown]),
        .constant("actor.user.type_id", "0", when: [.actorIsUnknown], without: [.actorType]),
        .constant("actor.user.type", "\"Unknown\"", when: [.actorIsUnknown], without: [.actorType]),
        .constant("user.type_id", "4", in: FieldMapping.users, when: [.userIsClient]),
        .constant("user.type", "\"Service\"", in: FieldMapping.users, when: [.userIsClient]),
        .constant("user.name", "\"unknown\"", in: FieldMapping.users, when: [.userIsUnknown]),
        .constant("user.type_id", "0", in: FieldMapping.users, when: [.userIsUnknown]),
        .constant("user.type", "\"Unknown\"", in: FieldMapping.users, when: [.userIsUnknown]),
        .constant(
            "account_switch_type_id", "2", in: [.authentication], when: [.isImpersonation]),
        .constant(
            "account_switch_type", "\"Impersonate\"", in: [.authentication],
            when: [.isImpersonation]),
        .constant("auth_protocol_id", "4", in: [.authentication], unless: [.isPlainOAuth]),
        .constant(
            "auth_protocol", "\"OpenID\"", in: [.authentication], unless: [.isPlainOAuth]),
        .constant("auth_protocol_id", "6", in: [.authentication], when: [.isPlainOAuth]),
        .constant(
            "auth_protocol", "\"OAUTH 2.0\"", in: [.authentication], when: [.isPlainOAuth]),
        .constant("is_mfa", "true", in: [.authentication], when: [.isMultiFactor]),
        .constant("is_mfa", "false", in: [.authentication], when: [.isSingleFactor]),
        .constant("is_remote", "true", in: [.authentication]),
        .constant("entity.type_id", "99", in: FieldMapping.entities, when: [.entityIsClient]),
        .constant("entity.type", "\"client\"", in: FieldMapping.entities, when: [.entityIsClient]),
        .constant(
            "entity.name", "\"unknown\"", in: FieldMapping.entities, when: [.entityIsUnknown]),
        .constant("entity.type_id", "0", in: FieldMapping.entities, when: [.entityIsUnknown]),
        .constant(
            "entity.type", "\"Unknown\"", in: FieldMapping.entities, when: [.entityIsUnknown]),
        .constant("group.name", "\"unknown\"", in: [.groupManagement], when: [.groupIsUnknown]),
        .constant("privileges", "[\"unknown\"]", in: [.userAccess], when: [.privilegesAreUnknown]),
        .constant("resources[].type", "\"oauth_client\"", in: [.userAccess], when: [.hasResource]),
    ]

    private static func members(ofDataStream name: String) -> String? {
        let parts = name.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        let members = zip(["type", "dataset", "namespace"], parts).map { "\"\($0)\":\"\($1)\"" }
        return "{" + members.joined(separator: ",") + "}"
    }
}
