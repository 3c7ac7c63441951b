// SPDX-License-Identifier: Apache-2.0
import Inputs
import Platform
import Sinks

/// The readers and delivery loops that work at present, for whoever looks at them from another
/// thread. The main thread alone changes it.
final class Roster: Sendable {
    private struct State {
        var readers: [ReaderLoop] = []
        var deliveries: [DeliveryLoop] = []
        var pulses: [Pulse] = []
        /// Inputs that could not be opened again, with the reason.
        var unopened: [String: String] = [:]
        var listenerExpiry: Timestamp?
    }

    private let state = Monitor(State())

    /// The loops that read.
    var readers: [ReaderLoop] { state.withLock { $0.readers } }

    /// The loops that deliver.
    var deliveries: [DeliveryLoop] { state.withLock { $0.deliveries } }

    /// Inputs that could not be opened again, with the reason.
    var unopened: [String: String] { state.withLock { $0.unopened } }

    /// When the certificate of `agent.listen` expires; nil without one.
    var listenerExpiry: Timestamp? { state.withLock { $0.listenerExpiry } }

    /// Where every thread stands that must get on.
    var readings: [PulseReading] {
        let pulses = state.withLock { state in
            state.pulses + state.readers.map(\.pulse) + state.deliveries.map(\.pulse)
        }
        return pulses.map(\.reading)
    }

    /// Adds a thread that is there as long as the agent.
    func add(_ pulse: Pulse) {
        state.withLock { $0.pulses.append(pulse) }
    }

    /// Adds a reader.
    func add(_ reader: ReaderLoop) {
        state.withLock { state in
            state.readers.append(reader)
            state.unopened[reader.id] = nil
        }
    }

    /// Adds a delivery loop.
    func add(_ delivery: DeliveryLoop) {
        state.withLock { $0.deliveries.append(delivery) }
    }

    /// Takes note of why an input is not open.
    func note(_ input: String, unopened reason: String?) {
        state.withLock { $0.unopened[input] = reason }
    }

    /// Takes note of the certificate that `agent.listen` shows now.
    func note(listener terms: StatusServer.Terms) {
        state.withLock { $0.listenerExpiry = terms.certificate?.expiry }
    }

    /// Forgets a reader that has ended.
    func remove(_ reader: ReaderLoop) {
        state.withLock { $0.readers.removeAll { $0 === reader } }
    }

    /// Forgets a delivery loop.
    func remove(_ delivery: DeliveryLoop) {
        state.withLock { $0.deliveries.removeAll { $0 === delivery } }
    }
}
