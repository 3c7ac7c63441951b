// SPDX-License-Identifier: Apache-2.0

/// A member of the canonical event, one level deep at most.
///
/// The cases stand in the order in which RFC 8785 writes them, so walking the fields of an event by
/// raw value writes canonical bytes.
public enum Field: UInt8, CaseIterable, Sendable, Comparable {
    /// `action`.
    case action
    /// `actor.email`.
    case actorEmail
    /// `actor.id`.
    case actorID
    /// `actor.name`.
    case actorName
    /// `actor.type`.
    case actorType
    /// `agent.checkpoint`.
    case agentCheckpoint
    /// `agent.count`.
    case agentCount
    /// `agent.filtered`.
    case agentFiltered
    /// `agent.key_note`.
    case agentKeyNote
    /// `agent.lost`.
    case agentLost
    /// `agent.predecessor`.
    case agentPredecessor
    /// `agent.reason`.
    case agentReason
    /// `agent.rejected`.
    case agentRejected
    /// `agent.version`.
    case agentVersion
    /// `agent.vkey`.
    case agentVerifierKey
    /// `auth.acr`.
    case authACR
    /// `auth.idp`.
    case authIDP
    /// `auth.methods`.
    case authMethods
    /// `change.added`.
    case changeAdded
    /// `change.fields`.
    case changeFields
    /// `change.kind`.
    case changeKind
    /// `change.removed`.
    case changeRemoved
    /// `client.auth`.
    case clientAuth
    /// `client.id`.
    case clientID
    /// `client.name`.
    case clientName
    /// `error.code`.
    case errorCode
    /// `error.reason`.
    case errorReason
    /// `grant.id`.
    case grantID
    /// `grant.pkce`.
    case grantPKCE
    /// `grant.response_type`.
    case grantResponseType
    /// `grant.type`.
    case grantType
    /// `id`.
    case id
    /// `labels`.
    case labels
    /// `observed`.
    case observed
    /// `origin.offset`.
    case originOffset
    /// `origin.path`.
    case originPath
    /// `outcome`.
    case outcome
    /// `privacy.fields`.
    case privacyFields
    /// `privacy.key`.
    case privacyKey
    /// `privacy.policy`.
    case privacyPolicy
    /// `provider.event`.
    case providerEvent
    /// `provider.event_id`.
    case providerEventID
    /// `provider.host`.
    case providerHost
    /// `provider.issuer`.
    case providerIssuer
    /// `provider.product`.
    case providerProduct
    /// `provider.tenant`.
    case providerTenant
    /// `provider.vendor`.
    case providerVendor
    /// `provider.version`.
    case providerVersion
    /// `raw`.
    case raw
    /// `request.endpoint`.
    case requestEndpoint
    /// `request.id`.
    case requestID
    /// `request.method`.
    case requestMethod
    /// `request.path`.
    case requestPath
    /// `request.redirect_uri`.
    case requestRedirectURI
    /// `request.resource`.
    case requestResource
    /// `request.status`.
    case requestStatus
    /// `request.trace_id`.
    case requestTraceID
    /// `schema`.
    case schema
    /// `scope.granted`.
    case scopeGranted
    /// `scope.requested`.
    case scopeRequested
    /// `session.end`.
    case sessionEnd
    /// `session.id`.
    case sessionID
    /// `severity`.
    case severity
    /// `source.asn`.
    case sourceASN
    /// `source.country`.
    case sourceCountry
    /// `source.device_id`.
    case sourceDeviceID
    /// `source.ip`.
    case sourceIP
    /// `source.port`.
    case sourcePort
    /// `source.user_agent`.
    case sourceUserAgent
    /// `target.email`.
    case targetEmail
    /// `target.id`.
    case targetID
    /// `target.name`.
    case targetName
    /// `target.type`.
    case targetType
    /// `time`.
    case time
    /// `token.active`.
    case tokenActive
    /// `token.actor_id`.
    case tokenActorID
    /// `token.binding`.
    case tokenBinding
    /// `token.expires`.
    case tokenExpires
    /// `token.id`.
    case tokenID
    /// `token.parent_id`.
    case tokenParentID
    /// `token.type`.
    case tokenType

    /// The row of the table that belongs to the field.
    @inline(__always)
    public var entry: FieldEntry { FieldEntry.table[Int(rawValue)] }

    /// The name with its group, `actor.id`.
    public var path: String {
        let entry = entry
        guard let group = entry.group else { return String(describing: entry.key) }
        return "\(group).\(entry.key)"
    }

    /// Finds a field by its path; nil where the canonical event has none.
    public init?(path: String) {
        guard let found = Field.byPath[path] else { return nil }
        self = found
    }

    /// Orders as RFC 8785 orders the members.
    @inline(__always)
    public static func < (left: Field, right: Field) -> Bool { left.rawValue < right.rawValue }

    private static let byPath = Dictionary(
        uniqueKeysWithValues: Field.allCases.map { ($0.path, $0) })
}

/// What a field may hold.
public enum FieldKind: Sendable, Equatable {
    /// Text, at most `CanonicalLimit.text` bytes.
    case text
    /// One word of a closed list.
    case word
    /// An integer between two bounds, both included.
    case integer(Int64, Int64)
    /// True or false.
    case boolean
    /// A moment in RFC 3339.
    case time
    /// A set of texts, unique and sorted by their bytes.
    case set
    /// Names and texts, only `labels`.
    case map
}

/// One row of the table of fields.
public struct FieldEntry: Sendable {
    /// The object that holds the field, or nil for a member of the event itself.
    public let group: StaticString?
    /// The member's name.
    public let key: StaticString
    /// What it may hold.
    public let kind: FieldKind
    /// The closed list of a `word`, empty elsewhere and for words that have a type of their own.
    public let words: [StaticString]

    init(
        _ group: StaticString?, _ key: StaticString, _ kind: FieldKind, _ words: [StaticString] = []
    ) {
        self.group = group
        self.key = key
        self.kind = kind
        self.words = words
    }

    /// All rows, in the order of `Field`.
    public static let table: [FieldEntry] = [
        .init(nil, "action", .word),
        .init("actor", "email", .text),
        .init("actor", "id", .text),
        .init("actor", "name", .text),
        .init("actor", "type", .word, ["user", "admin", "client", "system", "unknown"]),
        .init("agent", "checkpoint", .text),
        .init("agent", "count", .integer(0, 9_007_199_254_740_991)),
        .init("agent", "filtered", .set),
        .init("agent", "key_note", .text),
        .init("agent", "lost", .set),
        .init("agent", "predecessor", .text),
        .init("agent", "reason", .text),
        .init("agent", "rejected", .set),
        .init("agent", "version", .text),
        .init("agent", "vkey", .text),
        .init("auth", "acr", .text),
        .init("auth", "idp", .text),
        .init("auth", "methods", .set),
        .init("change", "added", .set),
        .init("change", "fields", .set),
        .init("change", "kind", .text),
        .init("change", "removed", .set),
        .init("client", "auth", .text),
        .init("client", "id", .text),
        .init("client", "name", .text),
        .init("error", "code", .word),
        .init("error", "reason", .text),
        .init("grant", "id", .text),
        .init("grant", "pkce", .word, ["S256", "plain", "none"]),
        .init("grant", "response_type", .text),
        .init("grant", "type", .text),
        .init(nil, "id", .text),
        .init(nil, "labels", .map),
        .init(nil, "observed", .time),
        .init("origin", "offset", .integer(0, 9_007_199_254_740_991)),
        .init("origin", "path", .text),
        .init(nil, "outcome", .word),
        .init("privacy", "fields", .set),
        .init("privacy", "key", .text),
        .init("privacy", "policy", .text),
        .init("provider", "event", .text),
        .init("provider", "event_id", .text),
        .init("provider", "host", .text),
        .init("provider", "issuer", .text),
        .init("provider", "product", .text),
        .init("provider", "tenant", .text),
        .init("provider", "vendor", .text),
        .init("provider", "version", .text),
        .init(nil, "raw", .text),
        .init(
            "request", "endpoint", .word,
            [
                "authorize", "par", "backchannel_authentication", "device_authorization",
                "token", "introspect", "revoke", "userinfo", "jwks", "logout", "register",
                "login", "admin", "resource",
            ]),
        .init("request", "id", .text),
        .init("request", "method", .text),
        .init("request", "path", .text),
        .init("request", "redirect_uri", .text),
        .init("request", "resource", .set),
        .init("request", "status", .integer(100, 599)),
        .init("request", "trace_id", .text),
        .init(nil, "schema", .text),
        .init("scope", "granted", .set),
        .init("scope", "requested", .set),
        .init(
            "session", "end", .word,
            [
                "rp_initiated", "front_channel", "back_channel", "timeout", "user", "admin",
                "policy", "replaced",
            ]),
        .init("session", "id", .text),
        .init(nil, "severity", .word),
        .init("source", "asn", .integer(0, 4_294_967_295)),
        .init("source", "country", .text),
        .init("source", "device_id", .text),
        .init("source", "ip", .text),
        .init("source", "port", .integer(0, 65_535)),
        .init("source", "user_agent", .text),
        .init("target", "email", .text),
        .init("target", "id", .text),
        .init("target", "name", .text),
        .init(
            "target", "type", .word,
            [
                "user", "client", "role", "group", "key", "session", "token", "policy",
                "configuration", "identity_provider", "agent",
            ]),
        .init(nil, "time", .time),
        .init("token", "active", .boolean),
        .init("token", "actor_id", .text),
        .init("token", "binding", .word, ["bearer", "dpop", "mtls"]),
        .init("token", "expires", .time),
        .init("token", "id", .text),
        .init("token", "parent_id", .text),
        .init(
            "token", "type", .word,
            [
                "access_token", "refresh_token", "id_token", "authorization_code", "device_code",
                "logout_token",
            ]),
    ]
}
