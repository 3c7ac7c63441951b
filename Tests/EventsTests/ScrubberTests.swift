// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

struct ScrubberTests {
    private func scrubbed(_ text: String) -> String {
        Scrubber().scrubbed(Array(text.utf8).span).map { String(decoding: $0, as: UTF8.self) }
            ?? text
    }

    static let secrets = [
        ("token eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.sig end", "token [redacted] end"),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("proxy sent bearer%20abc+x", "proxy sent [redacted]"),
        ("GET /cb?code=abc123&state=x", "GET /cb?code=[redacted]&state=x"),
        ("grant_type=password&password=hunter2;x=1", "grant_type=password&password=[redacted];x=1"),
        ("new_password='a b' user=mina", "new_password='[redacted]' user=mina"),
        (#"client_secret="a\"b" done"#, #"client_secret="[redacted]" done"#),
        ("next=https%3A%2F%2Fa%3Fcode%3Dabc%26b", "next=https%3A%2F%2Fa%3Fcode%3D[redacted]%26b"),
        (#"{"password":"hunter2","user":"mina"}"#, #"{"password":"[redacted]","user":"mina"}"#),
        (#"{"access_token": 12345678, "a": 1}"#, #"{"access_token": [redacted], "a": 1}"#),
        ("Set-Cookie: SID=abc; Path=/", "Set-Cookie: [redacted]"),
        ("x-vault-token: s.abc\nnext", "x-vault-token: [redacted]\nnext"),
        ("ST-12-abcdefghij-cas1 for app", "[redacted] for app"),
        ("[TGT-3-ABCDEFGHIJ]", "[[redacted]]"),
        ("ory_at_abcdefghijk was refused", "[redacted] was refused"),
        ("Bearer tokenabc", "[redacted]"), ("bearer scheme bearer abc", "bearer scheme [redacted]"),
        ("sso_token=abc", "sso_token=[redacted]"),
        ("password=PT-1-abcdefghij-x", "password=[redacted]"),
        ("cookie: code=eyJa.b-ST-1-abcdefghij", "cookie: [redacted]"),
        ("PT-12-code=abcdefghij", "[redacted]"),
    ]

    @Test(arguments: secrets)
    func aSecretIsTakenOut(_ text: String, _ expected: String) {
        #expect(scrubbed(text) == expected)
    }

    /// What the last net looks for in a whole body must find each of them, escaped as it is there.
    @Test(arguments: secrets)
    func aSecretInABodyIsFound(_ text: String, _ expected: String) {
        var sample = EncodedSample()
        sample.set(.errorReason, text)
        var document = ByteWriter()
        document.append(jsonString: expected)
        #expect(sample.encode().text.contains(document.makeString()))
    }

    /// Pieces that mean something to it, in every order: it ends, and nothing traps.
    @Test func noTextStopsIt() {
        let pieces = [
            "eyJ", ".", "Bearer ", "code=", "ST-1-", "abcdefghij", "ory_", "at_", "\"", ":", "'",
            "password", "=", "%3D", "%26", "cookie:", " ", "\\", "-", "é",
        ]
        // Three pieces in a row meet in every order.
        let count = pieces.count
        for number in 0..<(count * count * count) {
            let indexes = [number % count, number / count % count, number / count / count]
            _ = scrubbed(indexes.map { pieces[$0] }.joined() + "abcdefghij-x")
        }
    }

    @Test(arguments: [
        "grant_type=authorization_code", "token_type=Bearer", "the password: too short",
        "token_id=4711", "code_challenge_method=S256", "status_code=401", "password",
        "urn:ietf:params:oauth:token-type:jwt", "https://app.example.com/cb?state=x", "eyJ",
        "ST-12", "AT-x-abcdefghij", "BEST-12-abcdefghij-x", "2026-11-20T08:00:00Z",
        "ory_network", "a=b", "with bearer scheme: no", "the bearer token.", "Bearer realm=\"x\"",
        "=", ":", "code=", "password=&a=b",
    ])
    func whatOnlyResemblesOneStays(_ text: String) {
        #expect(scrubbed(text) == text)
    }
}
