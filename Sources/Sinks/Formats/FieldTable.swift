// SPDX-License-Identifier: Apache-2.0
import Events

// The rows on what happened, how it ended, and who reported it.
extension FieldMapping {
    static let event: [FieldMapping] = [
        .init(
            .time, "when it happened, by the provider's clock",
            ecs: [.at("@timestamp")],
            ocsf: [.at("time", .milliseconds), .at("time_dt")],
            cim: ["_time"], otlp: "Timestamp", cef: "rt"),
        .init(
            .observed, "when the agent read it",
            ecs: [.at("event.created")],
            ocsf: [.at("metadata.processed_time", .milliseconds)],
            otlp: "ObservedTimestamp", cef: "deviceCustomDate1"),
        .init(
            .id, "the same each time the same record is read, so that a repeat is known as one",
            ecs: [.at("event.id")], ocsf: [.at("metadata.uid")],
            cim: ["event_id"], otlp: "event.id", cef: "externalId"),
        .init(
            .action, "what happened, from a closed list",
            ecs: [
                .at("event.category", .byAction { list($0.ecsCategories) }),
                .at("event.type", .byAction { list($0.ecsTypes) }),
                .at("event.action"),
            ],
            ocsf: [
                .at("category_uid", .byAction { "\($0.ocsfClass.category)" }),
                .at("class_uid", .byAction { "\($0.ocsfClass.rawValue)" }),
                .at("activity_id", .byAction { "\($0.ocsfActivity)" }),
                .at(
                    "type_uid",
                    .byAction { "\(Int($0.ocsfClass.rawValue) * 100 + Int($0.ocsfActivity))" }),
                .at("activity_name", when: [.activityIsOther]),
                .at("api.operation", in: [.apiActivity]),
                .at("unmapped.action"),
            ],
            cim: ["signature", "Change.command"], otlp: "EventName", cef: "name"),
        .init(
            .outcome, "how it ended; the name of the action fixes it, as a rule",
            ecs: [
                // ECS has no word for a refusal.
                .at("event.outcome", .byOutcome { quoted($0 == .denied ? "failure" : $0.word) }),
                .at("oauth.outcome"),
            ],
            ocsf: [
                .at("status_id", .byOutcome { OCSFWords.status($0).id }),
                .at("status", .byOutcome { OCSFWords.status($0).caption }),
            ],
            cim: ["Authentication.action", "Change.status"], otlp: "oauth.outcome",
            cef: "outcome"),
        .init(
            .severity, "how much attention it deserves",
            ecs: [.at("event.severity", .bySeverity { "\($0.rawValue + 1)" })],
            ocsf: [
                .at("severity_id", .bySeverity { "\($0.rawValue + 1)" }),
                .at("severity", .bySeverity { OCSFWords.caption($0) }),
            ],
            cim: ["severity"], otlp: "SeverityNumber", cef: "severity"),
        .init(.schema, "the version of this schema"),
    ]

    static let provider: [FieldMapping] = [
        .init(
            .providerEvent, "the provider's own word for it",
            ecs: [.at("event.code")], ocsf: [.at("metadata.event_code")],
            cim: ["signature_id"], otlp: "oauth.provider.event", cef: "cat"),
        .init(
            .providerEventID, "the provider's own id of it",
            ocsf: [.at("metadata.original_event_uid")], otlp: "oauth.provider.event_id"),
        .init(
            .providerVendor, "who makes the provider",
            ecs: [.at("observer.vendor")], ocsf: [.at("metadata.product.vendor_name")],
            cim: ["vendor_product"], otlp: "oauth.provider.vendor"),
        .init(
            .providerProduct, "which provider it is",
            ecs: [.at("event.provider"), .at("observer.product")],
            ocsf: [
                .at("metadata.product.name"),
                .at("actor.idp.name"),
                // One of the two must be there: the service, or the host that was logged on to.
                .at(
                    "service.name", in: [.authentication],
                    without: [.clientID, .clientName, .providerHost]),
            ],
            cim: ["vendor_product"], otlp: "oauth.provider.product", cef: "destinationServiceName"),
        .init(
            .providerVersion, "its version",
            ecs: [.at("observer.version")], ocsf: [.at("metadata.product.version")],
            otlp: "oauth.provider.version"),
        .init(
            .providerHost, "the host that logged it",
            ecs: [.at("observer.hostname")],
            ocsf: [.at("dst_endpoint.hostname", in: [.authentication, .apiActivity])],
            cim: ["dest", "dvc"], otlp: "oauth.provider.host", cef: "dvchost"),
        .init(
            .providerTenant, "the realm, tenant or organisation",
            ecs: [.at("organization.id")], ocsf: [.at("metadata.tenant_uid")],
            cim: ["vendor_account"], otlp: "oauth.tenant", cef: "cs1"),
        .init(
            .providerIssuer, "the issuer of OpenID Connect",
            ecs: [.at("oauth.issuer")],
            ocsf: [.at("actor.idp.issuer"), .at("session.issuer", in: [.authentication])],
            otlp: "oauth.issuer", cef: "cs1"),
    ]

    static let error: [FieldMapping] = [
        .init(
            .errorCode, "why it failed, from a closed list",
            ecs: [.at("error.code")], ocsf: [.at("status_code")],
            cim: ["reason_id"], otlp: "error.type", cef: "reason"),
        .init(
            .errorReason, "why it failed, in the provider's words",
            ecs: [.at("event.reason")], ocsf: [.at("status_detail")],
            cim: ["reason", "Change.result"], otlp: "oauth.error.reason", cef: "msg"),
    ]

    static let actor: [FieldMapping] = [
        .init(
            .actorType, "what kind of somebody did it",
            ecs: [.at("oauth.actor_type")],
            ocsf: [
                .at("actor.user.type_id", OCSFWords.userTypeNumber),
                .at("actor.user.type", OCSFWords.userType),
                .at("user.type_id", OCSFWords.userTypeNumber, in: users, when: [.userIsActor]),
                .at("user.type", OCSFWords.userType, in: users, when: [.userIsActor]),
            ],
            cim: ["user_type"], otlp: "oauth.actor.type"),
        .init(
            .actorID, "who did it: the identifier at the provider",
            ecs: [
                .at("user.id", unless: [.actorIsSystem]),
                .at("user.hash", .pseudonym, when: [.actorIsPseudonym], unless: [.actorIsSystem]),
                .at("related.user", .gathered),
            ],
            ocsf: [
                .at("actor.user.uid"),
                .at("user.uid", in: users, when: [.userIsActor]),
            ],
            cim: ["user_id"], otlp: "user.id", cef: "suid"),
        .init(
            .actorName, "who did it: the name to log in with",
            ecs: [
                .at("user.name", unless: [.actorIsSystem]),
                .at("user.hash", .pseudonym, when: [.actorIsPseudonym], unless: [.actorIsSystem]),
                .at("related.user", .gathered),
            ],
            ocsf: [
                .at("actor.user.name"),
                .at("user.name", in: users, when: [.userIsActor]),
            ],
            cim: ["user", "Change.src_user"], otlp: "user.name", cef: "suser"),
        .init(
            .actorEmail, "who did it: the e-mail address",
            ecs: [
                .at("user.email", unless: [.actorIsSystem]),
                .at("user.hash", .pseudonym, when: [.actorIsPseudonym], unless: [.actorIsSystem]),
                .at("related.user", .gathered),
            ],
            ocsf: [
                // A user of OCSF has an id or a name.
                .at("actor.user.name", when: [.actorIsAddress]),
                .at("actor.user.email_addr", when: [.actorEmailIsValid]),
                .at("user.name", in: users, when: [.userIsActor, .actorIsAddress]),
                .at("user.email_addr", in: users, when: [.userIsActor, .actorEmailIsValid]),
                .at("unmapped.actor.email", unless: [.actorEmailIsValid, .actorIsAddress]),
            ],
            otlp: "user.email", cef: "suser"),
    ]

    static let target: [FieldMapping] = [
        .init(
            .targetType, "what kind of thing it was done to",
            ecs: [.at("oauth.target.type", unless: placedTargets)],
            ocsf: [
                .at(
                    "user.type_id", OCSFWords.targetUserTypeNumber, in: users, when: [.userIsTarget]
                ),
                .at("user.type", OCSFWords.targetUserType, in: users, when: [.userIsTarget]),
                .at(
                    "entity.type_id", OCSFWords.entityTypeNumber, in: entities,
                    unless: [.entityIsClient]),
                .at(
                    "entity.type", OCSFWords.entityType, in: entities, unless: [.entityIsClient]),
                // An entity of OCSF has an id or a name.
                .at("entity.name", in: entities, when: [.entityIsKind]),
                .at("unmapped.target.type", when: [.targetIsUnplaced]),
            ],
            cim: ["Change.object_category"], otlp: "oauth.target.type", cef: "flexString1"),
        .init(
            .targetID, "what it was done to: the identifier at the provider",
            ecs: [
                .at("user.target.id", when: [.targetIsUser]),
                .at("group.id", when: [.targetIsGroup]),
                .at("oauth.target.id", unless: placedTargets),
                .at("related.user", .gathered),
            ],
            ocsf: [
                .at("user.uid", in: users, when: [.userIsTarget]),
                .at("group.uid", in: [.groupManagement], when: [.groupIsTarget]),
                .at("entity.uid", in: entities, when: [.entityIsTarget]),
                .at(
                    "privileges", .gathered, in: [.userAccess], when: [.privilegesAreTarget],
                    without: [.targetName]),
                .at("resources[].uid", in: [.userAccess], when: [.resourceIsTarget]),
                .at("unmapped.target.id", when: [.targetIsUnplaced]),
            ],
            cim: ["Change.object_id"], otlp: "oauth.target.id", cef: "duid"),
        .init(
            .targetName, "what it was done to: the name",
            ecs: [
                .at("user.target.name", when: [.targetIsUser]),
                .at("group.name", when: [.targetIsGroup]),
                .at("oauth.target.name", unless: placedTargets),
                .at("related.user", .gathered),
            ],
            ocsf: [
                .at("user.name", in: users, when: [.userIsTarget]),
                .at("group.name", in: [.groupManagement], when: [.groupIsTarget]),
                .at("entity.name", in: entities, when: [.entityIsTarget]),
                .at("privileges", .gathered, in: [.userAccess], when: [.privilegesAreTarget]),
                .at("resources[].name", in: [.userAccess], when: [.resourceIsTarget]),
                .at("unmapped.target.name", when: [.targetIsUnplaced]),
            ],
            cim: ["Change.object", "Change.user"], otlp: "oauth.target.name", cef: "duser"),
        .init(
            .targetEmail, "whom it was done to: the e-mail address",
            ecs: [
                .at("user.target.email", when: [.targetIsUser]),
                .at("oauth.target.email", unless: placedTargets),
                .at("related.user", .gathered),
            ],
            ocsf: [
                .at("user.name", in: users, when: [.userIsTarget, .targetIsAddress]),
                .at("user.email_addr", in: users, when: [.userIsTarget, .targetEmailIsValid]),
                .at(
                    "group.name", in: [.groupManagement], when: [.groupIsTarget, .targetIsAddress]),
                .at("entity.name", in: entities, when: [.entityIsTarget, .targetIsAddress]),
                .at("unmapped.target.email", when: [.targetIsUnplaced]),
                .at(
                    "unmapped.target.email", in: users, when: [.userIsTarget],
                    unless: [.targetEmailIsValid, .targetIsAddress]),
                .at(
                    "unmapped.target.email", in: [.entityManagement, .groupManagement],
                    unless: [.targetIsUnplaced, .userIsTarget, .targetIsAddress]),
            ],
            otlp: "oauth.target.email", cef: "duser"),
    ]

    // MARK: Groups of classes

    /// The classes that are about a user.
    static let users: Set<OCSFClass> = [
        .accountChange, .authentication, .userAccess, .groupManagement,
    ]
    /// The class that is about anything else.
    static let entities: Set<OCSFClass> = [.entityManagement]
    /// The targets that ECS has a place for, and the agent, which is `integrity.stream`.
    private static let placedTargets: EventFacts = [.targetIsUser, .targetIsGroup, .targetIsAgent]

    private static func list(_ words: [StaticString]) -> String {
        "[" + words.map(quoted).joined(separator: ",") + "]"
    }

    private static func quoted(_ word: StaticString) -> String { "\"\(word)\"" }
}
