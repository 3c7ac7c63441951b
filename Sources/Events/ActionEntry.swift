// SPDX-License-Identifier: Apache-2.0

/// One row of the table of actions, from which names, defaults and mappings are made.
public struct ActionEntry: Sendable {
    /// The name in events.
    public let name: StaticString
    /// The outcomes that go with the action; the first is the default.
    public let outcomes: [Outcome]
    /// The severity unless the error code or the configuration says otherwise.
    public let severity: Severity
    /// `event.category` of ECS 9.4.
    public let ecsCategories: [StaticString]
    /// `event.type` of ECS 9.4.
    public let ecsTypes: [StaticString]

    init(
        _ name: StaticString, _ outcomes: [Outcome], _ severity: Severity,
        ecs categories: [StaticString], _ types: [StaticString]
    ) {
        self.name = name
        self.outcomes = outcomes
        self.severity = severity
        ecsCategories = categories
        ecsTypes = types
    }

    /// All rows, in the order of `Action`.
    public static let table: [ActionEntry] = [
        .init(
            "AuthorizationRequested", [.success], .info,
            ecs: ["api"], ["start"]),
        .init(
            "AuthorizationCodeIssued", [.success], .info,
            ecs: ["api", "authentication"], ["creation", "info"]),
        .init(
            "AuthorizationFailed", [.failure, .denied], .low,
            ecs: ["api", "authentication"], ["denied", "info"]),
        .init(
            "ConsentGranted", [.success], .info,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "ConsentDenied", [.denied], .low,
            ecs: ["iam"], ["user", "info"]),
        .init(
            "ConsentRevoked", [.success], .medium,
            ecs: ["iam"], ["user", "deletion"]),
        .init(
            "DeviceAuthorizationRequested", [.success], .info,
            ecs: ["api"], ["start"]),
        .init(
            "DeviceAuthorizationApproved", [.success], .info,
            ecs: ["api", "authentication"], ["allowed", "info"]),
        .init(
            "AccessTokenIssued", [.success], .info,
            ecs: ["api", "authentication"], ["creation", "info"]),
        .init(
            "RefreshTokenIssued", [.success], .info,
            ecs: ["api"], ["creation"]),
        .init(
            "IdTokenIssued", [.success], .info,
            ecs: ["api"], ["creation"]),
        .init(
            "TokenRefreshed", [.success], .info,
            ecs: ["api", "authentication"], ["change", "info"]),
        .init(
            "TokenExchanged", [.success], .info,
            ecs: ["api", "authentication"], ["creation", "info"]),
        .init(
            "TokenRequestFailed", [.failure], .medium,
            ecs: ["api", "authentication"], ["denied", "info"]),
        .init(
            "TokenIntrospected", [.success], .info,
            ecs: ["api"], ["access"]),
        .init(
            "TokenIntrospectionFailed", [.failure], .low,
            ecs: ["api"], ["denied"]),
        .init(
            "TokenRevoked", [.success], .info,
            ecs: ["api"], ["deletion"]),
        .init(
            "TokenRevocationFailed", [.failure], .low,
            ecs: ["api"], ["denied"]),
        .init(
            "TokenReuseDetected", [.failure], .high,
            ecs: ["api", "authentication"], ["denied", "info"]),
        .init(
            "TokenRejected", [.failure], .low,
            ecs: ["api"], ["denied"]),
        .init(
            "ResourceAccessed", [.success], .info,
            ecs: ["api"], ["access"]),
        .init(
            "UserInfoAccessed", [.success], .info,
            ecs: ["api"], ["access"]),
        .init(
            "ClientAuthenticationFailed", [.failure], .medium,
            ecs: ["authentication"], ["start"]),
        .init(
            "LoginSucceeded", [.success], .info,
            ecs: ["authentication"], ["start"]),
        .init(
            "LoginFailed", [.failure], .low,
            ecs: ["authentication"], ["start"]),
        .init(
            "MfaChallenged", [.success], .info,
            ecs: ["authentication"], ["info"]),
        .init(
            "MfaSucceeded", [.success], .info,
            ecs: ["authentication"], ["info"]),
        .init(
            "MfaFailed", [.failure], .medium,
            ecs: ["authentication"], ["info"]),
        .init(
            "LoggedOut", [.success], .info,
            ecs: ["authentication"], ["end"]),
        .init(
            "LogoutFailed", [.failure], .low,
            ecs: ["authentication"], ["end"]),
        .init(
            "SessionStarted", [.success], .info,
            ecs: ["session"], ["start"]),
        .init(
            "SessionEnded", [.success], .info,
            ecs: ["session"], ["end"]),
        .init(
            "SessionRevoked", [.success], .medium,
            ecs: ["session"], ["end"]),
        .init(
            "UserImpersonated", [.success], .high,
            ecs: ["authentication"], ["start"]),
        .init(
            "IdentityLinked", [.success], .low,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "IdentityUnlinked", [.success], .low,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "UserCreated", [.success], .low,
            ecs: ["iam"], ["user", "creation"]),
        .init(
            "UserUpdated", [.success], .info,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "UserDeleted", [.success], .medium,
            ecs: ["iam"], ["user", "deletion"]),
        .init(
            "UserEnabled", [.success], .low,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "UserDisabled", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "UserLocked", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "UserUnlocked", [.success], .low,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "PasswordChanged", [.success], .low,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "PasswordResetRequested", [.success], .low,
            ecs: ["iam"], ["user", "info"]),
        .init(
            "PasswordReset", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "CredentialAdded", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "CredentialRemoved", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "RoleGranted", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "RoleRevoked", [.success], .medium,
            ecs: ["iam"], ["user", "change"]),
        .init(
            "GroupMemberAdded", [.success], .low,
            ecs: ["iam"], ["group", "change"]),
        .init(
            "GroupMemberRemoved", [.success], .low,
            ecs: ["iam"], ["group", "change"]),
        .init(
            "ClientRegistered", [.success], .medium,
            ecs: ["configuration"], ["creation"]),
        .init(
            "ClientUpdated", [.success], .low,
            ecs: ["configuration"], ["change"]),
        .init(
            "ClientScopeChanged", [.success], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "ClientCredentialChanged", [.success], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "ClientEnabled", [.success], .low,
            ecs: ["configuration"], ["change"]),
        .init(
            "ClientDisabled", [.success], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "ClientDeleted", [.success], .medium,
            ecs: ["configuration"], ["deletion"]),
        .init(
            "SigningKeyRotated", [.success], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "ConfigurationChanged", [.success], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "AdminActionFailed", [.failure], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "RiskDetected", [.unknown], .high,
            ecs: ["authentication"], ["info"]),
        .init(
            "Unclassified", [.unknown], .info,
            ecs: ["api"], ["info"]),
        .init(
            "AgentStarted", [.success], .info,
            ecs: ["configuration"], ["info"]),
        .init(
            "AgentStopped", [.success], .low,
            ecs: ["configuration"], ["info"]),
        .init(
            "AgentKeyRotated", [.success], .medium,
            ecs: ["configuration"], ["change"]),
        .init(
            "AgentEventsLost", [.failure], .high,
            ecs: ["configuration"], ["info"]),
        .init(
            "CheckpointSigned", [.success], .info,
            ecs: ["configuration"], ["info"]),
    ]
}
