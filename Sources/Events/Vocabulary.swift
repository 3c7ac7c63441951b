// SPDX-License-Identifier: Apache-2.0

/// How it ended.
public enum Outcome: UInt8, CaseIterable, Sendable {
    /// It was done.
    case success
    /// It went wrong for any reason but a refusal.
    case failure
    /// Somebody or a policy said no.
    case denied
    /// The source does not say.
    case unknown

    /// The word in events.
    public var word: StaticString {
        switch self {
        case .success: "success"
        case .failure: "failure"
        case .denied: "denied"
        case .unknown: "unknown"
        }
    }
}

/// How much attention it deserves, from least to most.
public enum Severity: UInt8, CaseIterable, Sendable, Comparable {
    /// Everyday.
    case info
    /// Worth a look in numbers.
    case low
    /// Worth a look.
    case medium
    /// Somebody should look.
    case high
    /// Somebody should look now.
    case critical

    /// The word in events.
    public var word: StaticString {
        switch self {
        case .info: "info"
        case .low: "low"
        case .medium: "medium"
        case .high: "high"
        case .critical: "critical"
        }
    }

    /// Orders from least to most.
    public static func < (left: Severity, right: Severity) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Why it failed: the IANA OAuth Extensions Error registry, and words for what OAuth has none.
public enum ErrorCode: UInt8, CaseIterable, Sendable {
    /// `invalid_request`.
    case invalidRequest
    /// `invalid_client`.
    case invalidClient
    /// `invalid_grant`.
    case invalidGrant
    /// `unauthorized_client`.
    case unauthorizedClient
    /// `unsupported_grant_type`.
    case unsupportedGrantType
    /// `invalid_scope`.
    case invalidScope
    /// `access_denied`.
    case accessDenied
    /// `unsupported_response_type`.
    case unsupportedResponseType
    /// `server_error`.
    case serverError
    /// `temporarily_unavailable`.
    case temporarilyUnavailable
    /// `invalid_token`.
    case invalidToken
    /// `insufficient_scope`.
    case insufficientScope
    /// `unsupported_token_type`.
    case unsupportedTokenType
    /// `invalid_redirect_uri`.
    case invalidRedirectUri
    /// `invalid_client_metadata`.
    case invalidClientMetadata
    /// `invalid_software_statement`.
    case invalidSoftwareStatement
    /// `unapproved_software_statement`.
    case unapprovedSoftwareStatement
    /// `authorization_pending`.
    case authorizationPending
    /// `slow_down`.
    case slowDown
    /// `expired_token`.
    case expiredToken
    /// `invalid_target`.
    case invalidTarget
    /// `invalid_request_uri`.
    case invalidRequestUri
    /// `invalid_request_object`.
    case invalidRequestObject
    /// `request_not_supported`.
    case requestNotSupported
    /// `request_uri_not_supported`.
    case requestUriNotSupported
    /// `registration_not_supported`.
    case registrationNotSupported
    /// `interaction_required`.
    case interactionRequired
    /// `login_required`.
    case loginRequired
    /// `account_selection_required`.
    case accountSelectionRequired
    /// `consent_required`.
    case consentRequired
    /// `invalid_authorization_details`.
    case invalidAuthorizationDetails
    /// `invalid_dpop_proof`.
    case invalidDpopProof
    /// `use_dpop_nonce`.
    case useDpopNonce
    /// `insufficient_user_authentication`.
    case insufficientUserAuthentication
    /// `unknown_user_id`.
    case unknownUserId
    /// `expired_login_hint_token`.
    case expiredLoginHintToken
    /// `missing_user_code`.
    case missingUserCode
    /// `invalid_user_code`.
    case invalidUserCode
    /// `invalid_binding_message`.
    case invalidBindingMessage
    /// `transaction_failed`.
    case transactionFailed
    /// `invalid_user_credentials`.
    case invalidUserCredentials
    /// `user_not_found`.
    case userNotFound
    /// `user_disabled`.
    case userDisabled
    /// `user_locked`.
    case userLocked
    /// `password_expired`.
    case passwordExpired
    /// `mfa_required`.
    case mfaRequired
    /// `mfa_failed`.
    case mfaFailed
    /// `mfa_timeout`.
    case mfaTimeout
    /// `session_expired`.
    case sessionExpired
    /// `policy_denied`.
    case policyDenied
    /// `rate_limited`.
    case rateLimited
    /// `reuse_detected`.
    case reuseDetected
    /// `logout_failed`.
    case logoutFailed
    /// `provider_error`.
    case providerError
    /// `events_lost`.
    case eventsLost
    /// `unknown`.
    case unknown

    /// The word in events, as the registry spells it.
    @inline(__always)
    public var word: StaticString { ErrorCode.words[Int(rawValue)] }

    /// Finds the code that a word stands for; nil where the closed list has none.
    public init?(word: String) {
        guard let found = ErrorCode.byWord[word] else { return nil }
        self = found
    }

    /// The severity that the code forces, where it does: protocol chatter is `info`.
    public var severity: Severity? {
        switch self {
        case .authorizationPending, .slowDown, .useDpopNonce: .info
        default: nil
        }
    }

    /// True when the code means that somebody said no, which makes `AuthorizationFailed` denied.
    public var isDenial: Bool { self == .accessDenied || self == .policyDenied }

    private static let byWord = Dictionary(
        uniqueKeysWithValues: ErrorCode.allCases.map { (String(describing: $0.word), $0) })

    private static let words: [StaticString] = [
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
        "unsupported_grant_type", "invalid_scope", "access_denied", "unsupported_response_type",
        "server_error", "temporarily_unavailable", "invalid_token", "insufficient_scope",
        "unsupported_token_type", "invalid_redirect_uri", "invalid_client_metadata",
        "invalid_software_statement", "unapproved_software_statement", "authorization_pending",
        "slow_down", "expired_token", "invalid_target", "invalid_request_uri",
        "invalid_request_object", "request_not_supported", "request_uri_not_supported",
        "registration_not_supported", "interaction_required", "login_required",
        "account_selection_required", "consent_required", "invalid_authorization_details",
        "invalid_dpop_proof", "use_dpop_nonce", "insufficient_user_authentication",
        "unknown_user_id", "expired_login_hint_token", "missing_user_code", "invalid_user_code",
        "invalid_binding_message", "transaction_failed", "invalid_user_credentials",
        "user_not_found", "user_disabled", "user_locked", "password_expired", "mfa_required",
        "mfa_failed", "mfa_timeout", "session_expired", "policy_denied", "rate_limited",
        "reuse_detected", "logout_failed", "provider_error", "events_lost", "unknown",
    ]
}
