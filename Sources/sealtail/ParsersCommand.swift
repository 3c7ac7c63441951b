// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Sealing

/// Lists, shows and tests the parsers.
enum ParsersCommand {
    private static let usage = """
        usage: sealtail parsers list [--markdown]|show NAME|test [NAME] [--update]|bench [NAME]
                                [--parsers DIR] [--fixtures DIR]
        """

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try Options(
                arguments, flags: ["update", "markdown"], values: ["parsers", "fixtures"])
            let words = options.positional
            // A mistake in one parser is no reason not to work on another.
            let wanted = words.count == 2 ? Set([words[1]]) : nil
            guard
                let library = ParseCommand.loadLibrary(options.value("parsers"), only: wanted)
            else { return ExitCode.configuration }
            switch words.first {
            case "list" where words.count == 1:
                let page = CoveragePage(library)
                emit(options.has("markdown") ? page.markdown : page.table)
                return ExitCode.ok
            case "show" where words.count == 2: return show(words[1], library)
            case "test" where words.count <= 2:
                let names = words.count == 2 ? [words[1]] : library.names
                return try test(
                    names, library, fixtures: options.value("fixtures"),
                    isUpdating: options.has("update"))
            case "bench" where words.count <= 2:
                let names = words.count == 2 ? [words[1]] : library.names
                return try bench(names, library, fixtures: options.value("fixtures"))
            default: throw UsageError("say list, show NAME, test or bench")
            }
        } catch let error as UsageError {
            talk("sealtail parsers: \(error)\n\(usage)")
            return ExitCode.usage
        } catch {
            talk("sealtail parsers: \(error)")
            return ExitCode.inputOutput
        }
    }

    private static func show(_ name: String, _ library: ParserLibrary) -> Int32 {
        guard let definition = library.definition(named: name),
            let program = library.program(named: name)
        else {
            talk("there is no parser \(name); there are \(library.names.joined(separator: ", "))")
            return ExitCode.noInput
        }
        emit("name: \(name)\nproduct: \(definition.vendor), \(definition.product)\n")
        emit("file: \(definition.file)\n")
        let verification = definition.verification
        for text in verification.samples { emit("verified by sample: \(text)\n") }
        for text in verification.sources { emit("verified by source: \(text)\n") }
        for text in verification.documentation { emit("verified by documentation: \(text)\n") }
        emit("formats: \(program.formatNames.joined(separator: ", "))\n")
        emit("actions: \(program.actions.map(\.name).joined(separator: ", "))\n")
        return ExitCode.ok
    }

    // MARK: Fixtures

    private static func test(
        _ names: [String], _ library: ParserLibrary, fixtures: String?, isUpdating: Bool
    ) throws -> Int32 {
        var failedCount = 0
        var blockCount = 0
        for name in names {
            guard let path = fixturePath(of: name, library, fixtures),
                let program = library.program(named: name)
            else { return ExitCode.noInput }
            let bytes = try FileSystem.read(path, byteLimit: FixtureFile.byteLimit)
            var file = FixtureFile(String(decoding: bytes, as: UTF8.self))
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
        return failedCount == 0 || isUpdating ? ExitCode.ok : ExitCode.badData
    }

    private static func complain(_ path: String, _ block: FixtureFile.Block, _ found: [String]) {
        talk("\(path):\(block.line):\n  record:   \(block.record)")
        for line in block.expected { talk("  expected: \(line)") }
        for line in found { talk("  found:    \(line)") }
    }

    /// The fixture of a parser; nil, with the reason on standard error, when there is none.
    private static func fixturePath(
        of name: String, _ library: ParserLibrary, _ fixtures: String?
    ) -> String? {
        guard let file = library.definition(named: name)?.file else {
            talk("there is no parser \(name); there are \(library.names.joined(separator: ", "))")
            return nil
        }
        // Beside the folder of parsers of a checkout.
        let root = FileSystem.folder(of: FileSystem.folder(of: file))
        let folder = fixtures ?? root + "/Tests/Fixtures/parsers"
        guard FileSystem.exists(folder) else {
            talk("\(name): there is no folder \(folder); name that of the fixtures with --fixtures")
            return nil
        }
        return folder + "/" + name + ".fixture"
    }

    // MARK: Speed

    /// Prints what a record of each format of each parser costs, and the worst hostile one.
    private static func bench(
        _ names: [String], _ library: ParserLibrary, fixtures: String?
    ) throws -> Int32 {
        emit(
            "parser format: records, µs a record and an event, µs and patterns of the worst "
                + "hostile one\n")
        for name in names {
            guard let path = fixturePath(of: name, library, fixtures),
                let program = library.program(named: name)
            else { return ExitCode.noInput }
            let bytes = try FileSystem.read(path, byteLimit: FixtureFile.byteLimit)
            let file = FixtureFile(String(decoding: bytes, as: UTF8.self))
            for row in ParserBench(program).rows(file.blocks.map(\.bytes)) { emit(row + "\n") }
        }
        return ExitCode.ok
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
