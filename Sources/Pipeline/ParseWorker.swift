// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform
import Sealing

/// How the records of one input become events.
struct InputPlan: Sendable {
    let id: String
    /// What parses them; several where each record is of the product that knows it.
    let parsers: [ParserOutline]
    /// Whether the product is found out from the records.
    var isAutomatic = false
    let context: ParseContext
    /// How lines are cut into records.
    var framing = RecordFraming()
    /// What was recognised in the logs at hand, in sentences for the operator.
    var notices: [String] = []
    /// True when a filter asks for the tenants of events.
    var needsTenants = false
    /// Which reading of the configuration it stems from.
    var generation: UInt64 = 0

    /// What the input's parser is called.
    var parser: String { isAutomatic ? Unrecognised.parser : parsers.first?.name ?? "" }

    /// What decides where records begin, to compare it with that of another plan.
    var recordStarts: [String?] {
        parsers.map { parser in
            isAutomatic ? "\(parser.name) \(parser.recordStart ?? "")" : parser.recordStart
        }
    }
}

/// Parses, encodes and hashes batches of any input, on a thread of its own.
struct ParseWorker: ~Copyable {
    private let handover: Handover
    private let pulse: Pulse
    private let log: Log
    private var lanes: [String: Lane] = [:]
    private var encoder: BodyEncoder
    // Made only where a filter asks for tenants, because it has buffers of its own.
    private var tenantEncoder: BodyEncoder?
    private let agentName: String

    /// The parser of one product; a class because arrays cannot hold what cannot be copied.
    private final class ProductParser {
        var parser: RecordParser

        init(_ program: ParserProgram, _ context: ParseContext) {
            parser = RecordParser(program: program, context: context)
        }
    }

    /// The parsers of one input.
    private final class Lane {
        let generation: UInt64
        private let plan: InputPlan
        private let log: Log
        private var sorter: ProductSorter
        private var parsers: [ProductParser?]

        init(_ plan: InputPlan, _ log: Log) {
            generation = plan.generation
            self.plan = plan
            self.log = log
            sorter = ProductSorter(parsers: plan.parsers)
            parsers = Array(repeating: nil, count: plan.parsers.count)
        }

        /// The parts of a batch that one parser each made, in order.
        func parse(_ batch: RecordBatch, _ take: (EventBatch, _ isLast: Bool) -> Void) {
            guard plan.isAutomatic else { return take(parse(batch, 0), true) }
            let runs = sorter.runs(of: batch)
            for (index, run) in runs.enumerated() {
                let isLast = index + 1 == runs.count
                let isWhole = runs.count == 1
                let part = isWhole ? batch : batch.part(run.records, isLast: isLast)
                take(run.parser.map { parse(part, $0) } ?? Unrecognised.ignore(part), isLast)
            }
        }

        private func parse(_ batch: RecordBatch, _ number: Int) -> EventBatch {
            if let parser = parsers[number] { return parser.parser.parse(batch) }
            let program = plan.parsers[number].program {
                log.warning("A parser has a mistake.", ["parser": $0])
            }
            guard let program else { return Unrecognised.ignore(batch) }
            let made = ProductParser(program, plan.context)
            parsers[number] = made
            return made.parser.parse(batch)
        }
    }

    init(handover: Handover, agentName: String, pulse: Pulse, log: Log) {
        self.handover = handover
        self.pulse = pulse
        self.log = log
        self.agentName = agentName
        encoder = BodyEncoder(agentName: agentName, tenants: false)
    }

    /// Works until the way is closed and empty.
    mutating func run() {
        while let work = handover.pop() {
            pulse.beat(.working, on: work.plan.id)
            handover.deliver(encode(work), ticket: work.ticket)
            pulse.beat(.waiting)
        }
        pulse.beat(.waiting)
    }

    private mutating func encode(_ work: Handover.Work) -> [EncodedBatch] {
        var encoded: [EncodedBatch] = []
        lane(for: work.plan).parse(work.batch) { events, isLast in
            var batch = encode(events, work.plan)
            batch.isLast = isLast
            encoded.append(batch)
        }
        return encoded
    }

    private mutating func encode(_ events: consuming EventBatch, _ plan: InputPlan) -> EncodedBatch
    {
        guard plan.needsTenants else { return encoder.encode(events) }
        if tenantEncoder == nil { tenantEncoder = BodyEncoder(agentName: agentName, tenants: true) }
        guard let encoded = tenantEncoder?.encode(events) else { bug("an encoder vanished") }
        return encoded
    }

    /// The parser of a plan. Tickets rise, so after a reload the former plan never comes again.
    private mutating func lane(for plan: InputPlan) -> Lane {
        if let lane = lanes[plan.id], lane.generation == plan.generation { return lane }
        let lane = Lane(plan, log)
        lanes[plan.id] = lane
        return lane
    }
}
