// SPDX-License-Identifier: Apache-2.0
import Platform

/// The parsers that are at hand, by name.
public struct ParserLibrary: Sendable {
    /// The names of all parsers that were found, sorted.
    public private(set) var names: [String] = []

    /// Sentences about parsers that nobody named and that have mistakes, each with its place.
    public private(set) var warnings: [String] = []

    private var files: [String: String] = [:]
    private var definitions: [String: ParserDefinition] = [:]
    private var programs: [String: ParserProgram] = [:]

    /// Where packages and operators put parsers, the operator's first.
    public static let systemDirectories = ["/etc/sealtail/parsers", "/usr/share/sealtail/parsers"]
    /// The longest declaration.
    public static let fileByteLimit = 1 << 20

    /// A library without parsers.
    public init() {}

    /// Reads the declarations of some folders; of two with one name, that of the earlier folder
    /// counts. Every mistake goes to `problems`; parsers with mistakes are left out. A folder that
    /// does not exist is no mistake.
    ///
    /// - Parameters:
    ///   - wanted: reads these alone and only takes note of the names of the others, so that a
    ///     start does not grow with what it does not use; nil reads all.
    ///   - named: mistakes in these alone go to `problems`. Any other parser with a mistake is told
    ///     in `warnings`, and that of the next folder stands in for it; nil forgives none.
    ///   - kept: the declarations of these alone are kept beside the programs, which need a
    ///     fraction of the memory; nil keeps all.
    public static func load(
        directories: [String], only wanted: Set<String>? = nil, named: Set<String>? = nil,
        keeping kept: Set<String>? = nil, problems: ConfigurationProblems
    ) -> ParserLibrary {
        var library = ParserLibrary()
        var seen: Set<String> = []
        var broken: [(parser: String, problem: ConfigurationProblem)] = []
        for directory in directories {
            guard let names = try? FileSystem.names(in: directory) else { continue }
            for name in names.sorted() where name.hasSuffix(".yaml") {
                let parser = String(name.dropLast(5))
                guard !seen.contains(parser) else { continue }
                let isForgiven = named.map { !$0.contains(parser) } ?? false
                let found = isForgiven ? ConfigurationProblems() : problems
                if wanted?.contains(parser) ?? true {
                    let isKept = kept?.contains(parser) ?? true
                    library.add(directory + "/" + name, keepsDefinition: isKept, found)
                }
                if isForgiven, !found.isEmpty {
                    broken += found.list.map { (parser, $0) }
                } else {
                    seen.insert(parser)
                }
            }
        }
        library.warnings = broken.map { library.warning($0.parser, $0.problem) }
        library.names = seen.union(broken.map(\.parser)).sorted()
        return library
    }

    private func warning(_ parser: String, _ problem: ConfigurationProblem) -> String {
        let stand =
            files[parser].map { "the one in \($0) stands in" }
            ?? "its lines are not recognised"
        return "\(problem); until the parser \(parser) is right, \(stand)"
    }

    private mutating func add(
        _ path: String, keepsDefinition: Bool, _ problems: ConfigurationProblems
    ) {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileSystem.read(path, byteLimit: ParserLibrary.fileByteLimit)
        } catch {
            problems.add(file: path, "cannot be read: \(error); \(error.advice)")
            return
        }
        let before = problems.list.count
        guard let definition = ParserDefinition.read(bytes, file: path, problems: problems),
            problems.list.count == before,
            let program = ParserCompiler.compile(definition, problems: problems)
        else { return }
        files[definition.name] = definition.file
        if keepsDefinition { definitions[definition.name] = definition }
        programs[definition.name] = program
    }

    /// The folders to search: the given one, the system's, and `parsers/` of the checkout that the
    /// running program was built in.
    public static func directories(explicit: String?) -> [String] {
        var result = explicit.map { [$0] } ?? []
        result += systemDirectories
        if let own = try? FileSystem.resolved("/proc/self/exe") {
            var folder = FileSystem.folder(of: own)
            while folder.count > 1 {
                let candidate = folder + "/parsers"
                if FileSystem.exists(candidate + "/keycloak.yaml") {
                    result.append(candidate)
                    break
                }
                folder = FileSystem.folder(of: folder)
            }
        }
        return result
    }

    /// The declaration of a name.
    public func definition(named name: String) -> ParserDefinition? { definitions[name] }

    /// The program of a name.
    public func program(named name: String) -> ParserProgram? { programs[name] }

    /// The program of a name for a log whose columns the operator has chosen; nil when there is no
    /// such parser, or when none of its formats lets columns be chosen.
    public func program(named name: String, columns: [String]) -> ParserProgram? {
        guard let definition = definitions[name], definition.hasConfigurableColumns else {
            return nil
        }
        return ParserCompiler.compile(
            definition, columns: columns, problems: ConfigurationProblems())
    }

    /// Which parsers know the lines of a sample, the surest first, with the share they know.
    ///
    /// A parser for a product comes before a generic one that knows the same lines.
    public func recognise(sample: [[UInt8]]) -> [(name: String, confidence: Double)] {
        guard !sample.isEmpty else { return [] }
        let match = Match()
        var result: [(name: String, confidence: Double, isGeneric: Bool)] = []
        for (name, program) in programs {
            let known = sample.count { line in
                program.recognition.contains {
                    $0.match(line.span, 0..<line.count, into: match)
                }
            }
            guard known > 0 else { continue }
            result.append((name, Double(known) / Double(sample.count), program.isGeneric))
        }
        return result.sorted { left, right in
            if left.isGeneric != right.isGeneric { return right.isGeneric }
            if left.confidence != right.confidence { return left.confidence > right.confidence }
            return left.name < right.name
        }.map { ($0.name, $0.confidence) }
    }
}
