// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Sealing

/// How the records of one input become events.
struct InputPlan: Sendable {
    let id: String
    let program: ParserProgram
    let context: ParseContext
}

/// Parses, encodes and hashes batches of any input, on a thread of its own.
struct ParseWorker: ~Copyable {
    private let handover: Handover
    private var lanes: [Lane] = []
    private var encoder: BodyEncoder

    /// The parser of one input; a class because arrays cannot hold what cannot be copied.
    private final class Lane {
        var parser: RecordParser

        init(_ plan: InputPlan) {
            parser = RecordParser(program: plan.program, context: plan.context)
        }
    }

    init(handover: Handover, inputs: [InputPlan], agentName: String, tenants: Bool) {
        self.handover = handover
        lanes = inputs.map { Lane($0) }
        encoder = BodyEncoder(agentName: agentName, tenants: tenants)
    }

    /// Works until the way is closed and empty.
    mutating func run() {
        while let work = handover.pop() {
            let events = lanes[work.input].parser.parse(work.batch)
            handover.deliver(encoder.encode(events), ticket: work.ticket)
        }
    }
}
