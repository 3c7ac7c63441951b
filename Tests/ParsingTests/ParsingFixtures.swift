// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Testing

/// What the tests of this folder share: the shipped parsers, records, and events as text.
enum Shipped {
    /// The folder of the checkout that this file is in.
    static let root: String = {
        var folder = (try? FileSystem.resolved(#filePath)) ?? #filePath
        while !FileSystem.exists(folder + "/parsers/keycloak.yaml"), folder.count > 1 {
            folder = FileSystem.folder(of: folder)
        }
        return folder
    }()

    static let names = library.names

    static let library: ParserLibrary = {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(directories: [root + "/parsers"], problems: problems)
        for problem in problems.list { Issue.record("\(problem)") }
        return library
    }()

    static func program(_ name: String) throws -> ParserProgram {
        try #require(library.program(named: name))
    }

    /// The fixtures of one parser; every test wants them, so they are read once.
    static func fixtures(_ name: String) throws -> FixtureFile {
        try #require(allFixtures[name]).get()
    }

    private static let allFixtures = Dictionary(
        uniqueKeysWithValues: names.map { name in (name, Result { try readFixtures(name) }) })

    private static func readFixtures(_ name: String) throws -> FixtureFile {
        let path = root + "/Tests/Fixtures/parsers/\(name).fixture"
        let bytes = try FileSystem.read(path, byteLimit: 1 << 26)
        return FixtureFile(String(decoding: bytes, as: UTF8.self))
    }

    static let observed = Timestamp(
        year: 2026, month: 11, day: 21, hour: 12, minute: 0, second: 0)

    static func context(
        zone: Zone = .utc, labels: [String: String] = [:], tenant: String? = nil,
        pseudonymized: [Field] = [], keepsRaw: Bool = false
    ) -> ParseContext {
        let key = Secret([UInt8](repeating: 0x2A, count: 32))
        return ParseContext(
            timezone: zone, labels: labels, tenant: tenant,
            privacy: PrivacyPolicy(key: key, pseudonymized: pseudonymized), keepsRaw: keepsRaw)
    }

    /// One batch of records, one behind the other.
    static func batch(_ records: [[UInt8]]) -> RecordBatch {
        var bytes: [UInt8] = []
        var places: [Record] = []
        for record in records {
            places.append(
                Record(
                    start: UInt32(bytes.count), count: UInt32(record.count),
                    offset: UInt64(bytes.count)))
            bytes += record + [0x0A]
        }
        bytes += [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        return RecordBatch(
            input: "fixture", source: "fixture", path: nil, observed: observed, bytes: bytes,
            records: places, positions: [])
    }

    /// What the named parser makes of a text.
    static func parse(
        _ name: String, _ text: String, _ context: ParseContext = Shipped.context()
    ) throws -> EventBatch {
        var parser = RecordParser(program: try program(name), context: context)
        return parser.parse(batch([Array(text.utf8)]))
    }

    /// What is wrong with a declaration that a test writes.
    static func problems(yaml: String) -> [String] {
        let problems = ConfigurationProblems()
        let definition = ParserDefinition.read(
            Array(yaml.utf8), file: "test.yaml", problems: problems)
        if let definition { _ = ParserCompiler.compile(definition, problems: problems) }
        return problems.list.map(\.description)
    }

    /// What a declaration that a test writes makes of a text.
    static func parse(
        yaml: String, _ text: String, _ context: ParseContext = Shipped.context()
    ) throws -> EventBatch {
        let problems = ConfigurationProblems()
        let definition = ParserDefinition.read(
            Array(yaml.utf8), file: "test.yaml", problems: problems)
        let program = definition.flatMap { ParserCompiler.compile($0, problems: problems) }
        for problem in problems.list { Issue.record("\(problem)") }
        var parser = RecordParser(program: try #require(program), context: context)
        return parser.parse(batch([Array(text.utf8)]))
    }
}

extension EventBatch {
    /// The values of an event as texts, by the path of their fields.
    func fields(_ index: Int = 0) -> [String: String] {
        guard index < events.count else { return [:] }
        var result: [String: String] = [:]
        for value in values[events[index].values] {
            result[value.field.path] = text(value)
        }
        return result
    }

    private func text(_ value: FieldValue) -> String {
        switch value.form {
        case .block: return String(decoding: records.bytes[value.range], as: UTF8.self)
        case .scratch: return String(decoding: scratch[value.range], as: UTF8.self)
        case .constant, .map: return String(decoding: constants[value.range], as: UTF8.self)
        case .word: return word(value)
        case .integer: return String(value.number)
        case .boolean: return value.payload == 1 ? "true" : "false"
        case .time: return Timestamp(microseconds: value.number).text
        case .set: return members(value).joined(separator: "|")
        }
    }

    private func word(_ value: FieldValue) -> String {
        let raw = UInt8(value.payload)
        switch value.field {
        case .action: return Action(rawValue: raw)?.name ?? "?"
        case .outcome: return Outcome(rawValue: raw).map { "\($0.word)" } ?? "?"
        case .severity: return Severity(rawValue: raw).map { "\($0.word)" } ?? "?"
        case .errorCode: return ErrorCode(rawValue: raw).map { "\($0.word)" } ?? "?"
        default: return "\(value.field.entry.words[Int(raw)])"
        }
    }

    func members(_ value: FieldValue) -> [String] {
        var result: [String] = []
        var index = value.offset
        while index < value.offset + value.count {
            let count = (0..<4).reduce(0) { $0 | Int(scratch[index + $1]) << (8 * $1) }
            result.append(String(decoding: scratch[index + 4..<index + 4 + count], as: UTF8.self))
            index += 4 + count
        }
        return result
    }

    /// What went wrong with the first record, as its event says.
    var damageLabel: String? {
        guard let labels = fields()["labels"],
            let document = try? StrictJSON.read(Array(labels.utf8), .standard)
        else { return nil }
        return document["sealtail_damage"]?.string
    }
}
