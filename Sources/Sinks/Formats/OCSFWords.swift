// SPDX-License-Identifier: Apache-2.0
import Events

/// The numbers and captions of OCSF 1.8 for words of the canonical event.
enum OCSFWords {
    static func caption(_ severity: Severity) -> String {
        switch severity {
        case .info: "\"Informational\""
        case .low: "\"Low\""
        case .medium: "\"Medium\""
        case .high: "\"High\""
        case .critical: "\"Critical\""
        }
    }

    static func status(_ outcome: Outcome) -> (id: String, caption: String) {
        switch outcome {
        case .success: ("1", "\"Success\"")
        case .failure, .denied: ("2", "\"Failure\"")
        case .unknown: ("0", "\"Unknown\"")
        }
    }

    // `user.type_id`. A client that acts for itself is what OCSF calls a service.
    static let userTypeNumber = DocumentForm.translated(
        [("user", "1"), ("admin", "2"), ("system", "3"), ("client", "4")], otherwise: "0")
    static let userType = DocumentForm.translated(
        [
            ("user", "\"User\""), ("admin", "\"Admin\""), ("system", "\"System\""),
            ("client", "\"Service\""),
        ], otherwise: "\"Unknown\"")
    // Roles are granted to groups and clients as well.
    static let targetUserTypeNumber = DocumentForm.translated(
        [("user", "1"), ("client", "4")], otherwise: "99")
    static let targetUserType = DocumentForm.translated(
        [("user", "\"User\""), ("client", "\"Service\"")], otherwise: nil)

    // `managed_entity.type_id`, which knows no client, role or key.
    static let entityTypeNumber = DocumentForm.translated(
        [("user", "2"), ("group", "3"), ("policy", "5")], otherwise: "99")
    static let entityType = DocumentForm.translated(
        [("user", "\"User\""), ("group", "\"Group\""), ("policy", "\"Policy\"")], otherwise: nil)

    // `token.type_id`, which knows no access token.
    static let tokenTypeNumber = DocumentForm.translated(
        [("id_token", "3"), ("refresh_token", "4")], otherwise: "99")
    static let tokenType = DocumentForm.translated(
        [("id_token", "\"Identity Token\""), ("refresh_token", "\"Refresh Token\"")],
        otherwise: nil)

    /// One `auth_factor`, by the method of RFC 8176.
    struct Factor: Sendable {
        let method: QuotedWord
        let number: UInt64
        let caption: StaticString

        init(_ method: StaticString, _ number: UInt64, _ caption: StaticString) {
            self.method = QuotedWord(method)
            self.number = number
            self.caption = caption
        }
    }

    /// The methods that OCSF has a number for. Any other is 99 with its own name.
    static let factors = [
        Factor("pwd", 11, "Password"), Factor("otp", 7, "OTP"), Factor("sms", 1, "SMS"),
        Factor("tel", 3, "Phone Call"), Factor("hwk", 6, "Hardware Token"),
        Factor("sc", 6, "Hardware Token"), Factor("swk", 10, "WebAuthn"),
        Factor("fpt", 4, "Biometric"), Factor("face", 4, "Biometric"),
        Factor("iris", 4, "Biometric"), Factor("retina", 4, "Biometric"),
        Factor("vbm", 4, "Biometric"), Factor("kba", 2, "Security Question"),
    ]

    /// What RFC 8176 lists among the methods although it is no factor: how many there were, over
    /// how many channels, that somebody was there, where, and at what risk.
    static let noFactors = ["mfa", "mca", "user", "geo", "rba"].map { QuotedWord($0) }
    static let severalFactors = QuotedWord("mfa")

    /// The methods of HTTP that OCSF lists.
    static let methods: [QuotedWord] = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE",
    ].map { QuotedWord($0) }
}
