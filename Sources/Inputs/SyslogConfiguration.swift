// SPDX-License-Identifier: Apache-2.0
import Platform

/// What is said about an input of type syslog only.
public struct SyslogConfiguration: Sendable, Hashable {
    /// How messages come.
    public enum Transport: String, Sendable, CaseIterable {
        case udp, tcp, tls
    }

    /// How messages come.
    public var transport = Transport.tcp
    /// Where they come to; nil only after a mistake in the configuration.
    public var listener: ListenerConfiguration?
    /// The most connections at a time; more wait.
    public var connectionLimit = InputLimit.defaultConnectionLimit
    /// How long a silent connection is kept.
    public var idleLimit = InputLimit.defaultIdleLimit
    /// The bytes of datagrams that the kernel is asked to keep.
    public var receiveBuffer = InputLimit.defaultReceiveBuffer

    /// The keys under an input of this type.
    static let keys = [
        "idle_timeout", "listen", "max_connections", "receive_buffer", "tls", "transport",
    ]

    /// Nowhere yet.
    public init() {}

    init(reading reader: inout ConfigurationReader) {
        if reader.node("transport") == nil {
            reader.problem("transport", "must be set to udp, tcp or tls")
        }
        transport = reader.choice("transport", default: Transport.tcp)
        let example = transport == .tls ? "0.0.0.0:6514" : "127.0.0.1:514"
        let address = ListenerConfiguration.readAddress(&reader, example: example)
        let tls = ListenerConfiguration.readTLS(&reader, clients: true)
        if transport == .tls, reader.node["tls"] == nil {
            reader.problem("tls", "must be set: tls: {cert_file: …, key_file: …}")
        }
        if transport != .tls, reader.node["tls"] != nil {
            reader.problem("tls", "needs transport: tls; set that, or leave this out")
        }
        if let address { listener = ListenerConfiguration(address: address, tls: tls) }
        connectionLimit = reader.integer(
            "max_connections", in: InputLimit.connectionLimits, default: connectionLimit)
        idleLimit = reader.duration("idle_timeout", in: InputLimit.idleLimits, default: idleLimit)
        receiveBuffer = reader.byteCount(
            "receive_buffer", in: InputLimit.receiveBuffers, default: receiveBuffer)
        let foreign = transport == .udp ? ["idle_timeout", "max_connections"] : ["receive_buffer"]
        for key in foreign where reader.node[key] != nil {
            reader.problem(
                key, "has no meaning for transport \(transport.rawValue); leave it out")
        }
    }
}
