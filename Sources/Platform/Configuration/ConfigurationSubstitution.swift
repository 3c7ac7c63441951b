// SPDX-License-Identifier: Apache-2.0

/// What `${…}` may refer to: environment variables and small files.
public struct ConfigurationEnvironment: Sendable {
    /// The value of an environment variable; nil when it is not set.
    public var variable: @Sendable (String) -> String?

    /// Answers from a dictionary.
    public init(_ variables: [String: String]) {
        variable = { variables[$0] }
    }

    /// Answers from the closure.
    public init(variable: @escaping @Sendable (String) -> String?) {
        self.variable = variable
    }

    /// The environment of this process.
    public static let process = ConfigurationEnvironment { ProcessFacts.environment($0) }
}

/// Replaces `${VAR}`, `${VAR:-default}`, `${file:/path}`, `${credential:name}` and `$$` in the
/// values of a tree, never in its keys. What was put in is not looked at again.
struct ConfigurationSubstitution {
    private let environment: ConfigurationEnvironment
    private let problems: ConfigurationProblems

    init(_ environment: ConfigurationEnvironment, _ problems: ConfigurationProblems) {
        self.environment = environment
        self.problems = problems
    }

    /// The tree with every value filled in. What cannot be filled in is a problem at its place.
    func substitute(_ node: ConfigurationNode) -> ConfigurationNode {
        var result = node
        switch node.content {
        case .null: break
        case .sequence(let elements): result.content = .sequence(elements.map(substitute))
        case .mapping(let entries):
            result.content = .mapping(entries.map { ($0.key, substitute($0.value)) })
        case .scalar(let text, let style):
            guard text.utf8.contains(UInt8(ascii: "$")) else { break }
            do throws(Unfilled) {
                (result.content, result.isSecret) = try fill(text, style)
            } catch {
                problems.add(at: node, error.sentence, isElsewhere: error.isElsewhere)
                result.content = .scalar("", style)
                result.isBroken = true
            }
        }
        return result
    }

    private func fill(
        _ text: String, _ style: ConfigurationNode.ScalarStyle
    ) throws(Unfilled) -> (ConfigurationNode.Content, isSecret: Bool) {
        var result = ""
        var isSecret = false
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                result += "$"
                rest = rest.dropFirst()
            } else if rest.first != "{" {
                result += "$"
            } else if let end = rest.firstIndex(of: "}") {
                let value = try value(of: rest[..<end].dropFirst())
                rest = rest[rest.index(after: end)...]
                result += value.text
                isSecret = isSecret || value.isSecret
            } else {
                throw Unfilled("has a ${ without its }; write $${ for the text ${")
            }
        }
        return (.scalar(result + rest, style), isSecret)
    }

    private func value(of reference: Substring) throws(Unfilled) -> (text: String, isSecret: Bool) {
        let parts = reference.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard parts.count == 2 else { return (try variable(name, fallback: nil), false) }
        if name == "file" { return (try file(String(parts[1])), true) }
        if name == "credential" { return (try credential(String(parts[1])), true) }
        guard parts[1].first == "-" else {
            let shown = ConfigurationText.quoted("${\(reference)}")
            throw Unfilled(
                "has \(shown); write ${NAME}, ${NAME:-default}, ${file:/path} or "
                    + "${credential:name}, and $${ for the text ${")
        }
        return (try variable(name, fallback: String(parts[1].dropFirst())), false)
    }

    private func variable(_ name: String, fallback: String?) throws(Unfilled) -> String {
        guard isName(name) else {
            let shown = ConfigurationText.quoted("${\(name)}")
            throw Unfilled(
                "has \(shown), which is no name of a variable; use letters, digits and _, and "
                    + "write $${ for the text ${")
        }
        let value = environment.variable(name)
        // As in a shell, `:-` also stands in for a variable that is set but empty.
        if let fallback { return value.flatMap { $0.isEmpty ? nil : $0 } ?? fallback }
        guard let value else {
            throw Unfilled(
                "needs the environment variable \(name), which is not set; set it or write "
                    + "${\(name):-default}",
                isElsewhere: name == "CREDENTIALS_DIRECTORY" && !isService)
        }
        return value
    }

    private func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
        }
    }

    private func credential(_ name: String) throws(Unfilled) -> String {
        guard !name.isEmpty, !name.contains("/"), name != ".", name != ".." else {
            throw Unfilled("has a credential without a plain name; write ${credential:name}")
        }
        guard let folder = environment.variable("CREDENTIALS_DIRECTORY"), !folder.isEmpty else {
            throw Unfilled(
                "needs the credential \(ConfigurationText.quoted(name)), but systemd gave none: "
                    + "CREDENTIALS_DIRECTORY is not set; add LoadCredential=\(name):/path to the "
                    + "unit, or use ${file:/path}",
                isElsewhere: !isService)
        }
        return try file(folder + "/" + name)
    }

    /// Whether systemd started this process for a unit: what is missing then, the unit lacks.
    private var isService: Bool {
        environment.variable("INVOCATION_ID").map { !$0.isEmpty } ?? false
    }

    private func file(_ path: String) throws(Unfilled) -> String {
        guard path.hasPrefix("/") else {
            throw Unfilled(
                "needs a file by its whole path, which begins with /; write ${file:/path}")
        }
        do throws(ConfigurationFile.Refusal) {
            var file = try ConfigurationFile(
                path, byteLimit: ConfigurationLimit.secretByteLimit)
            defer { Secret.wipe(&file.bytes) }
            return try text(of: file)
        } catch {
            let shown = ConfigurationText.quoted(path)
            throw Unfilled("needs the secret file \(shown), which \(error.reason)")
        }
    }

    /// The content without one newline at its end, which editors and `echo` add.
    private func text(
        of file: borrowing ConfigurationFile
    ) throws(ConfigurationFile.Refusal) -> String {
        guard file.permissions & 0o007 == 0 else {
            throw ConfigurationFile.Refusal(
                "everybody can use; run chmod o= on it (in Kubernetes set defaultMode: 0440)")
        }
        guard let text = String(validating: file.bytes, as: UTF8.self),
            !file.bytes.contains(0)
        else {
            throw ConfigurationFile.Refusal(
                "is not UTF-8 text; store the secret in hexadecimal or Base64")
        }
        // A character may be a carriage return and a newline in one; a scalar is not.
        let endsLine = text.unicodeScalars.last == "\n"
        let secret = endsLine ? String(text.unicodeScalars.dropLast()) : text
        guard !secret.isEmpty else { throw ConfigurationFile.Refusal("is empty; fill it") }
        return secret
    }

    /// Why a value could not be filled in.
    private struct Unfilled: Error {
        let sentence: String
        let isElsewhere: Bool

        init(_ sentence: String, isElsewhere: Bool = false) {
            self.sentence = sentence
            self.isElsewhere = isElsewhere
        }
    }
}
