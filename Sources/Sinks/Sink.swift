// SPDX-License-Identifier: Apache-2.0
import Platform

/// A place that sealed events are delivered to.
///
/// A sink only delivers: it never retries, queues, batches, filters, sleeps or counts. One thread
/// owns it and makes all calls, but for `wake`, which any thread may call at any time.
public protocol Sink: AnyObject, Sendable {
    /// Begins to deliver a batch; its outcome comes later out of `outcomes`, exactly once.
    ///
    /// Never waits for the far side. The caller keeps the number of batches in flight within
    /// `SinkConfiguration.inFlight` and gives every one a ticket of its own.
    func deliver(_ batch: DeliveryBatch, ticket: UInt64)

    /// What became of batches in flight, in any order; empty when the time is up.
    ///
    /// Waits until there is an outcome, `timeout` has passed or `wake` was called, which counts
    /// also when it came before the call.
    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome]

    /// Makes `outcomes` return soon, the call that waits or else the next one.
    func wake()

    /// Asks the far side, without delivering anything, whether it would take events; nil is yes.
    ///
    /// Waits, so it is for `sealtail check` and before the first delivery, not beside one.
    func probe() -> DeliveryError?

    /// What is to be known beside the outcomes; asked for now and then.
    var condition: SinkCondition { get }

    /// Gives up what is in flight, without outcomes, and lets go of connections and files.
    func close()
}

extension Sink {
    /// Nothing beside the outcomes.
    public var condition: SinkCondition { SinkCondition() }
}

/// What is to be known of a sink that works, beside the outcomes of its deliveries.
public struct SinkCondition: Sendable, Equatable {
    /// When the first certificate in use expires, the agent's own or one of the far side.
    public var certificateExpiry: Timestamp?
    /// How far the far side's clock is ahead of this machine's, negative when it is behind; nil
    /// where it does not say.
    public var clockOffset: Duration?
    /// Why certificates on the disk are not taken over, in one sentence; those that were read
    /// before stay in use.
    public var problem: String?

    /// Describes a condition; nothing is to be known unless it is said.
    public init(
        certificateExpiry: Timestamp? = nil, clockOffset: Duration? = nil, problem: String? = nil
    ) {
        self.certificateExpiry = certificateExpiry
        self.clockOffset = clockOffset
        self.problem = problem
    }
}

/// Why a sink cannot be made from its configuration: a sentence with a place and a way out.
public struct SinkError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The id of the sink.
    public let sink: String
    /// What is wrong and what to do about it.
    public let sentence: String

    /// Describes why a sink cannot be made.
    public init(sink: String, _ sentence: String) {
        self.sink = sink
        self.sentence = sentence
    }

    /// For example `sinks.siem: tls.ca_file: /etc/ca.pem: cannot open: No such file or directory`.
    public var description: String { "sinks.\(sink): \(sentence)" }
}
