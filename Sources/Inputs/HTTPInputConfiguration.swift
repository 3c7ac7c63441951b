// SPDX-License-Identifier: Apache-2.0
import Platform

/// What is said about an input of type http only.
public struct HTTPInputConfiguration: Sendable, Equatable {
    /// How a request shows that it may be sent.
    public enum Authentication: Sendable, Equatable {
        /// By `Authorization: Bearer …`.
        case bearer(Secret)
        /// By a header of this name, in lower case.
        case header(name: String, Secret)
        /// Not at all; for addresses that only this machine can reach.
        case none
    }

    /// Where requests come to; nil only after a mistake in the configuration.
    public var listener: ListenerConfiguration?
    /// The one path that takes records.
    public var path = "/"
    /// How a request shows that it may be sent.
    public var authentication = Authentication.none
    /// The most bytes of a body, compressed or not.
    public var bodyByteLimit = InputLimit.defaultBodyByteLimit
    /// The most records of a request.
    public var recordLimit = InputLimit.defaultRequestRecordLimit
    /// The most connections at a time; more wait.
    public var connectionLimit = InputLimit.defaultConnectionLimit
    /// How long a silent connection is kept.
    public var idleLimit = Duration.seconds(60)

    /// The keys under an input of this type.
    static let keys = [
        "auth", "idle_timeout", "listen", "max_body_bytes", "max_connections", "max_records",
        "path", "tls",
    ]

    /// Nowhere yet.
    public init() {}

    init(reading reader: inout ConfigurationReader) {
        let address = ListenerConfiguration.readAddress(&reader, example: "127.0.0.1:8088")
        let tls = ListenerConfiguration.readTLS(&reader, clients: false)
        if let address { listener = ListenerConfiguration(address: address, tls: tls) }
        path = reader.string("path", default: "/")
        if !path.hasPrefix("/") || path.contains(where: { $0 == "?" || $0 == "#" || $0 == " " }) {
            reader.problem("path", "must begin with / and hold no ?, # or space, is \"\(path)\"")
        }
        readAuthentication(&reader, address)
        bodyByteLimit = reader.byteCount(
            "max_body_bytes", in: InputLimit.bodyByteLimits, default: bodyByteLimit)
        recordLimit = reader.integer(
            "max_records", in: InputLimit.requestRecordLimits, default: recordLimit)
        connectionLimit = reader.integer(
            "max_connections", in: InputLimit.connectionLimits, default: connectionLimit)
        idleLimit = reader.duration("idle_timeout", in: InputLimit.idleLimits, default: idleLimit)
    }

    private mutating func readAuthentication(
        _ reader: inout ConfigurationReader, _ address: ListenAddress?
    ) {
        guard var child = reader.child("auth") else {
            if let address, !address.isLoopback, reader.node["auth"] == nil {
                reader.problem(
                    "auth",
                    "must be set for an address that others can reach: auth: {bearer: …}")
            }
            return
        }
        let bearer = child.secret("bearer")
        let header = child.string("header")
        let token = child.secret("token")
        if let bearer {
            authentication = .bearer(bearer)
            if header != nil { child.problem("header", "cannot go with bearer; leave one out") }
        } else if let header, let token {
            authentication = .header(name: header.lowercased(), token)
            let isName = header.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "-")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
            if !isName || header.utf8.count > InputLimit.idLimit {
                child.problem(
                    "header", "must be 1 to \(InputLimit.idLimit) of A-Z, a-z, 0-9 and -")
            }
        } else if child.node["bearer"] == nil {
            child.problem(
                header == nil ? "bearer" : "token",
                "must be set; write {bearer: …}, or {header: …, token: …}")
        }
        if bearer != nil, token != nil, header == nil {
            child.problem("token", "belongs to header; leave it out")
        }
        child.finish()
    }
}
