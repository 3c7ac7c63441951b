// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

@Suite struct SyslogMessageTests {
    private func message(
        _ body: String, _ more: String = "", severity: Severity = .info,
        stream: String = Samples.stream
    ) throws -> String {
        let (read, problems) = Samples.configuration(
            "{id: l, type: syslog, transport: udp, endpoint: 'h:1'\(more)}")
        #expect(problems == [])
        let configuration = try #require(read)
        let options = try #require(configuration.options as? SyslogOptions)
        var rendering = SyslogMessage(configuration.format, options)
        var batch = Samples.batch([body])
        batch.stream = stream
        batch.events[0].severity = severity
        var output = ByteWriter()
        #expect(rendering.append(batch, event: 0, to: &output))
        return output.makeString()
    }

    private func head(_ message: String) -> String {
        String(message.prefix { $0 != "{" })
    }

    @Test func theHeaderIsThatOfRFC5424() throws {
        let whole = try message(Samples.plain(1))
        #expect(
            head(whole)
                == "<110>1 2026-11-21T11:02:07.118000Z idp1.example.com sealtail - "
                + "LoginSucceeded - "
        )
        let line = Samples.lines(Samples.delivery(1, first: 1), .canonical)
        #expect(whole.hasSuffix("\"}}"))
        #expect(!whole.contains("\n"))
        #expect(whole.utf8.count == head(whole).utf8.count + line.count - 1)
    }

    @Test(arguments: [
        (Severity.info, 6), (.low, 5), (.medium, 4), (.high, 3), (.critical, 2),
    ])
    func severitiesAreThoseOfRFC5424(severity: Severity, number: Int) throws {
        let own = try message(Samples.plain(1), severity: severity)
        #expect(own.hasPrefix("<\(13 * 8 + number)>1 "))
        let authpriv = try message(
            Samples.plain(1), ", facility: authpriv", severity: severity)
        #expect(authpriv.hasPrefix("<\(10 * 8 + number)>1 "))
    }

    @Test func aHostNameIsOneWordOfASCII() throws {
        let body = Samples.plain(1)
        func host(_ text: String) throws -> String {
            let changed = body.replacing("idp1.example.com", with: text)
            return String(try message(changed).split(separator: " ")[2])
        }
        #expect(try host("idp 1\\nevil") == "idp_1_evil")
        #expect(try host("bücher.example.org") == "b__cher.example.org")
        #expect(try host("\\u0000\\u007f]\\\"") == "__]\"")
        #expect(try host(String(repeating: "a", count: 300)) == String(repeating: "a", count: 255))
        #expect(try host("") == "-")
        // Without a host of the provider's it is the agent's name.
        let without = body.replacing("\"host\":\"idp1.example.com\",", with: "")
        let words = try message(without, stream: "agent7.example.org/main/00").split(separator: " ")
        #expect(words[2] == "agent7.example.org")
        let named = try message(without, stream: "/east//7/main/00").split(separator: " ")
        #expect(named[2] == "/east//7")
    }

    @Test func structuredDataIsWrittenUnderTheNumberOfTheUserOnly() throws {
        let stream = "na\"me]\\x/main/00"
        let whole = try message(Samples.plain(1), ", enterprise_number: 64999", stream: stream)
        let wanted =
            " LoginSucceeded [sealtail@64999 id=\"\(Samples.id(1))\" "
            + "stream=\"na\\\"me\\]\\\\x/main/00\" seq=\"0\"] {"
        #expect(whole.contains(wanted))
    }

    @Test func whatIsNoBodyOfOursIsNotWritten() throws {
        let (read, _) = Samples.configuration(
            "{id: l, type: syslog, transport: udp, endpoint: 'h:1'}")
        let options = try #require(read?.options as? SyslogOptions)
        var rendering = SyslogMessage(.canonical, options)
        var output = ByteWriter()
        for body in ["", "{}", "{\"action\":", "[]"] {
            #expect(!rendering.append(Samples.batch([body]), event: 0, to: &output))
        }
        #expect(output.count == 0)
    }

    @Test(arguments: [
        ("endpoint: 'h:1'", "transport: must be set to tls, tcp or udp"),
        ("transport: tcp", "endpoint: must be set"),
        ("transport: tcp, endpoint: h", "endpoint: must be a host and a port"),
        ("transport: tcp, endpoint: 'tcp://h:514'", "endpoint: must be a host and a port"),
        ("transport: tcp, endpoint: 'h:514/x'", "endpoint: must be a host and a port"),
        ("transport: tcp, endpoint: 'h:1', tls: {ca_file: /c}", "tls: needs transport: tls"),
        ("transport: udp, endpoint: 'h:1', framing: lf", "framing: has no meaning for"),
        ("transport: tls, endpoint: 'h:1', framing: lf", "framing: has no meaning for"),
        ("transport: tcp, endpoint: 'h:1', facility: kern", "facility: must be"),
        ("transport: udp, endpoint: 'h:1', max_message_bytes: 64KiB", "max_message_bytes: must"),
        ("transport: udp, endpoint: 'h:1', delimiter: '^'", "delimiter: goes with format leef"),
        ("transport: udp, endpoint: 'h:1', format: leef, delimiter: '='", "delimiter: must be"),
        ("transport: udp, endpoint: 'h:1', enterprise_number: 0", "enterprise_number: must be"),
    ])
    func mistakesAreSaid(text: String, sentence: String) {
        let (_, problems) = Samples.configuration("{id: l, type: syslog, \(text)}")
        #expect(problems.contains { $0.contains(sentence) }, "\(problems)")
    }

    @Test func addressesOfEitherKindAreRead() throws {
        for (text, host) in [("[2001:db8::1]:514", "2001:db8::1"), ("192.0.2.1:514", "192.0.2.1")] {
            let (read, problems) = Samples.configuration(
                "{id: l, type: syslog, transport: tcp, endpoint: '\(text)'}")
            #expect(problems == [])
            let options = try #require(read?.options as? SyslogOptions)
            #expect(options.host == host)
            #expect(options.port == 514)
        }
    }
}
