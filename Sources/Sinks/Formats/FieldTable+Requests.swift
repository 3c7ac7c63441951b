// SPDX-License-Identifier: Apache-2.0
import Events

// The rows on who asked from where for what, and on what was given or changed.
extension FieldMapping {
    static let client: [FieldMapping] = [
        .init(
            .clientID, "the OAuth client that takes part",
            ecs: [.at("service.id")],
            ocsf: [
                .at("actor.app_uid"),
                .at("src_endpoint.svc_name", without: [.sourceIP]),
                .at("user.uid", in: users, when: [.userIsClient]),
                .at("entity.uid", in: entities, when: [.entityIsClient]),
                .at("service.uid", in: [.authentication]),
                .at("resources[].uid", in: [.userAccess]),
            ],
            cim: ["app"], otlp: "oauth.client.id", cef: "sourceServiceName"),
        .init(
            .clientName, "its name",
            ecs: [.at("service.name")],
            ocsf: [
                .at("actor.app_name"),
                .at("user.name", in: users, when: [.userIsClient]),
                .at("entity.name", in: entities, when: [.entityIsClient]),
                .at("service.name", in: [.authentication]),
                .at("resources[].name", in: [.userAccess]),
            ],
            otlp: "oauth.client.name"),
        .init(
            .clientAuth, "how the client proved who it is, as in RFC 7591",
            ecs: [.at("oauth.client_auth")], ocsf: [.at("unmapped.client_auth")],
            otlp: "oauth.client.auth"),
    ]

    static let source: [FieldMapping] = [
        .init(
            .sourceIP, "the address it came from",
            ecs: [.at("source.ip"), .at("related.ip", .gathered)],
            ocsf: [.at("src_endpoint.ip")],
            cim: ["src"], otlp: "client.address", cef: "src"),
        .init(
            .sourcePort, "the port it came from",
            ecs: [.at("source.port")], ocsf: [.at("src_endpoint.port")],
            cim: ["src_port"], otlp: "client.port", cef: "spt"),
        .init(
            .sourceCountry, "the country of the address, ISO 3166-1 alpha-2",
            ecs: [.at("source.geo.country_iso_code")],
            ocsf: [.at("src_endpoint.location.country")], otlp: "geo.country.iso_code"),
        .init(
            .sourceASN, "the autonomous system of the address",
            ecs: [.at("source.as.number")],
            ocsf: [.at("src_endpoint.autonomous_system.number")], otlp: "oauth.source.asn"),
        .init(
            .sourceUserAgent, "the user agent",
            ecs: [.at("user_agent.original")], ocsf: [.at("http_request.user_agent")],
            cim: ["user_agent"], otlp: "user_agent.original", cef: "requestClientApplication"),
        .init(
            .sourceDeviceID, "the device, where the provider knows it again",
            ecs: [.at("device.id")], ocsf: [.at("unmapped.source.device_id")],
            otlp: "device.id"),
    ]

    static let request: [FieldMapping] = [
        .init(
            .requestMethod, "the method of the request",
            ecs: [.at("http.request.method")],
            ocsf: [
                .at("http_request.http_method", when: [.methodIsKnown]),
                .at("unmapped.request.method", unless: [.methodIsKnown]),
            ],
            otlp: "http.request.method", cef: "requestMethod"),
        .init(
            .requestID, "the id of the request",
            ecs: [.at("http.request.id")], ocsf: [.at("http_request.uid")],
            otlp: "http.request.id"),
        .init(
            .requestPath, "the path without its query",
            ecs: [.at("url.path")], ocsf: [.at("http_request.url.path")],
            otlp: "url.path", cef: "request"),
        .init(
            .requestStatus, "the status of the answer",
            ecs: [.at("http.response.status_code")], ocsf: [.at("http_response.code")],
            otlp: "http.response.status_code", cef: "cn2"),
        .init(
            .requestTraceID, "the W3C trace",
            ecs: [.at("trace.id")], ocsf: [.at("unmapped.request.trace_id")],
            otlp: "TraceId"),
        .init(
            .requestEndpoint, "which endpoint was asked",
            ecs: [.at("oauth.endpoint")],
            ocsf: [
                .at("api.service.name", in: [.apiActivity]), .at("unmapped.request.endpoint"),
            ],
            otlp: "oauth.endpoint"),
        .init(
            .requestRedirectURI, "where the answer goes, without query and fragment",
            ecs: [.at("oauth.redirect_uri")], ocsf: [.at("unmapped.request.redirect_uri")],
            otlp: "oauth.redirect_uri"),
        .init(
            .requestResource, "what the token is for, as in RFC 8707",
            ecs: [.at("oauth.resource")],
            ocsf: [
                .at("resources", .identifiers, in: [.apiActivity]),
                .at(
                    "unmapped.request.resource",
                    in: DocumentMember.every.subtracting([.apiActivity])),
            ],
            otlp: "oauth.resource"),
    ]

    static let grant: [FieldMapping] = [
        .init(
            .grantID, "what ties the code, its tokens and their refreshes together",
            ecs: [.at("oauth.grant.id")],
            ocsf: [.at("metadata.correlation_uid"), .at("unmapped.grant.id")],
            otlp: "oauth.grant.id", cef: "cs3"),
        .init(
            .grantType, "the grant, as IANA spells it",
            ecs: [.at("oauth.grant.type")], ocsf: [.at("unmapped.grant.type")],
            cim: ["authentication_method"], otlp: "oauth.grant.type", cef: "cs3"),
        .init(
            .grantResponseType, "what was asked for at the authorization endpoint",
            ecs: [.at("oauth.grant.response_type")],
            ocsf: [.at("unmapped.grant.response_type")], otlp: "oauth.grant.response_type"),
        .init(
            .grantPKCE, "the method of PKCE",
            ecs: [.at("oauth.grant.pkce")], ocsf: [.at("unmapped.grant.pkce")],
            otlp: "oauth.grant.pkce"),
        .init(
            .scopeRequested, "the scopes that were asked for",
            ecs: [.at("oauth.scope.requested")],
            ocsf: [
                .at("unmapped.scope.requested"),
                .at("privileges", in: [.userAccess], when: [.privilegesAreRequested]),
            ],
            otlp: "oauth.scope.requested", cef: "cs4"),
        .init(
            .scopeGranted, "the scopes that were given",
            ecs: [.at("oauth.scope.granted")],
            ocsf: [
                .at("unmapped.scope.granted"),
                .at("privileges", in: [.userAccess], when: [.privilegesAreGranted]),
            ],
            otlp: "oauth.scope.granted", cef: "cs4"),
    ]

    static let token: [FieldMapping] = [
        .init(
            .tokenType, "which kind of token it is about",
            ecs: [.at("oauth.token.type")],
            ocsf: [
                .at("api.token.type_id", OCSFWords.tokenTypeNumber, in: [.apiActivity]),
                .at("api.token.type", OCSFWords.tokenType, in: [.apiActivity]),
                .at("unmapped.token.type", in: tokenless),
            ],
            otlp: "oauth.token.type"),
        .init(
            .tokenID, "its `jti`, or a fingerprint of what was no JWT",
            ecs: [.at("oauth.token.id")],
            ocsf: [
                .at("api.token.uid", in: [.apiActivity]), .at("unmapped.token.id", in: tokenless),
            ],
            cim: ["Change.object_id"], otlp: "oauth.token.id", cef: "cs5"),
        .init(
            .tokenExpires, "when it ends",
            ecs: [.at("oauth.token.expires")],
            ocsf: [
                .at("api.token.expiration_time", .milliseconds, in: [.apiActivity]),
                .at("unmapped.token.expires", in: tokenless),
            ],
            otlp: "oauth.token.expires"),
        .init(
            .tokenParentID, "the token or code that it came from",
            ecs: [.at("oauth.token.parent_id")], ocsf: [.at("unmapped.token.parent_id")],
            otlp: "oauth.token.parent_id"),
        .init(
            .tokenBinding, "what ties it to its holder",
            ecs: [.at("oauth.token.binding")], ocsf: [.at("unmapped.token.binding")],
            otlp: "oauth.token.binding"),
        .init(
            .tokenActive, "what introspection said of it",
            ecs: [.at("oauth.token.active")], ocsf: [.at("unmapped.token.active")],
            otlp: "oauth.token.active"),
        .init(
            .tokenActorID, "who acts with it for its subject, as in RFC 8693",
            ecs: [.at("oauth.token.actor_id")], ocsf: [.at("unmapped.token.actor_id")],
            otlp: "oauth.token.actor_id"),
    ]

    static let session: [FieldMapping] = [
        .init(
            .sessionID, "a fingerprint of the session at the provider",
            ecs: [.at("oauth.session.id")],
            ocsf: [.at("actor.session.uid"), .at("session.uid", in: [.authentication])],
            cim: ["session_id"], otlp: "session.id", cef: "cs2"),
        .init(
            .sessionEnd, "how the session ended",
            ecs: [.at("oauth.session.end")],
            ocsf: [
                .at("session.expiration_reason", in: [.authentication]),
                .at("unmapped.session.end", in: sessionless),
            ],
            otlp: "oauth.session.end"),
        .init(
            .authMethods, "how the user proved who they are, as in RFC 8176",
            ecs: [.at("oauth.auth.methods")],
            ocsf: [
                .at(
                    "auth_factors", .factors, in: [.accountChange, .authentication],
                    when: [.hasFactors]),
                .at("unmapped.auth.methods"),
            ],
            cim: ["authentication_method"], otlp: "oauth.auth.methods"),
        .init(
            .authACR, "the level of assurance",
            ecs: [.at("oauth.auth.acr")], ocsf: [.at("unmapped.auth.acr")],
            otlp: "oauth.auth.acr"),
        .init(
            .authIDP, "the outside provider that vouched for the user",
            ecs: [.at("oauth.auth.idp")], ocsf: [.at("unmapped.auth.idp")],
            otlp: "oauth.auth.idp"),
    ]

    static let change: [FieldMapping] = [
        .init(
            .changeKind, "what kind of change it is",
            ecs: [.at("oauth.change.kind")], ocsf: [.at("unmapped.change.kind")],
            cim: ["Change.change_type"], otlp: "oauth.change.kind"),
        .init(
            .changeFields, "the names of attributes that changed, never their values",
            ecs: [.at("oauth.change.fields")], ocsf: [.at("unmapped.change.fields")],
            cim: ["Change.object_attrs"], otlp: "oauth.change.fields"),
        .init(
            .changeAdded, "what was added",
            ecs: [.at("oauth.change.added")],
            ocsf: [
                .at("unmapped.change.added"),
                .at("privileges", in: [.userAccess], when: [.privilegesAreAdded]),
                .at("group.name", .first, in: [.groupManagement], when: [.groupIsAdded]),
                .at("user.uid", .first, in: [.groupManagement], when: [.memberIsAdded]),
            ],
            otlp: "oauth.change.added", cef: "cs4"),
        .init(
            .changeRemoved, "what was taken away",
            ecs: [.at("oauth.change.removed")],
            ocsf: [
                .at("unmapped.change.removed"),
                .at("privileges", in: [.userAccess], when: [.privilegesAreRemoved]),
                .at("group.name", .first, in: [.groupManagement], when: [.groupIsRemoved]),
                .at("user.uid", .first, in: [.groupManagement], when: [.memberIsRemoved]),
            ],
            otlp: "oauth.change.removed", cef: "cs4"),
    ]

    // The signed bytes carry these; no other model has a place for them.
    static let agent: [FieldMapping] = [
        .init(.agentVersion, "the version of the agent that opened the stream"),
        .init(.agentVerifierKey, "the key that verifies the stream"),
        .init(.agentKeyNote, "the endorsement of the next key by the present one"),
        .init(.agentPredecessor, "the stream before, and how it ended"),
        .init(.agentCheckpoint, "the signed root over the stream so far"),
        .init(.agentReason, "why the agent stopped or lost something"),
        .init(.agentCount, "how many records were lost"),
        .init(.agentFiltered, "what the filters of each sink left out"),
        .init(.agentRejected, "what each receiver refused for good"),
        .init(.agentLost, "what each sink has lost"),
    ]

    static let rest: [FieldMapping] = [
        .init(
            .labels, "what the configuration says of every event",
            ecs: [.at("labels")], ocsf: [.at("metadata.labels", .pairs)],
            otlp: "resource attributes"),
        .init(
            .privacyPolicy, "how identifying values were hidden",
            ocsf: [.at("unmapped.privacy.policy")]),
        .init(
            .privacyKey, "the generation of the key of the fingerprints",
            ocsf: [.at("unmapped.privacy.key")]),
        .init(
            .privacyFields, "the fields that were hidden",
            ocsf: [.at("unmapped.privacy.fields")]),
        .init(.originPath, "the file that the record stands in"),
        .init(.originOffset, "where in the file it begins"),
        .init(.raw, "the record itself, cleared of secrets, where the configuration asks for it"),
    ]

    /// The classes without a place for a token.
    private static let tokenless = DocumentMember.every.subtracting([.apiActivity])
    /// The classes without a place for the end of a session.
    private static let sessionless = DocumentMember.every.subtracting([.authentication])
}
