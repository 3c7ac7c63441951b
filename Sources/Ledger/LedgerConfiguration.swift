// SPDX-License-Identifier: Apache-2.0
import Platform

/// The block `ledger:` of the configuration.
public struct LedgerConfiguration: Sendable, Equatable {
    /// What happens when undelivered events fill the ledger.
    public enum FullPolicy: String, Sendable, CaseIterable {
        /// Reading stops until there is room; the logs wait.
        case block
        /// The oldest undelivered events go.
        case dropOldest = "drop_oldest"
    }

    /// The most room that the segments may take on the disk.
    public var byteLimit = defaultByteLimit
    /// How long delivered events are kept where there is room.
    public var retention = defaultRetention
    /// What happens when undelivered events fill the ledger.
    public var whenFull = FullPolicy.block
    /// The shortest time between two commits.
    public var commitInterval = defaultCommitInterval
    /// The keys of encryption at rest; nil when new segments are written in clear.
    public var encryption: EncryptionKeyRing?
    /// How bodies are stored. No key of the configuration sets it.
    public var codec = FrameCodec.zstd
    /// The room of one segment.
    var segmentByteCount = LedgerConfiguration.segmentByteCount
    /// The most positions of a snapshot.
    var positionCountLimit = FrameLimit.positionCountLimit

    /// `max_size` when it is left out.
    public static let defaultByteLimit = 10 << 30
    /// `retain` when it is left out.
    public static let defaultRetention = Duration.seconds(30 * 86_400)
    /// `sync` when it is left out.
    public static let defaultCommitInterval = Duration.milliseconds(50)
    /// The most bytes of frames that are kept in memory for sinks that keep up.
    public static let recentByteLimit = 4 << 20
    /// The room of a segment, unless `max_size` is small.
    public static let segmentByteCount = 64 << 20
    /// The least `max_size`.
    public static let byteLimitMinimum = 64 << 20
    /// The greatest `max_size`.
    public static let byteLimitMaximum = 1 << 50
    /// So many segments at least share `max_size`, so that deleting one makes some room.
    static let segmentCountMinimum = 8
    /// The greatest `retain`.
    public static let retentionLimit = Duration.seconds(3650 * 86_400)
    /// How long a place that the disk refuses to read is tried again before it counts as damaged.
    static let unreadablePatience = Duration.seconds(10)
    /// The greatest `sync`.
    public static let commitIntervalLimit = Duration.seconds(10)

    /// The defaults.
    public init() {}

    /// Reads the block and reports every mistake.
    public init(reading reader: inout ConfigurationReader) {
        byteLimit = reader.byteCount(
            "max_size",
            in: LedgerConfiguration.byteLimitMinimum...LedgerConfiguration.byteLimitMaximum,
            default: LedgerConfiguration.defaultByteLimit)
        segmentByteCount = min(
            LedgerConfiguration.segmentByteCount,
            byteLimit / LedgerConfiguration.segmentCountMinimum)
        retention = reader.duration(
            "retain", in: .zero...LedgerConfiguration.retentionLimit,
            default: LedgerConfiguration.defaultRetention)
        whenFull = reader.choice("when_full", default: FullPolicy.block)
        commitInterval = reader.duration(
            "sync", in: .zero...LedgerConfiguration.commitIntervalLimit,
            default: LedgerConfiguration.defaultCommitInterval)
        encryption = LedgerConfiguration.encryption(&reader)
        reader.finish()
    }

    /// Reads the block `encryption:`, which is all that a look into a ledger needs.
    public static func encryption(_ reader: inout ConfigurationReader) -> EncryptionKeyRing? {
        guard var block = reader.child("encryption") else { return nil }
        let secret = block.secret("key")
        let current = secret.flatMap { EncryptionKey(text: $0) }
        if current == nil, secret != nil || block.keys.contains("key") == false {
            block.problem("key", keyAdvice)
        }
        let previous = block.nodes("previous_keys").compactMap { node -> EncryptionKey? in
            let key = node.scalar.flatMap { EncryptionKey(text: Secret(Array($0.utf8))) }
            if key == nil { block.problems.add(at: node, keyAdvice) }
            return key
        }
        block.finish()
        return current.map { EncryptionKeyRing(current: $0, previous: previous) }
    }

    private static let keyAdvice =
        "must be 32 bytes as 64 hexadecimal digits or base64; "
        + "make one with: openssl rand -hex 32"
}
