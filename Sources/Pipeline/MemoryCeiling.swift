// SPDX-License-Identifier: Apache-2.0
import Inputs
import Ledger
import Platform
import Sinks

/// The most memory that a configuration lets the agent use: a sum over every queue and buffer.
///
/// One function of the configuration and of named limits, so that the start can print it and a
/// dashboard can hold it against what the process really uses. What is shared in fact counts for
/// each holder, because at worst nothing is shared.
struct MemoryCeiling: Sendable, Equatable {
    /// One kind of memory.
    struct Part: Sendable, Equatable {
        let name: String
        let byteCount: Int
    }

    /// All kinds.
    let parts: [Part]

    /// The program, its libraries, the stacks of its threads and what malloc keeps.
    static let programByteCount = 48 << 20
    /// A batch is on its way as a block, as a table of fields, as scratch and as bodies.
    static let batchForms = 4
    /// What a batch takes beside its bytes.
    static let batchByteCount = 8 << 10
    /// What is sealed is held as bodies, as the frame that is built and as its compressed form.
    static let commitForms = 3
    /// A frame in memory has tables of events, leaves and places beside its bodies, for half as
    /// much again.
    static let frameForms = (of: 3, parts: 2)
    /// A request can hold the frames it begins and ends in, whole.
    static let framesOfRequest = 2
    /// A position in memory with its path, in the table of its input or of the ledger.
    static let positionByteCount = 512
    /// The ledger keeps a table of positions, the input another.
    static let positionTables = 2
    /// What one connection of monitoring may hold: a page of numbers.
    static let pageByteCount = 256 << 10

    /// Adds everything up.
    init(_ configuration: AgentConfiguration, workerCount: Int) {
        let largestRecord = configuration.inputs.map(\.recordByteLimit).max() ?? 0
        let batch = InputLimit.blockByteCount + largestRecord
        let share = MemoryCeiling.frameForms
        let frame = (SealerLoop.commitByteLimit + batch) * share.of / share.parts
        var parts = [Part(name: "program", byteCount: MemoryCeiling.programByteCount)]
        func add(_ name: String, _ byteCount: Int) {
            parts.append(Part(name: name, byteCount: byteCount))
        }
        for input in configuration.inputs {
            add("inputs.\(input.id)", MemoryCeiling.reading(input))
        }
        add("parsing", workerCount * batch * MemoryCeiling.batchForms)
        let onTheWay = (Handover.byteLimit + batch) * MemoryCeiling.batchForms
        add("on_the_way", onTheWay + Handover.batchLimit * MemoryCeiling.batchByteCount)
        add("sealing", frame * MemoryCeiling.commitForms)
        add("ledger", configuration.ledger.memoryByteLimit + frame)
        for sink in configuration.sinks {
            add("sinks.\(sink.id)", MemoryCeiling.delivering(sink, frame: frame))
        }
        // One at a time, beside the ordinary delivery of its sink.
        add(
            "replay", configuration.sinks.map { MemoryCeiling.sending($0, frame: frame) }.max() ?? 0
        )
        if configuration.listen != nil {
            let connections = Int(StatusServer.connectionLimit)
            add("monitoring", connections * MemoryCeiling.pageByteCount)
        }
        self.parts = parts
    }

    /// All parts together.
    var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    private static func reading(_ input: InputConfiguration) -> Int {
        // What the input itself holds, and the batch that it is about to hand over.
        let buffer = input.memoryByteLimit + InputLimit.blockByteCount + input.recordByteLimit
        guard input.kind == .file else { return buffer }
        return buffer + InputLimit.rememberedFileLimit * positionByteCount * positionTables
    }

    private static func delivering(_ sink: SinkConfiguration, frame: Int) -> Int {
        sending(sink, frame: frame) + sink.memoryByteLimit
    }

    private static func sending(_ sink: SinkConfiguration, frame: Int) -> Int {
        let request = sink.batch.byteLimit + framesOfRequest * frame
        // One request is filled while the others are on their way or wait to be sent again.
        return (sink.inFlight + 1) * request + frame
    }
}
