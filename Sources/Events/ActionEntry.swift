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
    /// The class of OCSF 1.8.
    public let ocsfClass: OCSFClass
    /// `activity_id` in that class; 99 is "Other", and then `activity_name` is the action.
    public let ocsfActivity: UInt8
    /// The data model of Splunk's CIM; nil where none has a place for it.
    public let cim: CIMModel?

    init(
        _ name: StaticString, _ outcomes: [Outcome], _ severity: Severity,
        ecs categories: [StaticString], _ types: [StaticString],
        ocsf ocsfClass: OCSFClass, _ activity: UInt8, cim: CIMModel? = nil
    ) {
        self.name = name
        self.outcomes = outcomes
        self.severity = severity
        ecsCategories = categories
        ecsTypes = types
        self.ocsfClass = ocsfClass
        ocsfActivity = activity
        self.cim = cim
    }

    /// All rows, in the order of `Action`.
    public static let table: [ActionEntry] = [
        .init(
            "AuthorizationRequested", [.success], .info,
            ecs: ["api"], ["start"],
            ocsf: .apiActivity, 1),
        .init(
            "AuthorizationCodeIssued", [.success], .info,
            ecs: ["api", "authentication"], ["creation", "info"],
            ocsf: .apiActivity, 1, cim: .init("Authentication", "success")),
        .init(
            "AuthorizationFailed", [.failure, .denied], .low,
            ecs: ["api", "authentication"], ["denied", "info"],
            ocsf: .apiActivity, 1, cim: .init("Authentication", "failure")),
        .init(
            "ConsentGranted", [.success], .info,
            ecs: ["iam"], ["user", "change"],
            ocsf: .userAccess, 1, cim: .init("Change", "created")),
        .init(
            "ConsentDenied", [.denied], .low,
            ecs: ["iam"], ["user", "info"],
            ocsf: .userAccess, 1, cim: .init("Change", "created")),
        .init(
            "ConsentRevoked", [.success], .medium,
            ecs: ["iam"], ["user", "deletion"],
            ocsf: .userAccess, 2, cim: .init("Change", "deleted")),
        .init(
            "DeviceAuthorizationRequested", [.success], .info,
            ecs: ["api"], ["start"],
            ocsf: .apiActivity, 1),
        .init(
            "DeviceAuthorizationApproved", [.success], .info,
            ecs: ["api", "authentication"], ["allowed", "info"],
            ocsf: .apiActivity, 3, cim: .init("Authentication", "success")),
        .init(
            "AccessTokenIssued", [.success], .info,
            ecs: ["api", "authentication"], ["creation", "info"],
            ocsf: .apiActivity, 1, cim: .init("Authentication", "success")),
        .init(
            "RefreshTokenIssued", [.success], .info,
            ecs: ["api"], ["creation"],
            ocsf: .apiActivity, 1),
        .init(
            "IdTokenIssued", [.success], .info,
            ecs: ["api"], ["creation"],
            ocsf: .apiActivity, 1),
        .init(
            "TokenRefreshed", [.success], .info,
            ecs: ["api", "authentication"], ["change", "info"],
            ocsf: .apiActivity, 3, cim: .init("Authentication", "success")),
        .init(
            "TokenExchanged", [.success], .info,
            ecs: ["api", "authentication"], ["creation", "info"],
            ocsf: .apiActivity, 1, cim: .init("Authentication", "success")),
        .init(
            "TokenRequestFailed", [.failure], .medium,
            ecs: ["api", "authentication"], ["denied", "info"],
            ocsf: .apiActivity, 1, cim: .init("Authentication", "failure")),
        .init(
            "TokenIntrospected", [.success], .info,
            ecs: ["api"], ["access"],
            ocsf: .apiActivity, 2),
        .init(
            "TokenIntrospectionFailed", [.failure], .low,
            ecs: ["api"], ["denied"],
            ocsf: .apiActivity, 2),
        .init(
            "TokenRevoked", [.success], .info,
            ecs: ["api"], ["deletion"],
            ocsf: .apiActivity, 4, cim: .init("Change", "deleted")),
        .init(
            "TokenRevocationFailed", [.failure], .low,
            ecs: ["api"], ["denied"],
            ocsf: .apiActivity, 4, cim: .init("Change", "deleted")),
        .init(
            "TokenReuseDetected", [.failure], .high,
            ecs: ["api", "authentication"], ["denied", "info"],
            ocsf: .apiActivity, 1, cim: .init("Authentication", "failure")),
        .init(
            "TokenRejected", [.failure], .low,
            ecs: ["api"], ["denied"],
            ocsf: .apiActivity, 2),
        .init(
            "ResourceAccessed", [.success], .info,
            ecs: ["api"], ["access"],
            ocsf: .apiActivity, 2),
        .init(
            "UserInfoAccessed", [.success], .info,
            ecs: ["api"], ["access"],
            ocsf: .apiActivity, 2),
        .init(
            "ClientAuthenticationFailed", [.failure], .medium,
            ecs: ["authentication"], ["start"],
            ocsf: .authentication, 1, cim: .init("Authentication", "failure")),
        .init(
            "LoginSucceeded", [.success], .info,
            ecs: ["authentication"], ["start"],
            ocsf: .authentication, 1, cim: .init("Authentication", "success")),
        .init(
            "LoginFailed", [.failure], .low,
            ecs: ["authentication"], ["start"],
            ocsf: .authentication, 1, cim: .init("Authentication", "failure")),
        .init(
            "MfaChallenged", [.success], .info,
            ecs: ["authentication"], ["info"],
            ocsf: .authentication, 6, cim: .init("Authentication", "pending")),
        .init(
            "MfaSucceeded", [.success], .info,
            ecs: ["authentication"], ["info"],
            ocsf: .authentication, 6, cim: .init("Authentication", "success")),
        .init(
            "MfaFailed", [.failure], .medium,
            ecs: ["authentication"], ["info"],
            ocsf: .authentication, 6, cim: .init("Authentication", "failure")),
        .init(
            "LoggedOut", [.success], .info,
            ecs: ["authentication"], ["end"],
            ocsf: .authentication, 2, cim: .init("Authentication", "success")),
        .init(
            "LogoutFailed", [.failure], .low,
            ecs: ["authentication"], ["end"],
            ocsf: .authentication, 2, cim: .init("Authentication", "failure")),
        .init(
            "SessionStarted", [.success], .info,
            ecs: ["session"], ["start"],
            ocsf: .authentication, 1),
        .init(
            "SessionEnded", [.success], .info,
            ecs: ["session"], ["end"],
            ocsf: .authentication, 2),
        .init(
            "SessionRevoked", [.success], .medium,
            ecs: ["session"], ["end"],
            ocsf: .authentication, 2, cim: .init("Change", "deleted")),
        .init(
            "UserImpersonated", [.success], .high,
            ecs: ["authentication"], ["start"],
            ocsf: .authentication, 7, cim: .init("Authentication", "success")),
        .init(
            "IdentityLinked", [.success], .low,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 99, cim: .init("Change", "modified")),
        .init(
            "IdentityUnlinked", [.success], .low,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 99, cim: .init("Change", "modified")),
        .init(
            "UserCreated", [.success], .low,
            ecs: ["iam"], ["user", "creation"],
            ocsf: .accountChange, 1, cim: .init("Change", "created")),
        .init(
            "UserUpdated", [.success], .info,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 99, cim: .init("Change", "modified")),
        .init(
            "UserDeleted", [.success], .medium,
            ecs: ["iam"], ["user", "deletion"],
            ocsf: .accountChange, 6, cim: .init("Change", "deleted")),
        .init(
            "UserEnabled", [.success], .low,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 2, cim: .init("Change", "modified")),
        .init(
            "UserDisabled", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 5, cim: .init("Change", "modified")),
        .init(
            "UserLocked", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 9, cim: .init("Change", "modified")),
        .init(
            "UserUnlocked", [.success], .low,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 12, cim: .init("Change", "modified")),
        .init(
            "PasswordChanged", [.success], .low,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 3, cim: .init("Change", "modified")),
        .init(
            "PasswordResetRequested", [.success], .low,
            ecs: ["iam"], ["user", "info"],
            ocsf: .accountChange, 4, cim: .init("Change", "modified")),
        .init(
            "PasswordReset", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 4, cim: .init("Change", "modified")),
        .init(
            "CredentialAdded", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 10, cim: .init("Change", "created")),
        .init(
            "CredentialRemoved", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .accountChange, 11, cim: .init("Change", "deleted")),
        .init(
            "RoleGranted", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .userAccess, 1, cim: .init("Change", "acl_modified")),
        .init(
            "RoleRevoked", [.success], .medium,
            ecs: ["iam"], ["user", "change"],
            ocsf: .userAccess, 2, cim: .init("Change", "acl_modified")),
        .init(
            "GroupMemberAdded", [.success], .low,
            ecs: ["iam"], ["group", "change"],
            ocsf: .groupManagement, 3, cim: .init("Change", "acl_modified")),
        .init(
            "GroupMemberRemoved", [.success], .low,
            ecs: ["iam"], ["group", "change"],
            ocsf: .groupManagement, 4, cim: .init("Change", "acl_modified")),
        .init(
            "ClientRegistered", [.success], .medium,
            ecs: ["configuration"], ["creation"],
            ocsf: .entityManagement, 1, cim: .init("Change", "created")),
        .init(
            "ClientUpdated", [.success], .low,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3, cim: .init("Change", "modified")),
        .init(
            "ClientScopeChanged", [.success], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3, cim: .init("Change", "acl_modified")),
        .init(
            "ClientCredentialChanged", [.success], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3, cim: .init("Change", "modified")),
        .init(
            "ClientEnabled", [.success], .low,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 8, cim: .init("Change", "modified")),
        .init(
            "ClientDisabled", [.success], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 9, cim: .init("Change", "modified")),
        .init(
            "ClientDeleted", [.success], .medium,
            ecs: ["configuration"], ["deletion"],
            ocsf: .entityManagement, 4, cim: .init("Change", "deleted")),
        .init(
            "SigningKeyRotated", [.success], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3, cim: .init("Change", "modified")),
        .init(
            "ConfigurationChanged", [.success], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3, cim: .init("Change", "modified")),
        .init(
            "AdminActionFailed", [.failure], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3, cim: .init("Change", "modified")),
        .init(
            "RiskDetected", [.unknown], .high,
            ecs: ["authentication"], ["info"],
            ocsf: .authentication, 99),
        .init(
            "Unclassified", [.unknown], .info,
            ecs: ["api"], ["info"],
            ocsf: .apiActivity, 0),
        .init(
            "AgentStarted", [.success], .info,
            ecs: ["configuration"], ["info"],
            ocsf: .entityManagement, 10),
        .init(
            "AgentStopped", [.success], .low,
            ecs: ["configuration"], ["info"],
            ocsf: .entityManagement, 11),
        .init(
            "AgentKeyRotated", [.success], .medium,
            ecs: ["configuration"], ["change"],
            ocsf: .entityManagement, 3),
        .init(
            "AgentEventsLost", [.failure], .high,
            ecs: ["configuration"], ["info"],
            ocsf: .entityManagement, 99),
        .init(
            "CheckpointSigned", [.success], .info,
            ecs: ["configuration"], ["info"],
            ocsf: .entityManagement, 99),
    ]
}
