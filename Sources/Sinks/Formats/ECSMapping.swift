// SPDX-License-Identifier: Apache-2.0
import Events

/// One member of the ECS document: where it stands and what it is made of.
struct ECSRow: Sendable {
    /// The dotted path.
    let path: StaticString
    /// What its value is.
    let source: ECSSource
    /// When it is left out although there is a value.
    let condition: ECSCondition

    init(_ path: StaticString, _ source: ECSSource, when condition: ECSCondition = .always) {
        self.path = path
        self.source = source
        self.condition = condition
    }
}

/// What the value of a member is.
enum ECSSource: Sendable {
    /// The value of a field, verbatim.
    case field(Field)
    /// The same text in every document, as JSON.
    case constant(StaticString)
    /// All fields of a group, verbatim, under the names that they have there.
    case group(BodyGroup)
    /// The parts of the name of the data stream.
    case dataStream
    /// Made of the event by code.
    case computed(ECSComputed)
}

/// The members that take more than copying.
enum ECSComputed: Sendable {
    /// From the action's row.
    case category, type
    /// `denied` becomes `failure`: ECS has no word for it.
    case outcome
    /// 1 to 5.
    case severity
    /// The signed bytes as one string.
    case original
    /// The leaf in hexadecimal.
    case hash
    /// The number in the stream.
    case sequence
    /// The identifier of the actor where it is a pseudonym.
    case userHash
    /// All names of actor and target.
    case relatedUsers
    /// All addresses.
    case relatedAddresses
    /// Stream, number and proof.
    case integrity

    /// The fields without which there is no value; any one of them will do. Empty: always there.
    var needs: [Field] {
        switch self {
        case .userHash: [.actorID, .actorName, .actorEmail]
        case .relatedUsers:
            [.actorID, .actorName, .actorEmail, .targetID, .targetName, .targetEmail]
        case .relatedAddresses: [.sourceIP]
        case .category, .type, .outcome, .severity, .original, .hash, .sequence, .integrity: []
        }
    }
}

/// Where the same field means something else.
enum ECSCondition: Int, Sendable, CaseIterable {
    /// No condition.
    case always
    /// The actor is somebody or some client, not the product itself.
    case actorIsUser
    /// It was done to an account.
    case targetIsUser
    /// It was done to a group.
    case targetIsGroup
    /// It was done to anything else, the agent itself excepted: that is `integrity.stream`.
    case targetIsOther
}

/// The mapping to the Elastic Common Schema 9.4: the one list of what goes where.
///
/// The rows stand in the order of the document. A change of any row is a new `version`.
enum ECSMapping {
    /// What `oauth.mapping` says, so that `verify` can run the same mapping again.
    static let version: StaticString = "1"

    static let rows: [ECSRow] = [
        ECSRow("ecs", .constant("{\"version\":\"9.4.0\"}")),
        ECSRow("@timestamp", .field(.time)),
        ECSRow("event.created", .field(.observed)),
        ECSRow("event.id", .field(.id)),
        ECSRow("event.kind", .constant("\"event\"")),
        ECSRow("event.category", .computed(.category)),
        ECSRow("event.type", .computed(.type)),
        ECSRow("event.action", .field(.action)),
        ECSRow("event.outcome", .computed(.outcome)),
        ECSRow("event.severity", .computed(.severity)),
        ECSRow("event.code", .field(.providerEvent)),
        ECSRow("event.provider", .field(.providerProduct)),
        ECSRow("event.reason", .field(.errorReason)),
        ECSRow("event.module", .constant("\"oauth\"")),
        ECSRow("event.dataset", .constant("\"oauth.audit\"")),
        ECSRow("event.original", .computed(.original)),
        ECSRow("event.hash", .computed(.hash)),
        ECSRow("event.sequence", .computed(.sequence)),
        ECSRow("error.code", .field(.errorCode)),
        ECSRow("data_stream", .dataStream),
        ECSRow("observer.vendor", .field(.providerVendor)),
        ECSRow("observer.product", .field(.providerProduct)),
        ECSRow("observer.version", .field(.providerVersion)),
        ECSRow("observer.hostname", .field(.providerHost)),
        ECSRow("observer.type", .constant("\"idp\"")),
        ECSRow("organization.id", .field(.providerTenant)),
        ECSRow("service.id", .field(.clientID)),
        ECSRow("service.name", .field(.clientName)),
        ECSRow("user.id", .field(.actorID), when: .actorIsUser),
        ECSRow("user.name", .field(.actorName), when: .actorIsUser),
        ECSRow("user.email", .field(.actorEmail), when: .actorIsUser),
        ECSRow("user.hash", .computed(.userHash), when: .actorIsUser),
        ECSRow("user.target.id", .field(.targetID), when: .targetIsUser),
        ECSRow("user.target.name", .field(.targetName), when: .targetIsUser),
        ECSRow("user.target.email", .field(.targetEmail), when: .targetIsUser),
        ECSRow("group.id", .field(.targetID), when: .targetIsGroup),
        ECSRow("group.name", .field(.targetName), when: .targetIsGroup),
        ECSRow("source.ip", .field(.sourceIP)),
        ECSRow("source.port", .field(.sourcePort)),
        ECSRow("source.geo.country_iso_code", .field(.sourceCountry)),
        ECSRow("source.as.number", .field(.sourceASN)),
        ECSRow("user_agent.original", .field(.sourceUserAgent)),
        ECSRow("device.id", .field(.sourceDeviceID)),
        ECSRow("http.request.method", .field(.requestMethod)),
        ECSRow("http.request.id", .field(.requestID)),
        ECSRow("http.response.status_code", .field(.requestStatus)),
        ECSRow("url.path", .field(.requestPath)),
        ECSRow("trace.id", .field(.requestTraceID)),
        ECSRow("related.user", .computed(.relatedUsers)),
        ECSRow("related.ip", .computed(.relatedAddresses)),
        ECSRow("labels", .field(.labels)),
        ECSRow("oauth.grant", .group(.grant)),
        ECSRow("oauth.token", .group(.token)),
        ECSRow("oauth.scope", .group(.scope)),
        ECSRow("oauth.session", .group(.session)),
        ECSRow("oauth.auth", .group(.auth)),
        ECSRow("oauth.change", .group(.change)),
        ECSRow("oauth.target", .group(.target), when: .targetIsOther),
        ECSRow("oauth.issuer", .field(.providerIssuer)),
        ECSRow("oauth.endpoint", .field(.requestEndpoint)),
        ECSRow("oauth.redirect_uri", .field(.requestRedirectURI)),
        ECSRow("oauth.resource", .field(.requestResource)),
        ECSRow("oauth.client_auth", .field(.clientAuth)),
        ECSRow("oauth.actor_type", .field(.actorType)),
        ECSRow("oauth.outcome", .field(.outcome)),
        ECSRow("oauth.mapping", .constant("\"1\"")),
        ECSRow("tags", .constant("[\"preserve_original_event\"]")),
        ECSRow("integrity", .computed(.integrity)),
    ]
}
