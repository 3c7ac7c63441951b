// SPDX-License-Identifier: Apache-2.0
import Inputs
import Ledger
import Parsing
import Platform
import Sinks

/// How the reloads of this start went, for metrics.
final class ReloadRecord: Sendable {
    private let success: Gauge
    private let taken: Counter
    private let refused: Counter

    init(_ metrics: MetricRegistry) {
        success = metrics.gauge(
            "config_reload_success", help: "1 when the configuration last read is the one in use.")
        let help = "Times that the configuration was read again."
        taken = metrics.counter("config_reloads_total", help: help, labels: [("result", "taken")])
        refused = metrics.counter(
            "config_reloads_total", help: help, labels: [("result", "refused")])
        success.set(1)
    }

    /// True when the configuration last read is the one in use.
    var isTaken: Bool { success.value == 1 }

    func note(isTaken: Bool) {
        success.set(isTaken ? 1 : 0)
        if isTaken { taken.add() } else { refused.add() }
    }
}

extension Pipeline {
    /// How often an input that could not be opened is tried again.
    static let reopenInterval = Duration.seconds(1)
    /// How long a reload waits for the one before it.
    static let changePatience = Duration.seconds(2)

    /// What a reload needs and what can fail in making it; nothing of it works yet.
    private struct Replacement {
        var setup: Setup
        var change: ConfigurationChange
        var readers: [ReaderLoop] = []
        var deliveries: [DeliveryLoop] = []
        var outlets: [(loop: DeliveryLoop, outlet: DeliveryLoop.Outlet)] = []
        /// Who may see the status page.
        var status: StatusServer.Terms?
    }

    /// Reads the configuration again and takes it over, or says every mistake and goes on as
    /// before.
    func reload(_ notifier: SystemdNotifier, _ crew: inout Crew) {
        notifier.reloading()
        defer {
            notifier.ready(status: "sealing and delivering")
            MemoryTuning.release()
        }
        let problems = ConfigurationProblems()
        let read = source(problems)
        guard let configuration = read, problems.isEmpty else {
            return refuse(problems.list.map(\.description))
        }
        // Before anything else of it is looked at: keys are made where none are found.
        let refusals = ConfigurationChange.refusals(crew.setup.configuration, configuration)
        guard refusals.isEmpty else { return refuse(refusals) }
        guard handover.waitUntilChanged(timeout: Pipeline.changePatience) else {
            return refuse(["the reload before is still under way: the ledger takes nothing"])
        }
        do throws(PipelineError) {
            let replacement = try prepare(configuration, crew)
            do throws(LedgerError) {
                try ledger.reconfigure(sinks: configuration.sinks.map(\.id))
            } catch {
                for reader in replacement.readers { reader.input.close() }
                throw .stage(error)
            }
            takeOver(replacement, &crew)
        } catch {
            refuse(error.description.split(separator: "\n").map(String.init))
        }
    }

    private func refuse(_ sentences: [String]) {
        reloads.note(isTaken: false)
        for sentence in sentences {
            log.error("The new configuration has a mistake.", ["reason": sentence])
        }
        log.error(
            "The configuration was not reloaded; the agent goes on as before.",
            ["mistakes": sentences.count])
    }

    /// Makes all that is new, without touching what runs.
    private func prepare(
        _ configuration: AgentConfiguration, _ crew: Crew
    ) throws(PipelineError) -> Replacement {
        let generation = (crew.setup.plans.first?.generation ?? 0) + 1
        let setup = try Setup(configuration, generation: generation)
        warn(of: setup)
        var replacement = Replacement(
            setup: setup, change: ConfigurationChange(from: crew.setup, to: setup))
        for sink in configuration.sinks {
            if let loop = roster.deliveries.first(where: { $0.id == sink.id }) {
                guard replacement.change.openedSinks.contains(sink.id) == false else {
                    throw .stage(
                        "sinks.\(sink.id): what was sent to it before is still on its way; reload "
                            + "again in a minute", exit: .configuration)
                }
                guard replacement.change.replacedSinks.contains(sink.id) else { continue }
                replacement.outlets.append(
                    (loop, try makeOutlet(sink, deadLetter: loop.deadLetter)))
            }
        }
        if let listen = configuration.listen {
            replacement.status = try StatusServer.Terms(configuration.status, listen: listen)
        }
        try renewCertificates(replacement.change)
        replacement.readers = try makeReaders(
            configuration.inputs.filter { isOpenable($0, replacement.change, crew) }, setup)
        return replacement
    }

    /// Makes the readers of new inputs: all of them, or none stays open.
    private func makeReaders(
        _ inputs: [InputConfiguration], _ setup: Setup
    ) throws(PipelineError) -> [ReaderLoop] {
        var readers: [ReaderLoop] = []
        for input in inputs {
            do throws(PipelineError) {
                readers.append(try makeReader(input, setup, resumingFrom: ledger.positions))
            } catch {
                for reader in readers { reader.input.close() }
                throw error
            }
        }
        return readers
    }

    /// Lets listeners that stay open read their certificates again.
    ///
    /// They keep the old ones where the new ones are no good, and then nothing else may change
    /// either.
    private func renewCertificates(_ change: ConfigurationChange) throws(PipelineError) {
        let going = change.closedInputs + change.reopenedInputs
        var sentences: [String] = []
        for loop in roster.readers where !going.contains(loop.id) {
            guard loop.configuration.node["tls"] != nil else { continue }
            loop.input.reload()
            sentences += loop.input.state.reasons.map { "inputs.\(loop.id): \($0)" }
        }
        guard sentences.isEmpty else {
            throw .stage(
                sentences.joined(separator: "\n"), exit: .configuration)
        }
    }

    /// True for an input that is new and of which nothing from before is on its way.
    private func isOpenable(
        _ input: InputConfiguration, _ change: ConfigurationChange, _ crew: Crew
    ) -> Bool {
        change.openedInputs.contains(input.id) && isClear(input.id, crew)
    }

    private func isClear(_ input: String, _ crew: Crew) -> Bool {
        !crew.readers.contains { $0.loop.id == input } && handover.isSettled(input: input)
    }

    /// Lets the new configuration hold. Nothing here can fail.
    private func takeOver(_ replacement: Replacement, _ crew: inout Crew) {
        let change = replacement.change
        let configuration = replacement.setup.configuration
        crew.setup = replacement.setup
        for plan in replacement.setup.plans {
            accounts.open(input: plan.id, parser: plan.parser)
        }
        closeSinks(change.closedSinks)
        // Before the stream that names them is opened, or its first events would not count.
        openSinks(configuration.sinks.filter { change.openedSinks.contains($0.id) }, &crew)
        // From here on batches are parsed in the new way; the sealer comes to the change of
        // streams when it has sealed all that was read before.
        let opened = Set(replacement.readers.map(\.id))
        let waiting = Set(change.openedInputs + change.reopenedInputs).subtracting(opened)
            .union(crew.unopened.map(\.id))
        handover.change(
            plans: replacement.setup.plans.filter { !waiting.contains($0.id) },
            terms: change.opensStream ? replacement.setup.terms : nil)
        for (loop, outlet) in replacement.outlets { loop.replace(by: outlet) }
        changeInputs(replacement, &crew)
        changeStatus(replacement.status, crew)
        reloads.note(isTaken: true)
        let ceiling = MemoryCeiling(configuration, workerCount: crew.workerCount)
        show(ceiling)
        log.info(
            "The configuration was reloaded.",
            [
                "inputs_opened": change.openedInputs.joined(separator: " "),
                "inputs_reopened": change.reopenedInputs.joined(separator: " "),
                "inputs_closed": change.closedInputs.joined(separator: " "),
                "sinks_opened": change.openedSinks.joined(separator: " "),
                "sinks_replaced": change.replacedSinks.joined(separator: " "),
                "sinks_closed": change.closedSinks.joined(separator: " "),
                "new_stream": change.opensStream,
                "memory_bytes_at_most": ceiling.byteCount,
            ])
    }

    private func changeStatus(_ terms: StatusServer.Terms?, _ crew: Crew) {
        guard let terms, let server = crew.statusServer else { return }
        do throws(PipelineError) {
            try server.adopt(terms)
            roster.note(listener: terms)
        } catch {
            log.error("The status page keeps its former certificate.", ["reason": error])
        }
    }

    private func closeSinks(_ ids: [String]) {
        for loop in roster.deliveries where ids.contains(loop.id) { loop.retire() }
        for id in ids { accounts.close(sink: id) }
    }

    private func openSinks(_ sinks: [SinkConfiguration], _ crew: inout Crew) {
        for sink in sinks {
            do throws(PipelineError) {
                let loop = try makeDelivery(sink)
                roster.add(loop)
                crew.add(loop, startDelivery(loop))
            } catch {
                // Only the dead letter's folder can refuse here; the events wait in the ledger.
                log.error("The sink cannot be opened; restart the agent.", ["reason": error])
            }
        }
    }

    private func changeInputs(_ replacement: Replacement, _ crew: inout Crew) {
        let change = replacement.change
        let going = Set(change.closedInputs + change.reopenedInputs)
        for loop in roster.readers where going.contains(loop.id) { loop.stop() }
        for input in crew.unopened where !replacement.setup.names(input: input.id) {
            roster.note(input.id, unopened: nil)
        }
        crew.unopened.removeAll { !replacement.setup.names(input: $0.id) }
        for loop in replacement.readers {
            roster.add(loop)
            crew.add(loop, startReader(loop))
        }
        let made = Set(replacement.readers.map(\.id))
        let wanted = Set(change.openedInputs + change.reopenedInputs).subtracting(made)
        for input in replacement.setup.configuration.inputs where wanted.contains(input.id) {
            crew.unopened.removeAll { $0.id == input.id }
            crew.unopened.append(input)
        }
    }

    // MARK: Between two looks around

    /// Lets go of threads that have ended and opens inputs whose turn has come.
    func tend(_ crew: inout Crew) {
        for (loop, thread) in crew.deliveries where loop.isFinished {
            thread.join()
            roster.remove(loop)
        }
        crew.deliveries.removeAll { $0.loop.isFinished }
        // A reader that has ended by itself stays: its state is still of interest.
        let named = crew.setup.configuration.inputs.map(\.id)
        let pending = Set(crew.unopened.map(\.id))
        let isGone = { (loop: ReaderLoop) in
            loop.isFinished && (!named.contains(loop.id) || pending.contains(loop.id))
        }
        let gone = crew.readers.filter { isGone($0.loop) }
        for (loop, thread) in gone {
            thread.join()
            roster.remove(loop)
        }
        crew.readers.removeAll { entry in gone.contains { $0.loop === entry.loop } }
        openInputs(&crew)
    }

    private func openInputs(_ crew: inout Crew) {
        let now = SystemClock().monotonic()
        guard !crew.unopened.isEmpty, crew.nextTry.map({ now >= $0 }) ?? true else { return }
        crew.nextTry = nil
        for input in crew.unopened where isClear(input.id, crew) {
            do throws(PipelineError) {
                let loop = try makeReader(input, crew.setup, resumingFrom: ledger.positions)
                handover.change(
                    plans: crew.setup.plans.filter { $0.id == input.id }, terms: nil)
                roster.add(loop)
                crew.add(loop, startReader(loop))
                crew.unopened.removeAll { $0.id == input.id }
                log.info("The input was opened again.", ["input": input.id])
            } catch {
                roster.note(input.id, unopened: error.description)
                crew.nextTry = now.advanced(by: Pipeline.reopenInterval)
                log.error(
                    "The input cannot be opened; it is tried again.",
                    ["input": input.id, "reason": error])
            }
        }
    }
}
