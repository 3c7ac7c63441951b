// SPDX-License-Identifier: Apache-2.0
import Platform

/// A configuration that strangers may see.
///
/// What may be shown is listed, and everything else is `***`: a key that is forgotten here hides
/// too much, never too little. References such as `${VAR}` are shown as they are written.
public struct RedactedConfiguration: Sendable {
    /// The text, as YAML.
    public let text: String
    /// What was hidden, as it is written and as it is filled in, to be hidden elsewhere too.
    public let secrets: Set<String>

    /// Keys whose values say how the agent works and nothing else.
    private static let shownKeys: Set<String> = [
        "acknowledge", "acknowledge_timeout", "actions", "body", "bucket", "ca_file", "cert_file",
        "client_ca_file", "compress", "compression", "create", "delimiter", "directory",
        "enterprise_number", "error_codes", "exclude", "facility", "files", "format", "framing",
        "grace", "id", "idle_timeout", "identifiers", "in_flight", "index", "initial",
        "insecure_skip_verify", "interval", "keep", "key_file", "level", "listen", "log_group",
        "log_stream", "max", "max_body_bytes", "max_bytes", "max_connections", "max_events",
        "max_message_bytes", "max_record_bytes", "max_records", "max_size", "max_wait",
        "mechanism", "method", "min_severity", "mode", "name", "outcomes", "parser",
        "parsers_dir", "path_style", "paths", "pin_sha256", "pseudonymize", "quiet",
        "receive_buffer", "region", "retain", "server_name", "server_side_encryption", "size",
        "source", "sourcetype", "start_at", "state_dir", "storage_class", "sync", "timeout",
        "timezone", "topic", "transport", "type", "units", "when_full",
    ]
    /// Keys whose values are addresses, of which the host and the port are shown.
    private static let addressKeys: Set<String> = ["brokers", "endpoint", "proxy"]
    /// A value shorter than this is not looked for elsewhere: it would be found in anything.
    private static let secretByteCount = 4

    /// Redacts a tree as it is written.
    ///
    /// - Parameter filled: the same tree with `${…}` filled in; nil when that was not possible.
    public init(_ written: ConfigurationNode, filled: ConfigurationNode?) {
        var secrets: Set<String> = []
        var lines: [String] = []
        RedactedConfiguration.write(written, key: "", depth: 0, &lines, &secrets)
        if let filled {
            var ignored: [String] = []
            RedactedConfiguration.write(filled, key: "", depth: 0, &ignored, &secrets)
            RedactedConfiguration.collect(written, filled, &secrets)
        }
        text = lines.joined(separator: "\n") + "\n"
        self.secrets = secrets
    }

    private static func write(
        _ node: ConfigurationNode, key: String, depth: Int, _ lines: inout [String],
        _ secrets: inout Set<String>
    ) {
        let pad = String(repeating: "  ", count: depth)
        switch node.content {
        case .null: lines.append("\(pad)null")
        case .scalar(let text, _):
            lines.append(pad + shown(text, key, node.isSecret, &secrets))
        case .sequence(let elements):
            for element in elements {
                lines.append("\(pad)-")
                write(element, key: key, depth: depth + 1, &lines, &secrets)
            }
        case .mapping(let entries):
            for entry in entries {
                let name = entry.key.scalar ?? ""
                // Names of labels and headers are somebody's own as well.
                let isOwn = key == "labels" || key == "headers"
                let inner = isOwn ? key : name
                lines.append("\(pad)\(ConfigurationText.visible(isOwn ? "***" : name)):")
                if name == "path", node["type"]?.scalar == "file" {
                    lines.append(pad + "  " + ConfigurationText.visible(entry.value.scalar ?? ""))
                } else {
                    write(entry.value, key: inner, depth: depth + 1, &lines, &secrets)
                }
            }
        }
    }

    private static func shown(
        _ text: String, _ key: String, _ isSecret: Bool, _ secrets: inout Set<String>
    ) -> String {
        if !isSecret {
            if isReference(text) { return text }
            if shownKeys.contains(key), !text.contains("://") {
                return ConfigurationText.visible(text)
            }
            if addressKeys.contains(key) || shownKeys.contains(key) {
                return address(text, &secrets)
            }
        }
        // A name is nobody's secret and may be a word of any sentence.
        if key != "username" { hide(text, &secrets) }
        return "***"
    }

    /// Whether a value is one reference and nothing else, without a default.
    private static func isReference(_ text: String) -> Bool {
        text.hasPrefix("${") && text.hasSuffix("}") && !text.contains(":-")
            && text.dropFirst(2).dropLast().allSatisfy { $0 != "{" && $0 != "}" && $0 != "$" }
    }

    /// A URL without what may be secret in it: user, password, path and query.
    private static func address(_ text: String, _ secrets: inout Set<String>) -> String {
        var scheme = ""
        var rest = text[...]
        if let mark = text.firstRange(of: "://") {
            scheme = String(text[..<mark.upperBound])
            rest = text[mark.upperBound...]
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        if rest[end...].contains("@") {
            // It may be a password with a slash in it, of which the beginning looks like a host.
            for part in rest.split(whereSeparator: { "/?#&=:@".contains($0) }) {
                hide(String(part), &secrets)
            }
            hide(text, &secrets)
            return "***"
        }
        var host = rest[..<end]
        var isCut = end != rest.endIndex && rest[end...] != "/"
        if isCut { hide(String(rest[end...]), &secrets) }
        for part in rest[end...].split(whereSeparator: { "/?#&=".contains($0) }) where isCut {
            hide(String(part), &secrets)
        }
        if let at = host.lastIndex(of: "@") {
            hide(String(host[..<at]), &secrets)
            for part in host[..<at].split(separator: ":") { hide(String(part), &secrets) }
            host = host[host.index(after: at)...]
            isCut = true
        }
        return ConfigurationText.visible(scheme + host + (isCut ? "/***" : ""))
    }

    /// What stands in a filled tree where a reference is written.
    private static func collect(
        _ written: ConfigurationNode, _ filled: ConfigurationNode, _ secrets: inout Set<String>
    ) {
        switch (written.content, filled.content) {
        case (.scalar(let before, _), .scalar(let after, _)):
            if before != after { hide(after, &secrets) }
        case (.sequence(let before), .sequence(let after)):
            for (one, other) in zip(before, after) { collect(one, other, &secrets) }
        case (.mapping(let before), .mapping(let after)):
            for (one, other) in zip(before, after) { collect(one.value, other.value, &secrets) }
        default: break
        }
    }

    private static func hide(_ text: String, _ secrets: inout Set<String>) {
        let parts = [text] + text.split(whereSeparator: \.isNewline).map(String.init)
        for part in parts where part.utf8.count >= secretByteCount { secrets.insert(part) }
    }

    /// A text with `***` for whatever was hidden in the configuration.
    public func redact(_ text: String) -> String {
        var result = text
        // The longest first, so that no part of one is left over by a shorter one.
        for secret in secrets.sorted(by: { ($0.utf8.count, $0) > ($1.utf8.count, $1) }) {
            let forms = [secret, ConfigurationText.quoted(secret)]
            for form in forms where result.contains(form) {
                result = result.split(separator: form, omittingEmptySubsequences: false)
                    .joined(separator: "***")
            }
        }
        return result
    }
}
