// SPDX-License-Identifier: Apache-2.0
import Platform

/// The bounds of delivery by syslog.
enum SyslogLimit {
    /// Until a name is resolved, a connection stands and TLS is agreed on.
    static let connectTime = Duration.seconds(10)
    /// Until one of several addresses has to answer before the next one is tried.
    static let addressTime = Duration.seconds(3)
    /// A receiver whose kernel acknowledges nothing for so long is given up.
    static let stallTime = Duration.seconds(30)
    /// How long a connection must stay whole after its peer's kernel has taken a batch, before
    /// that counts as delivered: time for an alert or a reset to arrive.
    static let settleTime = Duration.milliseconds(250)
    /// How long nothing is sent over a new connection of TLS 1.3 on which no ticket came: a server
    /// that refuses our certificate, or wants one, says so after its part of the handshake.
    static let probationTime = Duration.seconds(1)
    /// `connection_age`.
    static let connectionAge = Duration.seconds(1)...Duration.seconds(3600)
    /// A connection older than this is made anew, unless `connection_age` says more.
    static let usualConnectionAge = Duration.seconds(300)
    /// How long a receiver may take to close a connection that we have ended.
    static let farewellTime = Duration.seconds(2)
    /// How often the send queue is looked at while something is in it.
    static let lookTime = Duration.milliseconds(5)
    /// What is handed to TLS or to the kernel at once.
    static let pieceByteCount = 64 << 10
    /// How many pieces are read at once of what a receiver says, which is nothing as a rule.
    static let pieceCountLimit = 16
    /// The datagrams that go out at once, in bytes; the rest waits for the next look, so that a
    /// receiver's usual buffer does not overflow.
    static let burstByteCount = 64 << 10
    /// `max_message_bytes` over a stream. RFC 5424 §6.1 makes every receiver take 480.
    static let streamMessageByteCount = 480...4 << 20
    /// `max_message_bytes` of a datagram: what IPv4 has room for.
    static let datagramMessageByteCount = 480...65_507
    /// `enterprise_number`: RFC 5612 keeps 32473 for documentation.
    static let enterpriseNumber = 1...4_294_967_295
}

/// What may be written about a sink of type `syslog` beside the keys of all sinks.
struct SyslogOptions: SinkOptions {
    /// How messages go.
    enum Transport: String, Sendable, CaseIterable {
        case tcp, tls, udp
    }

    /// How messages are told apart in a stream, RFC 6587 §3.4.
    enum Framing: String, Sendable, CaseIterable {
        case octetCounting = "octet_counting"
        case lineFeed = "lf"
    }

    /// The facilities of RFC 5424 §6.2.1 that a program of this kind may use.
    enum Facility: String, Sendable, CaseIterable {
        case user, auth, authpriv, audit, alert
        case local0, local1, local2, local3, local4, local5, local6, local7

        /// The number in PRI.
        var number: Int {
            switch self {
            case .user: 1
            case .auth: 4
            case .authpriv: 10
            case .audit: 13
            case .alert: 14
            case .local0: 16
            case .local1: 17
            case .local2: 18
            case .local3: 19
            case .local4: 20
            case .local5: 21
            case .local6: 22
            case .local7: 23
            }
        }
    }

    static let keys = [
        "transport", "endpoint", "connection_age", "tls", "framing", "facility",
        "max_message_bytes", "enterprise_number", "delimiter",
    ]

    let transport: Transport
    /// The name or address, an IPv6 address without brackets.
    let host: String
    let port: Int
    /// A connection older than this is made anew, so that names are resolved again.
    let connectionAge: Duration
    /// Of TLS; nil for the other transports.
    let tls: TLSOptions?
    let framing: Framing
    let facility: Facility
    /// A longer message is rejected; a receiver would cut it or drop it without a word.
    let messageByteLimit: Int
    /// The user's own IANA number, under which the structured data stands; nil: there is none.
    let enterpriseNumber: Int?
    /// What stands between the attributes of LEEF.
    let delimiter: UInt8

    init(reading reader: inout ConfigurationReader) {
        if reader.node("transport") == nil {
            reader.problem("transport", "must be set to tls, tcp or udp")
        }
        transport = reader.choice("transport", default: .tls)
        (host, port) = SyslogOptions.readEndpoint(&reader)
        connectionAge = reader.duration(
            "connection_age", in: SyslogLimit.connectionAge,
            default: SyslogLimit.usualConnectionAge)
        if transport == .tls {
            tls = TLSOptions(reading: &reader)
        } else {
            tls = nil
            if reader.node("tls") != nil {
                reader.problem("tls", "needs transport: tls; set that, or leave this out")
            }
        }
        framing = reader.choice("framing", default: .octetCounting)
        if reader.node("framing") != nil, transport != .tcp {
            reader.problem(
                "framing", "has no meaning for transport \(transport.rawValue); leave it out")
        }
        facility = reader.choice("facility", default: .audit)
        let isDatagram = transport == .udp
        messageByteLimit = reader.byteCount(
            "max_message_bytes",
            in: isDatagram
                ? SyslogLimit.datagramMessageByteCount : SyslogLimit.streamMessageByteCount,
            default: isDatagram ? 8 << 10 : 256 << 10)
        enterpriseNumber = reader.integer("enterprise_number", in: SyslogLimit.enterpriseNumber)
        delimiter = SyslogOptions.readDelimiter(&reader)
    }

    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int {
        inFlight * batch.byteLimit * SinkLimit.renderedFactor
    }

    private static func readEndpoint(
        _ reader: inout ConfigurationReader
    ) -> (host: String, port: Int) {
        let text = reader.requiredString("endpoint")
        guard !text.isEmpty else { return ("", 0) }
        if let endpoint = Endpoint(text: "https://\(text)"), endpoint.path.isEmpty,
            text.hasSuffix(":\(endpoint.port)")
        {
            return (endpoint.host, endpoint.port)
        }
        let shown = reader.node("endpoint")?.shown ?? "empty"
        reader.problem(
            "endpoint", "must be a host and a port, as logs.example.com:6514, is \(shown)")
        return ("", 0)
    }

    private static func readDelimiter(_ reader: inout ConfigurationReader) -> UInt8 {
        guard let text = reader.string("delimiter") else { return LEEFMapping.defaultDelimiter }
        if reader.node["format"]?.scalar != SinkFormat.leef.rawValue {
            reader.problem("delimiter", "goes with format leef only; leave it out")
        }
        let bytes = Array(text.utf8)
        if bytes.count == 1, LEEFMapping.isDelimiter(bytes[0]) { return bytes[0] }
        reader.problem(
            "delimiter",
            "must be a tab or one of ! # $ % & * ; ? ^ ` { } ~, is "
                + (reader.node("delimiter")?.shown ?? "empty"))
        return LEEFMapping.defaultDelimiter
    }
}
