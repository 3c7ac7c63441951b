// SPDX-License-Identifier: Apache-2.0
import Platform

/// What one type of sink lets be written about it beside the keys of all sinks.
public protocol SinkOptions: Sendable {
    /// The keys that are read. A key of another type is a mistake the user is told about.
    static var keys: [String] { get }

    /// Reads the keys and reports every mistake; then the value must not be used.
    init(reading reader: inout ConfigurationReader)

    /// How TLS is done; nil where it is not.
    var tls: TLSOptions? { get }

    /// The file on this machine that is written; nil for what is sent away.
    var writtenPath: String? { get }

    /// The longest that the far side may take until a request comes to its outcome.
    var answerTime: Duration { get }

    /// The most bytes of memory that requests and answers take beside one rendered batch.
    func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int
}

extension SinkOptions {
    /// No TLS.
    public var tls: TLSOptions? { nil }

    /// No file.
    public var writtenPath: String? { nil }

    /// Shorter than anybody's patience.
    public var answerTime: Duration { .zero }

    /// Nothing beside the rendered batch.
    public func memoryByteLimit(batch: SinkConfiguration.Batch, inFlight: Int) -> Int { 0 }
}

/// The options of a type that has none.
struct NoSinkOptions: SinkOptions {
    static let keys: [String] = []

    init(reading reader: inout ConfigurationReader) {}
}
