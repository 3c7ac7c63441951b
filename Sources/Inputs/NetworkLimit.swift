// SPDX-License-Identifier: Apache-2.0

/// The bounds of inputs that are sent to, and of the journal.
extension InputLimit {
    /// The most units, identifiers and matches of a journal together.
    public static let matchLimit = 100
    /// An entry that fails so often in a row is passed over.
    static let journalDamageLimit = 3
    /// The most senders of messages of whom the rest of a record is left out at a time.
    static let skippedOriginLimit = 1024

    /// `max_connections` unless it is configured.
    public static let defaultConnectionLimit = 256
    /// What `max_connections` may be.
    public static let connectionLimits = 1...4096
    /// `idle_timeout` unless it is configured.
    public static let defaultIdleLimit = Duration.seconds(3600)
    /// What `idle_timeout` may be.
    public static let idleLimits = Duration.seconds(1)...Duration.seconds(30 * 86_400)
    /// How long a TLS handshake may take.
    public static let handshakeLimit = Duration.seconds(10)
    /// `receive_buffer` unless it is configured.
    public static let defaultReceiveBuffer = 4 << 20
    /// What `receive_buffer` may be.
    public static let receiveBuffers = 64 << 10...256 << 20
    /// The longest name of a host.
    static let hostByteLimit = 255
    /// How long the header of a syslog message may be, structured data included.
    public static let syslogHeaderByteLimit = 8 << 10
    /// The bytes read from a connection at once.
    static let connectionReadByteCount = 64 << 10
    /// The bytes of unfinished messages of all connections of an input; the longest is cut then.
    public static let unfinishedByteLimit = 32 << 20

    /// `max_body_bytes` unless it is configured.
    public static let defaultBodyByteLimit = 4 << 20
    /// What `max_body_bytes` may be.
    public static let bodyByteLimits = 1 << 10...64 << 20
    /// `max_records` unless it is configured.
    public static let defaultRequestRecordLimit = 10_000
    /// What `max_records` may be.
    public static let requestRecordLimits = 1...100_000
    /// How many bodies of the longest kind may be under way: being received, or not yet committed.
    public static let bodyCount = 4
    /// The requests that may wait for their commit.
    public static let waitingRequestLimit = 1024
    /// The most levels of brackets in a body.
    public static let jsonDepthLimit = 512
    /// The longest word that is given back to a sender who asks for it.
    static let challengeByteLimit = 1024
}
