// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform
import Sealing
import Sinks

/// Turns logs into events without an agent: one JSON object a line on standard output.
enum ParseCommand {
    private static let usage = """
        usage: sealtail parse [--parser NAME|auto] [--format canonical|ecs] [--explain]
                              [--timezone ZONE] [--parsers DIR] FILE…|-
        """
    /// The bytes at the beginning of a file by which a parser is recognised.
    private static let sampleByteCount = 256 << 10
    /// Events get ids of this agent; the ids of a real agent's events are others.
    static let agentName = "parse"

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try Options(
                arguments, flags: ["explain"],
                values: ["parser", "format", "timezone", "parsers"])
            guard !options.positional.isEmpty else { throw UsageError("no file is named") }
            let format = options.value("format") ?? "canonical"
            guard format == "canonical" || format == "ecs" else {
                throw UsageError("--format must be canonical or ecs, is \(format)")
            }
            let zone = try options.value("timezone").map { try Zone(named: $0) } ?? Zone.system()
            guard let library = loadLibrary(options.value("parsers")) else {
                return ExitCode.configuration
            }
            var run = ParseRun(
                library: library, parser: options.value("parser") ?? "auto", zone: zone,
                isECS: format == "ecs", explains: options.has("explain"))
            for path in options.positional {
                let code = try run.parse(path)
                if code != ExitCode.ok { return code }
            }
            run.report()
            return ExitCode.ok
        } catch let error as UsageError {
            talk("sealtail parse: \(error)\n\(usage)")
            return ExitCode.usage
        } catch let error as InputError {
            talk("sealtail parse: \(error)")
            return ExitCode.noInput
        } catch {
            talk("sealtail parse: \(error)")
            return ExitCode.usage
        }
    }

    /// The parsers at hand; nil, with every mistake on standard error, when one is wrong.
    static func loadLibrary(_ folder: String?) -> ParserLibrary? {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: ParserLibrary.directories(explicit: folder), problems: problems)
        for problem in problems.list { talk("\(problem)") }
        if library.names.isEmpty {
            talk("sealtail: no parsers found; name their folder with --parsers DIR")
        }
        return problems.isEmpty && !library.names.isEmpty ? library : nil
    }

    /// Everybody knows this key, so its fingerprints are for looking at, not for hiding anything.
    static func publicContext(_ zone: Zone) -> ParseContext {
        let key = [UInt8](repeating: 0x2A, count: PrivacyPolicy.keyByteCount)
        return ParseContext(timezone: zone, privacy: PrivacyPolicy(key: Secret(key)))
    }

    static func sample(_ bytes: [UInt8]) -> [[UInt8]] {
        bytes.prefix(sampleByteCount).split(separator: 0x0A).map(Array.init)
    }
}

/// One run over several files.
private struct ParseRun: ~Copyable {
    let library: ParserLibrary
    let parser: String
    let zone: Zone
    let isECS: Bool
    let explains: Bool
    private var encoder = BodyEncoder(agentName: ParseCommand.agentName, tenants: false)
    private var rendering = ECSRendering(dataStream: "logs-oauth.audit-default")
    private var tally = RecordTally()
    private var failedCount = 0

    init(library: ParserLibrary, parser: String, zone: Zone, isECS: Bool, explains: Bool) {
        self.library = library
        self.parser = parser
        self.zone = zone
        self.isECS = isECS
        self.explains = explains
    }

    /// Parses a file to its end.
    mutating func parse(_ path: String) throws -> Int32 {
        var reader = try WholeFileReader(path)
        let head = try reader.head()
        guard let program = choose(path, head) else { return ExitCode.badData }
        if let start = program.recordStart {
            reader.use(RecordFraming(recordStart: try RegularExpression(start)))
        }
        var parser = RecordParser(program: program, context: ParseCommand.publicContext(zone))
        while let batch = try reader.next() { take(batch, &parser) }
        return ExitCode.ok
    }

    private func choose(_ path: String, _ head: [UInt8]) -> ParserProgram? {
        guard parser == "auto" else {
            if let program = library.program(named: parser) { return program }
            let known = library.names.joined(separator: ", ")
            talk("sealtail parse: there is no parser \(parser); there are \(known)")
            return nil
        }
        let sample = ParseCommand.sample(head)
        guard let best = library.recognise(sample: sample).first,
            let program = library.program(named: best.name)
        else {
            talk("sealtail parse: \(path): no parser knows these lines; name one with --parser")
            return nil
        }
        let share = Int((best.confidence * 100).rounded())
        talk("\(path): parser \(best.name), which knows \(share) % of \(sample.count) lines")
        return program
    }

    private mutating func take(_ batch: RecordBatch, _ parser: inout RecordParser) {
        guard explains else { return write(parser.parse(batch)) }
        for record in batch.records {
            var one = batch
            one.records = [record]
            let (events, explanation) = parser.explain(one)
            explain(record, explanation)
            write(events)
        }
    }

    private mutating func write(_ events: EventBatch) {
        tally.read += events.tally.read
        tally.parsed += events.tally.parsed
        tally.events += events.tally.events
        tally.unclassified += events.tally.unclassified
        for (reason, count) in events.tally.ignored { tally.ignored[reason, default: 0] += count }
        for (_, count) in events.tally.dropped { failedCount += count }
        let encoded = encoder.encode(events)
        var output = ByteWriter(capacity: encoded.bodies.count + encoded.events.count + 1)
        var start = 0
        for event in encoded.events {
            let range = start..<event.end
            if isECS {
                _ = rendering.append(
                    body: encoded.bodies.span.extracting(range), leaf: event.leaf, to: &output)
            } else {
                output.append(encoded.bodies, range)
            }
            output.append(0x0A)
            start = event.end
        }
        if output.count > 0 { emit(output.makeString()) }
    }

    private func explain(_ record: Record, _ explanation: ParseExplanation) {
        var lines = ["record at \(record.offset), \(record.count) bytes:"]
        lines.append("  format: \(explanation.format ?? "none")")
        for (name, value) in explanation.values { lines.append("  \(name): \(value)") }
        if let reason = explanation.ignoredReason {
            lines.append("  ignored: \(reason)")
        } else {
            lines.append("  named by the rule at line \(explanation.ruleLine)")
        }
        if !explanation.damage.isEmpty { lines.append("  damage: \(explanation.damage)") }
        talk(lines.joined(separator: "\n"))
    }

    /// The one line that says what became of everything.
    func report() {
        let ignored = tally.ignored.values.reduce(0, +)
        talk(
            "read \(tally.read), events \(tally.events), unclassified \(tally.unclassified), "
                + "ignored \(ignored), failed \(failedCount)")
        if explains {
            for (reason, count) in tally.ignored.sorted(by: { $0.key < $1.key }) {
                talk("  ignored, \(reason): \(count)")
            }
        }
    }
}
