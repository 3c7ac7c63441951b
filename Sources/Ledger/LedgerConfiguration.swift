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
    /// How bodies are stored. No key of the configuration sets it.
    public var codec = FrameCodec.zstd
    /// The room of one segment.
    var segmentByteCount = LedgerConfiguration.segmentByteCount

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
        if whenFull == .dropOldest {
            reader.problem("when_full", "drop_oldest is not available yet; write block")
            whenFull = .block
        }
        commitInterval = reader.duration(
            "sync", in: .zero...LedgerConfiguration.commitIntervalLimit,
            default: LedgerConfiguration.defaultCommitInterval)
        if reader.keys.contains("encryption") {
            reader.allow("encryption")
            reader.problem(
                "encryption",
                "encryption is not available yet; remove the key and use an encrypted disk")
        }
        reader.finish()
    }
}
