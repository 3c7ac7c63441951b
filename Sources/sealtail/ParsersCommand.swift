// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Sealing

/// Lists, shows and tests the parsers.
enum ParsersCommand {
    static func run(_ options: Options) throws -> ExitCode {
        let words = options.operands
        // A mistake in one parser is no reason not to work on another.
        let wanted = words.count == 2 ? Set([words[1]]) : nil
        let library = try ParseCommand.loadLibrary(options.value("parsers"), only: wanted)
        let names = words.count == 2 ? [words[1]] : library.names
        switch words.first {
        case "list" where words.count == 1:
            let page = CoveragePage(library)
            emit(options.has("markdown") ? page.markdown : page.table)
        case "show" where words.count == 2:
            try show(words[1], library)
        case "test" where words.count <= 2:
            return try test(
                names, library, fixtures: options.value("fixtures"),
                isUpdating: options.has("update"))
        case "bench" where words.count <= 2:
            try bench(names, library, fixtures: options.value("fixtures"))
        default: throw UsageError("say list, show NAME, test or bench")
        }
        return .ok
    }

    private static func show(_ name: String, _ library: ParserLibrary) throws {
        let (definition, program) = try find(name, library)
        emit("name: \(name)\nproduct: \(definition.vendor), \(definition.product)\n")
        emit("file: \(definition.file)\n")
        let verification = definition.verification
        for text in verification.samples { emit("verified by sample: \(text)\n") }
        for text in verification.sources { emit("verified by source: \(text)\n") }
        for text in verification.documentation { emit("verified by documentation: \(text)\n") }
        emit("formats: \(program.formatNames.joined(separator: ", "))\n")
        emit("actions: \(program.actions.map(\.name).joined(separator: ", "))\n")
    }

    private static func find(
        _ name: String, _ library: ParserLibrary
    ) throws(CommandFailure) -> (ParserDefinition, ParserProgram) {
        guard let definition = library.definition(named: name),
            let program = library.program(named: name)
        else {
            let known = library.names.joined(separator: ", ")
            throw CommandFailure("there is no parser \(name); there are \(known)", .noInput)
        }
        return (definition, program)
    }

    // MARK: Fixtures

    private static func test(
        _ names: [String], _ library: ParserLibrary, fixtures: String?, isUpdating: Bool
    ) throws -> ExitCode {
        var failedCount = 0
        var blockCount = 0
        for name in names {
            let (definition, program) = try find(name, library)
            let path = try fixturePath(of: definition, fixtures)
            var file = try fixture(path)
            if file.blocks.isEmpty {
                talk("\(path): has no record; write one, a line ---, and run with --update")
                failedCount += 1
            }
            var runner = FixtureRunner(program)
            for index in file.blocks.indices {
                let found = runner.run(file.blocks[index])
                blockCount += 1
                guard found != file.blocks[index].expected else { continue }
                failedCount += 1
                if !isUpdating { complain(path, file.blocks[index], found) }
                file.blocks[index].expected = found
            }
            if isUpdating {
                try FileSystem.write(path, Array(file.text.utf8).span, permissions: 0o644)
            }
        }
        let word = isUpdating ? "updated" : "failed"
        talk("\(names.count) parsers, \(blockCount) records, \(failedCount) \(word)")
        return failedCount == 0 || isUpdating ? .ok : .badData
    }

    private static func complain(_ path: String, _ block: FixtureFile.Block, _ found: [String]) {
        talk("\(path):\(block.line):\n  record:   \(block.record)")
        for line in block.expected { talk("  expected: \(line)") }
        for line in found { talk("  found:    \(line)") }
    }

    private static func fixturePath(
        of definition: ParserDefinition, _ fixtures: String?
    ) throws(CommandFailure) -> String {
        // Beside the folder of parsers of a checkout.
        let root = FileSystem.folder(of: FileSystem.folder(of: definition.file))
        let folder = fixtures ?? root + "/Tests/Fixtures/parsers"
        guard FileSystem.exists(folder) else {
            throw CommandFailure(
                "\(definition.name): there is no folder \(folder); name that of the fixtures with "
                    + "--fixtures", .noInput)
        }
        return folder + "/" + definition.name + ".fixture"
    }

    private static func fixture(_ path: String) throws(SystemError) -> FixtureFile {
        let bytes = try FileSystem.read(path, byteLimit: FixtureFile.byteLimit)
        return FixtureFile(String(decoding: bytes, as: UTF8.self))
    }

    // MARK: Speed

    /// Prints what a record of each format of each parser costs, and the worst hostile one.
    private static func bench(
        _ names: [String], _ library: ParserLibrary, fixtures: String?
    ) throws {
        emit(
            "parser format: records and their mean size, µs a record and an event, µs and "
                + "patterns of the worst hostile one\n")
        for name in names {
            let (definition, program) = try find(name, library)
            let file = try fixture(fixturePath(of: definition, fixtures))
            for row in ParserBench(program).rows(file.blocks.map(\.bytes)) { emit(row + "\n") }
        }
    }
}

/// Gives the canonical events of fixtures, always in the same bytes.
struct FixtureRunner: ~Copyable {
    private var parser: RecordParser
    private var encoder = BodyEncoder(agentName: "fixture.example.com", tenants: false)

    /// When all fixtures were read.
    private static let observed = Timestamp(
        year: 2026, month: 11, day: 21, hour: 12, minute: 0, second: 0)

    init(_ program: ParserProgram) {
        parser = RecordParser(program: program, context: ParseCommand.publicContext(.utc))
    }

    /// The events of a block's record, or why it is ignored or dropped.
    mutating func run(_ block: FixtureFile.Block) -> [String] {
        let bytes = block.bytes
        let padding = [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        let record = Record(start: 0, count: UInt32(bytes.count), offset: 0)
        let events = parser.parse(
            RecordBatch(
                input: "fixture", source: "fixture", path: nil, observed: FixtureRunner.observed,
                bytes: bytes + padding, records: [record], positions: []))
        let lost =
            events.tally.ignored.keys.map { "ignored: " + $0 }
            + events.tally.dropped.keys.map { "dropped: " + $0 }
            + events.tally.elements.lines
        let encoded = encoder.encode(events)
        var start = 0
        return lost
            + encoded.events.map { event in
                defer { start = event.end }
                return String(decoding: encoded.bodies[start..<event.end], as: UTF8.self)
            }
    }
}
