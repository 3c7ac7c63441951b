// SPDX-License-Identifier: Apache-2.0
import Platform

/// What requests to AWS are signed with.
struct AWSCredentials: Sendable, Equatable {
    /// The name of the key; no secret.
    var accessKeyID: String
    /// The key.
    var secretAccessKey: Secret
    /// What goes with keys that somebody lent.
    var sessionToken: Secret?
    /// When they stop being good; nil when nobody said.
    var expiration: Timestamp?

    /// The longest document that is read for credentials, and the longest of its values.
    static let documentByteLimit = 64 << 10

    /// Takes the three values; nil when a key is missing or one could not stand in a header.
    init?(
        accessKeyID: String?, secretAccessKey: String?, sessionToken: String?,
        expiration: Timestamp? = nil
    ) {
        guard let accessKeyID, let secretAccessKey, !accessKeyID.isEmpty, !secretAccessKey.isEmpty
        else { return nil }
        let texts = [accessKeyID, secretAccessKey, sessionToken ?? ""]
        guard texts.allSatisfy({ $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } }) else {
            return nil
        }
        self.accessKeyID = accessKeyID
        self.secretAccessKey = Secret(Array(secretAccessKey.utf8))
        if let sessionToken, !sessionToken.isEmpty {
            self.sessionToken = Secret(Array(sessionToken.utf8))
        }
        self.expiration = expiration
    }

    /// Reads what a metadata service answers:
    /// `{"AccessKeyId":…,"SecretAccessKey":…,"Token":…,"Expiration":"2026-11-21T17:00:00Z"}`.
    init?(json body: [UInt8]) {
        guard body.count <= AWSCredentials.documentByteLimit,
            let document = try? JSONDocument(reading: body)
        else { return nil }
        self.init(
            accessKeyID: document["AccessKeyId"]?.string,
            secretAccessKey: document["SecretAccessKey"]?.string,
            sessionToken: document["Token"]?.string,
            expiration: document["Expiration"]?.string.flatMap { WrittenTime.internet($0) })
    }

    /// Reads what the token service answers to AssumeRoleWithWebIdentity.
    init?(xml body: [UInt8]) {
        guard body.count <= AWSCredentials.documentByteLimit else { return nil }
        let text = String(decoding: body, as: UTF8.self)
        self.init(
            accessKeyID: XMLText.element("AccessKeyId", in: text),
            secretAccessKey: XMLText.element("SecretAccessKey", in: text),
            sessionToken: XMLText.element("SessionToken", in: text),
            expiration: XMLText.element("Expiration", in: text).flatMap {
                WrittenTime.internet($0)
            })
    }
}

/// The sections of an AWS shared credentials file (`~/.aws/credentials`).
///
/// `[name]`, `key = value`, lines that begin with `#` or `;` are comments. Keys are read in any
/// case, and the last of several counts.
enum SharedCredentialsFile {
    /// The credentials of a profile; nil when it is not there or not whole.
    static func credentials(of profile: String, in content: [UInt8]) -> AWSCredentials? {
        var values: [String: String] = [:]
        var isInside = false
        let text = String(decoding: content, as: UTF8.self)
        for line in text.split(whereSeparator: \.isNewline) {
            let line = trimmed(line)
            guard let first = line.first, first != "#", first != ";" else { continue }
            if first == "[" {
                let name = trimmed(line.dropFirst().prefix { $0 != "]" })
                // The file `config` says `[profile name]`.
                isInside = name == profile || name == "profile \(profile)"
                continue
            }
            guard isInside, let equals = line.firstIndex(of: "=") else { continue }
            let key = trimmed(line[..<equals]).lowercased()
            values[key] = String(trimmed(line[line.index(after: equals)...]))
        }
        return AWSCredentials(
            accessKeyID: values["aws_access_key_id"],
            secretAccessKey: values["aws_secret_access_key"],
            sessionToken: values["aws_session_token"])
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return text
    }
}

/// As much of XML as answers of AWS need.
enum XMLText {
    /// The text of the first element of that name without children; nil when there is none.
    static func element(_ name: String, in text: String) -> String? {
        let bytes = Array(text.utf8)
        let span = bytes.span
        let opening = Array("<\(name)>".utf8)
        let closing = Array("</\(name)>".utf8)
        guard let start = ByteSearch.first(opening, in: span, 0..<bytes.count) else { return nil }
        let from = start + opening.count
        guard let end = ByteSearch.first(closing, in: span, from..<bytes.count) else { return nil }
        let raw = bytes[from..<end]
        guard !raw.contains(UInt8(ascii: "<")) else { return nil }
        return unescaped(String(decoding: raw, as: UTF8.self))
    }

    private static let entities = [
        ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&"),
    ]

    private static func unescaped(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
        var result = ""
        var rest = Substring(text)
        while let mark = rest.firstIndex(of: "&") {
            result += rest[..<mark]
            rest = rest[mark...]
            let entity = entities.first { rest.hasPrefix($0.0) }
            result += entity?.1 ?? "&"
            rest = rest.dropFirst(entity?.0.count ?? 1)
        }
        return result + rest
    }
}
