// SPDX-License-Identifier: Apache-2.0
import Platform

/// The names of parameters, members and headers whose values are secrets.
enum SecretName {
    /// RFC 6749, 7009, 7521, 7523, 7636, 8628, 8693, SAML bindings, and what products call theirs.
    private static let names: Set<String> = [
        "access_token", "actor_token", "api_key", "apikey", "assertion", "authorization",
        "client_assertion", "client_secret", "code", "code_verifier", "cookie", "device_code",
        "id_token", "id_token_hint", "iplanetdirectorypro", "jsessionid", "login_challenge",
        "login_verifier", "consent_verifier", "pass", "passphrase", "passwd", "password",
        "phpsessid", "pgt", "private_key", "pwd", "refresh_token", "samlart", "samlresponse",
        "secret", "session_token", "sessionid", "set-cookie", "subject_token", "ticket", "token",
        "user_code",
    ]
    /// A longer name that ends so is one as well: `new_password`, `sso_token`.
    private static let endings = ["password", "passwd", "secret", "_token", "sessionid"]
    /// Headers whose names end so.
    private static let headers = [
        "authorization", "cookie", "api-key", "auth-token", "session-token", "vault-token",
    ]
    /// The longest name that is looked at.
    static let byteLimit = 64

    /// Whether a name of a secret ends before `end`.
    static func ends(_ end: Int, in text: Span<UInt8>, from start: Int) -> Bool {
        let name = name(before: end, in: text, from: start)
        return !name.isEmpty && (names.contains(name) || endings.contains { name.hasSuffix($0) })
    }

    /// Whether the name of a header that carries a secret ends before `end`.
    static func headerEnds(_ end: Int, in text: Span<UInt8>, from start: Int) -> Bool {
        let name = name(before: end, in: text, from: start)
        return headers.contains { name.hasSuffix($0) }
    }

    /// The name that ends before `end`, in small letters.
    private static func name(before end: Int, in text: Span<UInt8>, from start: Int) -> String {
        var first = end
        while first > start, end - first < byteLimit, isNameByte(text[first - 1]) { first -= 1 }
        // In a URL inside a URL the name stands behind `%3F` or `%26`.
        if first > start, text[first - 1] == UInt8(ascii: "%"), end - first > 2 { first += 2 }
        guard first < end else { return "" }
        var name = ""
        for index in first..<end {
            name.unicodeScalars.append(Unicode.Scalar(lowercase(text[index])))
        }
        return name
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x5F || byte == 0x2D
    }

    /// The value that begins at `start`: what stands in quotes, or up to what ends a parameter.
    static func value(behind start: Int, in text: Span<UInt8>) -> (start: Int, end: Int)? {
        var first = start
        while first < text.count, text[first] == 0x20 { first += 1 }
        guard first < text.count else { return nil }
        let quote = text[first]
        if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            var end = first + 1
            while end < text.count, text[end] != quote {
                end += text[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            end = min(end, text.count)
            return end > first + 1 ? (first + 1, end) : nil
        }
        var end = first
        while end < text.count, !endsValue(text, end) { end += 1 }
        return end > first ? (first, end) : nil
    }

    private static func endsValue(_ text: Span<UInt8>, _ at: Int) -> Bool {
        switch text[at] {
        case 0...0x20, UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: ","),
            UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: ")"), UInt8(ascii: "]"),
            UInt8(ascii: "}"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "#"):
            true
        case UInt8(ascii: "%"):
            at + 2 < text.count && text[at + 1] == UInt8(ascii: "2")
                && (text[at + 2] == UInt8(ascii: "6") || text[at + 2] == UInt8(ascii: "3"))
        default: false
        }
    }

    /// What stands in the line behind the name of a header.
    static func line(behind start: Int, in text: Span<UInt8>) -> (start: Int, end: Int)? {
        var first = start
        while first < text.count, text[first] == 0x20 { first += 1 }
        var end = first
        while end < text.count, text[end] >= 0x20 { end += 1 }
        return end > first ? (first, end) : nil
    }
}

/// Tokens and tickets that can be told by how they begin.
enum TokenPrefix {
    /// Apereo CAS: `TGT-1-…`; the prefixes of its TicketGrantingTicket and the others.
    private static let tickets: Set<String> = [
        "AT", "DC", "OC", "PGT", "PGTIOU", "PT", "RT", "ST", "TGT", "TST",
    ]
    /// The fewest bytes behind a prefix that make a token.
    private static let leastByteCount = 8

    /// Where the token begins whose prefix has its `-` or `_` at `at`.
    static func start(_ text: Span<UInt8>, _ at: Int, from start: Int) -> Int? {
        guard at >= start + 2 else { return nil }
        return text[at] == UInt8(ascii: "-")
            ? ticket(text, at, start) : marked(text, at, start)
    }

    /// `TGT-7-…`: capitals, a number, and a long rest.
    private static func ticket(_ text: Span<UInt8>, _ at: Int, _ start: Int) -> Int? {
        guard text[at - 1] &- 0x41 < 26 else { return nil }
        var first = at
        while first > start, at - first < 7, text[first - 1] &- 0x41 < 26 { first -= 1 }
        if first > start, isLetterOrDigit(text[first - 1]) { return nil }
        var index = at + 1
        while index < text.count, text[index] &- 0x30 < 10 { index += 1 }
        guard index > at + 1, index < text.count, text[index] == UInt8(ascii: "-"),
            text.count - index > leastByteCount, isLetterOrDigit(text[index + 1])
        else { return nil }
        var word = ""
        for place in first..<at { word.unicodeScalars.append(Unicode.Scalar(text[place])) }
        return tickets.contains(word) ? first : nil
    }

    /// `ory_at_…`.
    private static func marked(_ text: Span<UInt8>, _ at: Int, _ start: Int) -> Int? {
        guard at >= start + 3, text.count - at > leastByteCount,
            text[at - 3] == UInt8(ascii: "o"), text[at - 2] == UInt8(ascii: "r"),
            text[at - 1] == UInt8(ascii: "y"), text[at + 3] == UInt8(ascii: "_")
        else { return nil }
        return at - 3
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
    }
}
