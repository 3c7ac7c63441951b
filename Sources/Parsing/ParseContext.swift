// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What the configuration of an input adds to its parser.
public struct ParseContext: Sendable {
    /// The zone of times that are written without one.
    public var timezone: Zone
    /// `labels` of every event; names of a-z, 0-9 and _.
    public var labels: [String: String]
    /// `provider.tenant` of every event, in place of what the record says.
    public var tenant: String?
    /// Fingerprints and pseudonyms.
    public var privacy: PrivacyPolicy
    /// Whether events carry the record in `raw`.
    public var keepsRaw: Bool
    /// Severities that the operator chose in place of the defaults.
    public var severities: [Action: Severity]

    /// The longest `raw` that is handed on; the encoder cuts further.
    public static let rawByteLimit = 32 << 10

    /// Describes the surroundings of a parser.
    public init(
        timezone: Zone, labels: [String: String] = [:], tenant: String? = nil,
        privacy: PrivacyPolicy, keepsRaw: Bool = false, severities: [Action: Severity] = [:]
    ) {
        self.timezone = timezone
        self.labels = labels
        self.tenant = tenant
        self.privacy = privacy
        self.keepsRaw = keepsRaw
        self.severities = severities
    }
}
