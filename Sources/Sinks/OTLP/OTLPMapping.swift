// SPDX-License-Identifier: Apache-2.0
import Events

/// One member of the log record or its resource: where it stands and what it is made of.
struct OTLPRow: Sendable {
    /// Where the value goes.
    let place: OTLPPlace
    /// What the value is.
    let source: OTLPSource
    /// When it is left out although there is a value.
    let condition: OTLPCondition

    init(_ place: OTLPPlace, _ source: OTLPSource, when condition: OTLPCondition = .always) {
        self.place = place
        self.source = source
        self.condition = condition
    }
}

/// Where a value goes in the data model of OpenTelemetry logs.
enum OTLPPlace: Sendable {
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
    /// `Attributes` of the record.
    case attribute(StaticString)
    /// `Attributes` of the resource.
    case resource(StaticString)
    /// `Attributes` of the resource, one for each member of a map, under its own name.
    case resourceMembers
}

/// What a value is.
enum OTLPSource: Sendable {
    /// The value of a field: a text, an integer, a truth or a list of texts.
    case field(Field)
    /// The signed line, without its line feed.
    case line
    /// The stream that the event is numbered in.
    case stream
    /// Its number there.
    case sequence
}

/// Where the same field means something else.
enum OTLPCondition: Sendable {
    /// No condition.
    case always
    /// The actor is somebody or some client, not the product itself.
    case actorIsUser
}

/// The mapping to OpenTelemetry logs: the one list of what goes where.
///
/// Names are those of OpenTelemetry's semantic conventions where it has one, else `oauth.…`. The
/// body carries everything, so what a search hardly asks for has no attribute (`bodyOnly`).
enum OTLPMapping {
    static let rows: [OTLPRow] = [
        OTLPRow(.time, .field(.time)),
        OTLPRow(.observed, .field(.observed)),
        OTLPRow(.severity, .field(.severity)),
        OTLPRow(.eventName, .field(.action)),
        OTLPRow(.traceID, .field(.requestTraceID)),
        OTLPRow(.body, .line),
        OTLPRow(.resource("service.name"), .field(.providerProduct)),
        OTLPRow(.resource("service.version"), .field(.providerVersion)),
        OTLPRow(.resource("host.name"), .field(.providerHost)),
        OTLPRow(.resourceMembers, .field(.labels)),
        OTLPRow(.attribute("event.id"), .field(.id)),
        // Receivers from before protocol 1.5 leave out EventName without a word.
        OTLPRow(.attribute("oauth.action"), .field(.action)),
        OTLPRow(.attribute("oauth.outcome"), .field(.outcome)),
        OTLPRow(.attribute("oauth.schema"), .field(.schema)),
        OTLPRow(.attribute("oauth.provider.vendor"), .field(.providerVendor)),
        OTLPRow(.attribute("oauth.provider.product"), .field(.providerProduct)),
        OTLPRow(.attribute("oauth.provider.version"), .field(.providerVersion)),
        OTLPRow(.attribute("oauth.provider.host"), .field(.providerHost)),
        OTLPRow(.attribute("oauth.provider.event"), .field(.providerEvent)),
        OTLPRow(.attribute("oauth.provider.event_id"), .field(.providerEventID)),
        OTLPRow(.attribute("oauth.tenant"), .field(.providerTenant)),
        OTLPRow(.attribute("oauth.issuer"), .field(.providerIssuer)),
        OTLPRow(.attribute("oauth.actor.type"), .field(.actorType)),
        OTLPRow(.attribute("user.id"), .field(.actorID), when: .actorIsUser),
        OTLPRow(.attribute("user.name"), .field(.actorName), when: .actorIsUser),
        OTLPRow(.attribute("user.email"), .field(.actorEmail), when: .actorIsUser),
        OTLPRow(.attribute("oauth.target.type"), .field(.targetType)),
        OTLPRow(.attribute("oauth.target.id"), .field(.targetID)),
        OTLPRow(.attribute("oauth.target.name"), .field(.targetName)),
        OTLPRow(.attribute("oauth.target.email"), .field(.targetEmail)),
        OTLPRow(.attribute("oauth.client.id"), .field(.clientID)),
        OTLPRow(.attribute("oauth.client.name"), .field(.clientName)),
        OTLPRow(.attribute("oauth.client.auth"), .field(.clientAuth)),
        OTLPRow(.attribute("session.id"), .field(.sessionID)),
        OTLPRow(.attribute("oauth.session.end"), .field(.sessionEnd)),
        OTLPRow(.attribute("oauth.grant.id"), .field(.grantID)),
        OTLPRow(.attribute("oauth.grant.type"), .field(.grantType)),
        OTLPRow(.attribute("oauth.grant.response_type"), .field(.grantResponseType)),
        OTLPRow(.attribute("oauth.grant.pkce"), .field(.grantPKCE)),
        OTLPRow(.attribute("oauth.scope.requested"), .field(.scopeRequested)),
        OTLPRow(.attribute("oauth.scope.granted"), .field(.scopeGranted)),
        OTLPRow(.attribute("oauth.change.kind"), .field(.changeKind)),
        OTLPRow(.attribute("oauth.change.fields"), .field(.changeFields)),
        OTLPRow(.attribute("oauth.change.added"), .field(.changeAdded)),
        OTLPRow(.attribute("oauth.change.removed"), .field(.changeRemoved)),
        OTLPRow(.attribute("oauth.token.id"), .field(.tokenID)),
        OTLPRow(.attribute("oauth.token.parent_id"), .field(.tokenParentID)),
        OTLPRow(.attribute("oauth.token.type"), .field(.tokenType)),
        OTLPRow(.attribute("oauth.token.expires"), .field(.tokenExpires)),
        OTLPRow(.attribute("oauth.token.active"), .field(.tokenActive)),
        OTLPRow(.attribute("oauth.token.binding"), .field(.tokenBinding)),
        OTLPRow(.attribute("oauth.token.actor_id"), .field(.tokenActorID)),
        OTLPRow(.attribute("oauth.auth.methods"), .field(.authMethods)),
        OTLPRow(.attribute("oauth.auth.acr"), .field(.authACR)),
        OTLPRow(.attribute("oauth.auth.idp"), .field(.authIDP)),
        OTLPRow(.attribute("http.request.method"), .field(.requestMethod)),
        OTLPRow(.attribute("http.request.id"), .field(.requestID)),
        OTLPRow(.attribute("http.response.status_code"), .field(.requestStatus)),
        OTLPRow(.attribute("url.path"), .field(.requestPath)),
        OTLPRow(.attribute("oauth.endpoint"), .field(.requestEndpoint)),
        OTLPRow(.attribute("oauth.redirect_uri"), .field(.requestRedirectURI)),
        OTLPRow(.attribute("oauth.resource"), .field(.requestResource)),
        OTLPRow(.attribute("error.type"), .field(.errorCode)),
        OTLPRow(.attribute("oauth.error.reason"), .field(.errorReason)),
        OTLPRow(.attribute("client.address"), .field(.sourceIP)),
        OTLPRow(.attribute("client.port"), .field(.sourcePort)),
        OTLPRow(.attribute("geo.country.iso_code"), .field(.sourceCountry)),
        OTLPRow(.attribute("oauth.source.asn"), .field(.sourceASN)),
        OTLPRow(.attribute("user_agent.original"), .field(.sourceUserAgent)),
        OTLPRow(.attribute("device.id"), .field(.sourceDeviceID)),
        // The proof is in the body: an attribute would only repeat it.
        OTLPRow(.attribute("oauth.integrity.stream"), .stream),
        OTLPRow(.attribute("oauth.integrity.seq"), .sequence),
    ]

    /// The fields that only the body carries.
    static let bodyOnly: Set<Field> = [
        .agentCheckpoint, .agentCount, .agentFiltered, .agentKeyNote, .agentLost,
        .agentPredecessor, .agentReason, .agentRejected, .agentVersion, .agentVerifierKey,
        .originOffset, .originPath, .privacyFields, .privacyKey, .privacyPolicy, .raw,
    ]

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
