// SPDX-License-Identifier: Apache-2.0
import Parsing
import Platform
import Sealing

/// A first configuration, written from what was found on a machine.
///
/// Whatever files are called, the text is YAML that says what is meant: names stand in quotes.
public struct ConfigurationDraft: Sendable {
    private let survey: MachineSurvey
    private let hostName: String
    private let stateFolder: String

    /// Prepares a draft.
    ///
    /// - Parameters:
    ///   - hostName: names the agent where it can.
    ///   - stateFolder: where the agent keeps its state.
    public init(_ survey: MachineSurvey, hostName: String, stateFolder: String) {
        self.survey = survey
        self.hostName = hostName
        self.stateFolder = stateFolder
    }

    /// Where the first sink writes.
    public var eventsPath: String { stateFolder + "/events.ndjson" }

    /// The whole file.
    public var text: String {
        """
        # Sealtail, as `sealtail init` found this machine. The manual of every key:
        # sealtail.yaml(5), and agent.yaml in the documentation of the package.

        agent:
          # Names the signing key and all streams; choose it before the first start.
          name: \(YAMLText.quoted(name))
          # Keys, ledger, dead letters.
          state_dir: \(YAMLText.quoted(stateFolder))
          # /metrics, /livez, /readyz
          listen: 127.0.0.1:9464

        inputs:
        \(inputs.joined(separator: "\n\n"))

        ledger:
          max_size: 10GiB     # hard; delivered segments go first, oldest first
          retain: 30d         # a wish: keep this long after delivery

        sinks:
          # Works at once and needs nobody: one signed event a line. It grows until somebody moves
          # it away; take it out when a SIEM below gets the events.
          - id: archive
            type: file
            path: \(YAMLText.quoted(eventsPath))
        \(ConfigurationDraft.furtherSinks)

        """
    }

    private var name: String {
        KeyName.objection(to: hostName) == nil ? hostName : "idp1.example.com"
    }

    private static let furtherSinks = """

          # Elasticsearch or OpenSearch: take the # away and fill in endpoint and key.
          # `sealtail setup elasticsearch` puts the index templates there.
          # - id: siem
          #   type: elasticsearch
          #   endpoint: https://es.example.com:9200
          #   index: logs-oauth.audit-default
          #   format: ecs
          #   auth: {api_key: "${file:/etc/sealtail/es.key}"}
          #   # tls: {ca_file: /etc/sealtail/ca.pem}

          # Splunk's HTTP Event Collector, with a token that has indexer acknowledgement on.
          # - id: splunk
          #   type: splunk_hec
          #   endpoint: https://splunk.example.com:8088
          #   auth: {token: "${file:/etc/sealtail/splunk.token}"}
          #   # tls: {ca_file: /etc/sealtail/ca.pem}
        """

    // MARK: Inputs

    private var inputs: [String] {
        let files = survey.findings.compactMap { finding -> String? in
            let own = finding.logs.filter { !$0.isShared }
            return own.isEmpty ? nil : fileInput(finding, own)
        }
        let journals = survey.findings.filter { !$0.units.isEmpty }.map(journalInput)
        let shared = survey.findings.flatMap { finding in finding.logs.filter(\.isShared) }
        let all = files + journals + (shared.isEmpty ? [] : [sharedInput(shared)])
        return all.isEmpty ? [ConfigurationDraft.example] : all
    }

    private func fileInput(
        _ finding: MachineSurvey.Finding, _ logs: [MachineSurvey.FoundLog]
    ) -> String {
        var lines = ["  # \(comment(finding.product))"]
        lines += logs.flatMap(remarks)
        if let need = finding.coverage.successesNeed {
            lines.append("  # Successes are logged only with: \(comment(need))")
        }
        lines += [
            "  - id: \(finding.parser)", "    type: file", "    paths:",
        ]
        for pattern in unique(logs.map(\.pattern)) {
            lines.append("      - \(YAMLText.quoted(pattern))")
        }
        lines.append("    parser: \(finding.parser)")
        return lines.joined(separator: "\n")
    }

    private func sharedInput(_ logs: [MachineSurvey.FoundLog]) -> String {
        var lines = ["  # Several products write here: each line goes to the parser that knows it."]
        lines += logs.flatMap(remarks)
        lines += ["  - id: shared", "    type: file", "    paths:"]
        for pattern in unique(logs.map(\.pattern)) {
            lines.append("      - \(YAMLText.quoted(pattern))")
        }
        lines.append("    parser: auto")
        return lines.joined(separator: "\n")
    }

    private func journalInput(_ finding: MachineSurvey.Finding) -> String {
        let units = finding.units.map(YAMLText.quoted).joined(separator: ", ")
        var lines = ["  # \(comment(finding.product)) writes to the journal."]
        if let need = finding.coverage.successesNeed {
            lines.append("  # Successes are logged only with: \(comment(need))")
        }
        lines += [
            "  - id: \(finding.parser)_journal", "    type: journal", "    units: [\(units)]",
            "    start_at: beginning", "    parser: \(finding.parser)",
        ]
        if !survey.root.isEmpty {
            lines.append("    directory: \(YAMLText.quoted(survey.root + "/var/log/journal"))")
        }
        return lines.joined(separator: "\n")
    }

    private func remarks(_ log: MachineSurvey.FoundLog) -> [String] {
        let path = YAMLText.quoted(log.path)
        switch log.content {
        case .recognised(let percent):
            return ["  # \(path): \(percent) % of the lines looked at are known"]
        case .empty: return ["  # \(path): empty as yet"]
        case .unreadable: return ["  # \(path): could not be looked into"]
        }
    }

    private func unique(_ patterns: [String]) -> [String] {
        var seen: Set<String> = []
        return patterns.filter { seen.insert($0).inserted }
    }

    /// A text as it may stand in a comment: on one line.
    private func comment(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    private static let example = """
          # No log of a known product was found. Name the files of yours; `sealtail parsers list`
          # says which products are known, and auto finds out whose lines they are.
          - id: idp
            type: file
            paths: ["/var/log/idp/*.log"]
            parser: auto
        """
}

/// Texts as YAML scalars in double quotes (YAML 1.1, chapter 5.7).
enum YAMLText {
    /// The scalar; `${…}` in it stays as it is and is not filled in.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            // The loader takes two for one.
            case "$": result += "$$"
            case " "..."~": result.unicodeScalars.append(scalar)
            default: result += YAMLText.escaped(scalar)
            }
        }
        return result + "\""
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let (mark, width) = scalar.value < 0x100 ? ("x", 2) : ("U", 8)
        return "\\" + mark + String(repeating: "0", count: width - digits.count) + digits
    }
}
