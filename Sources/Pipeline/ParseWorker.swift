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
    /// True when a filter asks for the tenants of events.
    var needsTenants = false
    /// Which reading of the configuration it stems from.
    var generation: UInt64 = 0
}

/// Parses, encodes and hashes batches of any input, on a thread of its own.
struct ParseWorker: ~Copyable {
    private let handover: Handover
    private let pulse: Pulse
    private var lanes: [String: Lane] = [:]
    private var encoder: BodyEncoder
    // Made only where a filter asks for tenants, because it has buffers of its own.
    private var tenantEncoder: BodyEncoder?
    private let agentName: String

    /// The parser of one input; a class because arrays cannot hold what cannot be copied.
    private final class Lane {
        var parser: RecordParser
        let generation: UInt64

        init(_ plan: InputPlan) {
            parser = RecordParser(program: plan.program, context: plan.context)
            generation = plan.generation
        }
    }

    init(handover: Handover, agentName: String, pulse: Pulse) {
        self.handover = handover
        self.pulse = pulse
        self.agentName = agentName
        encoder = BodyEncoder(agentName: agentName, tenants: false)
    }

    /// Works until the way is closed and empty.
    mutating func run() {
        while let work = handover.pop() {
            pulse.beat(.working, on: work.plan.id)
            let events = lane(for: work.plan).parser.parse(work.batch)
            handover.deliver(encode(events, work.plan), ticket: work.ticket)
            pulse.beat(.waiting)
        }
        pulse.beat(.waiting)
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
        let lane = Lane(plan)
        lanes[plan.id] = lane
        return lane
    }
}
