// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Inputs

struct SyslogHeaderTests {
    private func read(_ text: String) -> (host: String?, application: String?, message: String) {
        let bytes = Array(text.utf8)
        let header = SyslogHeader(bytes[...])
        func part(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        return (header.host.map(part), header.application.map(part), part(header.message))
    }

    @Test(
        arguments: [
            // RFC 5424
            (
                "<34>1 2026-11-21T10:00:00.003Z idp.example.com su 123 ID47 - it works",
                "idp.example.com", "su", "it works"
            ),
            (
                "<165>1 2026-11-21T10:00:00.000003-07:00 192.0.2.1 app 8710 - "
                    + "[a@32473 b=\"c\\\"]\" d=\"]\"][x y=\"z\"] \u{FEFF}msg",
                "192.0.2.1", "app", "msg"
            ),
            ("<0>1 - - - - - - {\"a\":1}", nil, nil, "{\"a\":1}"),
            ("<34>1 2026-11-21T10:00:00Z h a - - -", "h", "a", ""),
            // RFC 3164 and what passes for it
            (
                "<13>Nov 21 10:00:00 idp.example.com keycloak[12]: type=\"LOGIN\"",
                "idp.example.com", "keycloak", "type=\"LOGIN\""
            ),
            ("<13>Nov  1 10:00:00 tag: no host", nil, "tag", "no host"),
            ("<13>Nov  1 2026 10:00:00 h tag: with a year", "h", "tag", "with a year"),
            ("<13>2026-11-21T10:00:00.123456+01:00 h app[1]: by rsyslog", "h", "app", "by rsyslog"),
            ("<13>Nov 21 10:00:00 h {\"a\": 1, \"b\": 2}", "h", nil, "{\"a\": 1, \"b\": 2}"),
            ("<13>Nov 21 10:00:00 {\"a\": 1}", nil, nil, "{\"a\": 1}"),
            ("<13>Nov 21 10:00:00 2001:db8::1 sshd: x", "2001:db8::1", "sshd", "x"),
            ("<13>Nov 21 10:00:00 h type=LOGIN realm=x: y", "h", nil, "type=LOGIN realm=x: y"),
            // Neither
            ("<13>only a message", nil, nil, "only a message"),
            ("no priority at all", nil, nil, "no priority at all"),
            ("<999>too much", nil, nil, "<999>too much"),
            ("<1>1 broken", nil, nil, "1 broken"),
            (
                "<1>1 2026-11-21T10:00:00Z h a - - [open x=\"y\" msg", nil, nil,
                "1 2026-11-21T10:00:00Z h a - - [open x=\"y\" msg"
            ),
            ("", nil, nil, ""), ("<", nil, nil, "<"), ("<13>", nil, nil, ""),
        ] as [(String, String?, String?, String)])
    func headersAreStripped(
        text: String, host: String?, application: String?, message: String
    ) {
        let header = read(text)
        #expect(header.host == host)
        #expect(header.application == application)
        #expect(header.message == message)
    }
}
