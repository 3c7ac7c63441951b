// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Parsing
import Platform
import Sealing
import Sinks

/// Turns logs into events without an agent: one JSON object a line on standard output.
enum ParseCommand {
    /// Events get ids of this agent; the ids of a real agent's events are others.
    static let agentName = "parse"

    static func run(_ options: Options) throws -> ExitCode {
        guard !options.operands.isEmpty else { throw UsageError("no file is named") }
        let rendering: DocumentRendering?
        switch options.value("format") ?? "canonical" {
        case "canonical": rendering = nil
        case "ecs": rendering = .ecs()
        case "ocsf": rendering = .ocsf()
        case let format: throw UsageError("--format must be canonical, ecs or ocsf, is \(format)")
        }
        let zone = try zone(options.value("timezone"))
        let parser = options.value("parser") ?? "auto"
        let library = try loadLibrary(
            options.value("parsers"), only: parser == "auto" ? nil : [parser], named: [parser])
        var run = ParseRun(
            library: library, parser: parser, framing: try framing(options.value("framing")),
            zone: zone, rendering: rendering, explains: options.has("explain"))
        for path in options.operands { try run.parse(path) }
        run.report()
        return .ok
    }

    /// The parsers at hand; throws every mistake when one is wrong or there is none.
    ///
    /// - Parameters:
    ///   - only: reads these alone; nil reads all.
    ///   - named: in others mistakes are forgiven and told; nil forgives none.
    static func loadLibrary(
        _ folder: String?, only: Set<String>? = nil, named: Set<String>? = nil
    ) throws -> ParserLibrary {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: ParserLibrary.directories(explicit: folder), only: only, named: named,
            problems: problems)
        for warning in library.warnings { talk("warning: \(warning)") }
        guard problems.isEmpty else { throw Mistakes(problems.list) }
        guard !library.names.isEmpty else {
            let place = folder.map { " in \($0)" } ?? ""
            throw CommandFailure(
                "there are no parsers\(place); name a folder of them with --parsers",
                .configuration)
        }
        return library
    }

    private static func zone(_ name: String?) throws(UsageError) -> Zone {
        do throws(ZoneError) {
            guard let name else { return try Zone.system() }
            return try Zone(named: name)
        } catch {
            throw UsageError("\(error)")
        }
    }

    /// Everybody knows this key, so its fingerprints are for looking at, not for hiding anything.
    static func publicContext(_ zone: Zone) -> ParseContext {
        let key = [UInt8](repeating: 0x2A, count: PrivacyPolicy.keyByteCount)
        return ParseContext(timezone: zone, privacy: PrivacyPolicy(key: Secret(key)))
    }

    private static func framing(
        _ word: String?
    ) throws(UsageError) -> InputConfiguration.Framing {
        guard let word else { return .auto }
        if let framing = InputConfiguration.Framing(rawValue: word) { return framing }
        let known = InputConfiguration.Framing.allCases.map(\.rawValue).joined(separator: ", ")
        throw UsageError("--framing must be one of \(known), is \(word)")
    }
}

/// One run over several files.
private struct ParseRun: ~Copyable {
    let library: ParserLibrary
    let parser: String
    let framing: InputConfiguration.Framing
    let zone: Zone
    let explains: Bool
    // Where the events are wanted in another model.
    private var rendering: DocumentRendering?
    private var encoder = BodyEncoder(agentName: ParseCommand.agentName, tenants: false)
    private var tally = RecordTally()
    private var failedCount = 0

    init(
        library: ParserLibrary, parser: String, framing: InputConfiguration.Framing, zone: Zone,
        rendering: consuming DocumentRendering?, explains: Bool
    ) {
        self.library = library
        self.parser = parser
        self.framing = framing
        self.zone = zone
        self.rendering = rendering
        self.explains = explains
    }

    /// Parses a file to its end.
    mutating func parse(_ path: String) throws {
        if parser == "auto" { return try recognise(path) }
        guard let outline = library.outline(named: parser), let program = outline.program() else {
            let known = library.names.joined(separator: ", ")
            throw CommandFailure("there is no parser \(parser); there are \(known)", .badData)
        }
        var reader = try WholeFileReader(path, framing: try framing(for: outline))
        var parser = makeParser(program)
        while let batch = try reader.next() { take(batch, &parser) }
    }

    /// Parses a file whose products are found out record by record.
    private mutating func recognise(_ path: String) throws {
        let outlines = library.bySpecificity
        var framing = RecordFraming(wrapper: framing)
        framing.zone = zone
        framing.products = try outlines.map { outline in
            ProductLines(
                recognition: outline.lines,
                recordStart: try outline.recordStart.map(RegularExpression.init))
        }
        var reader = try WholeFileReader(path, framing: framing)
        var sorter = ProductSorter(parsers: outlines)
        var parsers: [Int: FileParser] = [:]
        var recordCount = 0
        while let batch = try reader.next() {
            recordCount += batch.records.count
            let runs = sorter.runs(of: batch)
            for (index, run) in runs.enumerated() {
                let part = batch.part(run.records, isLast: index + 1 == runs.count)
                guard let number = run.parser, let program = outlines[number].program() else {
                    write(Unrecognised.ignore(part))
                    continue
                }
                let parser = parsers[number] ?? FileParser(makeParser(program))
                parsers[number] = parser
                parser.knownCount += run.knownCount
                take(part, &parser.parser)
            }
        }
        for (number, parser) in parsers.sorted(by: { $0.value.knownCount > $1.value.knownCount }) {
            let share = Int((Double(parser.knownCount) / Double(recordCount) * 100).rounded())
            talk(
                "\(path): parser \(outlines[number].name), which knows \(share) % of "
                    + "\(recordCount) lines")
        }
        guard parsers.isEmpty, recordCount > 0 else { return }
        throw CommandFailure(
            "\(path): no parser knows these lines; name one with --parser", .badData)
    }

    private func makeParser(_ program: ParserProgram) -> RecordParser {
        RecordParser(program: program, context: ParseCommand.publicContext(zone))
    }

    private func framing(for parser: ParserOutline) throws -> RecordFraming {
        var framing = RecordFraming(wrapper: framing)
        framing.zone = zone
        framing.recordStart = try parser.recordStart.map(RegularExpression.init)
        return framing
    }

    private mutating func take(_ batch: RecordBatch, _ parser: inout RecordParser) {
        guard explains else { return write(parser.parse(batch)) }
        for index in batch.records.indices {
            let (events, explanation) = parser.explain(batch.part(index..<index + 1, isLast: true))
            explain(batch.records[index], explanation)
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
        tally.elements.add(events.tally.elements)
        let encoded = encoder.encode(events)
        var output = ByteWriter(capacity: encoded.bodies.count + encoded.events.count + 1)
        var start = 0
        for event in encoded.events {
            let range = start..<event.end
            let body = encoded.bodies.span.extracting(range)
            if rendering?.append(body: body, leaf: event.leaf, to: &output) == nil {
                output.append(body)
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
                + "ignored \(ignored), failed \(failedCount)\(elementReport)")
        guard explains else { return }
        for (reason, count) in tally.ignored.sorted(by: { $0.key < $1.key }) {
            talk("  ignored, \(reason): \(count)")
        }
        for (reason, count) in tally.elements.ignored.sorted(by: { $0.key < $1.key }) {
            talk("  elements ignored, \(reason): \(count)")
        }
    }

    /// What became of the elements of lists, where there were any.
    private var elementReport: String {
        let elements = tally.elements
        guard elements.read > 0 else { return "" }
        let ignored = elements.ignored.values.reduce(0, +)
        let dropped = elements.dropped.values.reduce(0, +)
        return "; of \(elements.read) elements of lists ignored \(ignored), failed \(dropped)"
    }
}

/// The parser of one product of a file; a class because dictionaries cannot hold what cannot be
/// copied.
private final class FileParser {
    var parser: RecordParser
    /// How many records the product has recognised.
    var knownCount = 0

    init(_ parser: consuming RecordParser) {
        self.parser = parser
    }
}
