// SPDX-License-Identifier: Apache-2.0

/// What happened, from the closed list of 69.
///
/// A name states its outcome: what can be told apart by success and failure has two names.
public enum Action: UInt8, CaseIterable, Sendable {
    /// The server took up a request to its authorization, PAR or CIBA endpoint.
    case authorizationRequested
    /// A code, or an answer over the browser, went back to the client.
    case authorizationCodeIssued
    /// The authorization endpoint answered with an error.
    case authorizationFailed
    /// A user let a client have scopes.
    case consentGranted
    /// A user did not let a client have what it asked for.
    case consentDenied
    /// A consent that was on file is gone.
    case consentRevoked
    /// A device got a code to show to its user.
    case deviceAuthorizationRequested
    /// A user confirmed the code of a device.
    case deviceAuthorizationApproved
    /// An access token was issued; `grant.type` says by which grant.
    case accessTokenIssued
    /// A refresh token was issued and has a log line of its own.
    case refreshTokenIssued
    /// An ID token was issued and has a log line of its own.
    case idTokenIssued
    /// A refresh token was turned into new tokens.
    case tokenRefreshed
    /// A token was exchanged for another; `token.actor_id` names who acts.
    case tokenExchanged
    /// The token endpoint answered with an error.
    case tokenRequestFailed
    /// Introspection said whether a token is active.
    case tokenIntrospected
    /// Introspection was refused to the one who asked.
    case tokenIntrospectionFailed
    /// One token, or all of a subject, ceased to be valid.
    case tokenRevoked
    /// The revocation endpoint answered with an error.
    case tokenRevocationFailed
    /// A code or a rotated refresh token was presented a second time.
    case tokenReuseDetected
    /// A resource or the userinfo endpoint did not accept a token.
    case tokenRejected
    /// A resource was served to the holder of a token.
    case resourceAccessed
    /// The userinfo endpoint answered.
    case userInfoAccessed
    /// A client could not prove who it is.
    case clientAuthenticationFailed
    /// A user proved who they are.
    case loginSucceeded
    /// A user could not prove who they are with the first factor.
    case loginFailed
    /// A further factor was asked for.
    case mfaChallenged
    /// A further factor was accepted.
    case mfaSucceeded
    /// A further factor was wrong or came too late.
    case mfaFailed
    /// A user or a relying party ended the session by a logout.
    case loggedOut
    /// A logout was refused, or a party could not be told of it.
    case logoutFailed
    /// The provider opened a session.
    case sessionStarted
    /// A session came to its end by itself.
    case sessionEnded
    /// Somebody or a policy ended a session before its time.
    case sessionRevoked
    /// The actor took on the identity of the target.
    case userImpersonated
    /// An outside identity was attached to an account.
    case identityLinked
    /// An outside identity was detached from an account.
    case identityUnlinked
    /// An account came into being.
    case userCreated
    /// Attributes of an account changed.
    case userUpdated
    /// An account was removed.
    case userDeleted
    /// An account may be used again.
    case userEnabled
    /// An account may no longer be used.
    case userDisabled
    /// Protection against guessing locked an account.
    case userLocked
    /// A lock was lifted.
    case userUnlocked
    /// A user replaced their own password.
    case passwordChanged
    /// A way to set a new password was sent out.
    case passwordResetRequested
    /// A password was set by recovery or by an administrator.
    case passwordReset
    /// A factor, passkey or other credential was enrolled.
    case credentialAdded
    /// A factor, passkey or other credential was taken away.
    case credentialRemoved
    /// Somebody got a role or permission.
    case roleGranted
    /// Somebody lost a role or permission.
    case roleRevoked
    /// Somebody joined a group.
    case groupMemberAdded
    /// Somebody left a group.
    case groupMemberRemoved
    /// A client came into being, by hand or by registration.
    case clientRegistered
    /// Metadata of a client changed.
    case clientUpdated
    /// What a client may ask for changed.
    case clientScopeChanged
    /// The secret or key of a client was replaced.
    case clientCredentialChanged
    /// A client may be used again.
    case clientEnabled
    /// A client may no longer be used.
    case clientDisabled
    /// A client was removed.
    case clientDeleted
    /// A key of the provider was added, replaced or removed.
    case signingKeyRotated
    /// A setting of the realm, a policy, a flow or a federation changed.
    case configurationChanged
    /// An administrator's change was refused; `change.kind` says which.
    case adminActionFailed
    /// The provider itself raised an alarm.
    case riskDetected
    /// An audit line of the provider that has no name in this list.
    case unclassified
    /// The agent opened a stream.
    case agentStarted
    /// The agent closed a stream in good order.
    case agentStopped
    /// The agent goes on under another signing key.
    case agentKeyRotated
    /// Records were lost or could not be read; `agent.count` says how many.
    case agentEventsLost
    /// The agent signed the root over all events of the stream so far.
    case checkpointSigned

    /// The row of the table that belongs to the action.
    @inline(__always)
    public var entry: ActionEntry { ActionEntry.table[Int(rawValue)] }

    /// The name as it stands in events, `LoginSucceeded`.
    public var name: String { String(describing: entry.name) }

    /// Finds the action that a name stands for; nil where the closed list has none.
    public init?(name: String) {
        guard let found = Action.byName[name] else { return nil }
        self = found
    }

    private static let byName = Dictionary(
        uniqueKeysWithValues: Action.allCases.map { ($0.name, $0) })

    /// True for the five actions by which the agent speaks of itself.
    public var isAgentAction: Bool { rawValue >= Action.agentStarted.rawValue }
}
