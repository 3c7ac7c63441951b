// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform

/// Finds logs that show refusals and no success, because the product is set so.
///
/// Most products can be told to log failures only, and some are by default: the trail then lacks
/// every login that worked, and nobody notices.
struct BlindSpots {
    /// The most files of an input that are looked at.
    static let fileLimit = 5
    /// The most records of a file.
    static let recordLimit = 5_000
    /// The fewest refusals that say something where the product is not known to hide successes.
    static let refusalCount = 50

    private let plans: [InputPlan]
    private let inputs: [InputConfiguration]

    init(_ configuration: AgentConfiguration, _ plans: [InputPlan]) {
        self.plans = plans
        inputs = configuration.inputs
    }

    /// A sentence for each log that looks blind, with the way out.
    func warnings() -> [String] {
        inputs.flatMap { input -> [String] in
            guard let plan = plans.first(where: { $0.id == input.id }) else { return [] }
            return input.paths.flatMap { FileSystem.matches($0) }.prefix(BlindSpots.fileLimit)
                .flatMap { path in
                    let name = ConfigurationText.visible(path)
                    return warnings(path, plan).map { "inputs.\(input.id): \(name): \($0)" }
                }
        }
    }

    /// What the outcomes of a product's events were.
    private struct Tally {
        var successCount = 0
        var refusalCount = 0
    }

    private func warnings(_ path: String, _ plan: InputPlan) -> [String] {
        guard (try? FileSystem.status(path))?.kind == .regular,
            var reader = try? WholeFileReader(path, framing: plan.framing)
        else { return [] }
        var sorter = ProductSorter(parsers: plan.parsers)
        var tallies: [Int: Tally] = [:]
        var recordCount = 0
        while recordCount < BlindSpots.recordLimit, let batch = try? reader.next() {
            recordCount += batch.records.count
            count(batch, plan, &sorter, &tallies)
        }
        return tallies.sorted { $0.key < $1.key }.compactMap { number, tally in
            BlindSpots.sentence(
                plan.parsers[number], tally.successCount, tally.refusalCount)
        }
    }

    private func count(
        _ batch: RecordBatch, _ plan: InputPlan, _ sorter: inout ProductSorter,
        _ tallies: inout [Int: Tally]
    ) {
        guard plan.isAutomatic else { return count(batch, plan, 0, &tallies) }
        for run in sorter.runs(of: batch) {
            guard let number = run.parser else { continue }
            count(batch.part(run.records, isLast: false), plan, number, &tallies)
        }
    }

    private func count(
        _ batch: RecordBatch, _ plan: InputPlan, _ number: Int, _ tallies: inout [Int: Tally]
    ) {
        guard let program = plan.parsers[number].program() else { return }
        var parser = RecordParser(program: program, context: plan.context)
        for event in parser.parse(batch).events {
            switch event.outcome {
            case .success: tallies[number, default: Tally()].successCount += 1
            case .failure, .denied: tallies[number, default: Tally()].refusalCount += 1
            case .unknown: break
            }
        }
    }

    /// What to say of a product's log with so many successes and refusals; nil for nothing.
    static func sentence(
        _ parser: ParserOutline, _ successCount: Int, _ refusalCount: Int
    ) -> String? {
        guard successCount == 0, refusalCount > 0 else { return nil }
        let count = refusalCount == 1 ? "1 refusal" : "\(refusalCount) refusals"
        if let need = parser.successesNeed {
            return "shows \(count) and no success; \(parser.name) logs successes only with "
                + "this setting: \(need)"
        }
        guard refusalCount >= BlindSpots.refusalCount else { return nil }
        return "shows \(count) and no success; docs/coverage.md says what \(parser.name) logs"
    }
}
