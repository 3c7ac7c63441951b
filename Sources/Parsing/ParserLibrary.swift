// SPDX-License-Identifier: Apache-2.0
import Platform

/// The parsers that are at hand, by name.
public struct ParserLibrary: Sendable {
    /// The names of all parsers that were found, sorted.
    public private(set) var names: [String] = []

    /// Sentences about parsers that nobody named and that have mistakes, each with its place.
    public private(set) var warnings: [String] = []

    private var definitions: [String: ParserDefinition] = [:]
    private var outlines: [String: ParserOutline] = [:]
    private var files: [String: String] = [:]

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
    ///   - isDeferring: reads of parsers that are not in `named` no more than an outline; see
    ///     `ParserOutline`. They have no definition, and mistakes behind the outline come out when
    ///     the program is made.
    public static func load(
        directories: [String], only wanted: Set<String>? = nil, named: Set<String>? = nil,
        deferring isDeferring: Bool = false, problems: ConfigurationProblems
    ) -> ParserLibrary {
        var library = ParserLibrary()
        var paths: [String: [String]] = [:]
        for directory in directories {
            do throws(SystemError) {
                for name in try FileSystem.names(in: directory) where name.hasSuffix(".yaml") {
                    paths[String(name.dropLast(5)), default: []].append(directory + "/" + name)
                }
            } catch {
                // A folder for parsers of one's own need not be there.
                guard !error.isNotFound else { continue }
                library.warnings.append(
                    "\(error); its parsers are not used until the agent may read the folder")
            }
        }
        library.names = paths.keys.sorted()
        for name in library.names where wanted?.contains(name) ?? true {
            let paths = paths[name] ?? []
            if named?.contains(name) ?? true {
                library.add(paths.prefix(1), isDeferring: false, problems)
                continue
            }
            let forgiven = ConfigurationProblems()
            library.add(paths[...], isDeferring: isDeferring, forgiven)
            let standIn = library.files[name]
            library.warnings += forgiven.list.map { warning(name, $0, standIn: standIn) }
        }
        return library
    }

    /// A mistake in a parser that nobody named, with what it means.
    ///
    /// - Parameter standIn: the file that is read in its place; nil when there is none.
    static func warning(
        _ parser: String, _ problem: ConfigurationProblem, standIn: String?
    ) -> String {
        let stand = standIn.map { "the one in \($0) stands in" } ?? "its lines are not recognised"
        return "\(problem); until the parser \(parser) is right, \(stand)"
    }

    /// Adds the first of these files of one name that has no mistake.
    private mutating func add(
        _ paths: ArraySlice<String>, isDeferring: Bool, _ problems: ConfigurationProblems
    ) {
        for (index, path) in zip(paths.indices, paths) {
            guard let declaration = ParserLibrary.read(path, problems) else { continue }
            let isSound =
                isDeferring
                ? addOutline(declaration, standIns: paths[(index + 1)...], problems)
                : add(declaration, problems)
            if isSound { return }
        }
    }

    private static func read(_ path: String, _ problems: ConfigurationProblems) -> Declaration? {
        do throws(SystemError) {
            let bytes = try FileSystem.read(path, byteLimit: ParserLibrary.fileByteLimit)
            return Declaration(file: path, bytes: bytes)
        } catch {
            problems.add(file: path, "cannot be read: \(error); \(error.advice)")
            return nil
        }
    }

    private mutating func add(
        _ declaration: Declaration, _ problems: ConfigurationProblems
    ) -> Bool {
        let before = problems.list.count
        guard
            let definition = ParserDefinition.read(
                declaration.bytes, file: declaration.file, problems: problems),
            problems.list.count == before,
            let program = ParserCompiler.compile(definition, problems: problems)
        else { return false }
        definitions[definition.name] = definition
        outlines[definition.name] = ParserOutline(definition, program)
        files[definition.name] = declaration.file
        return true
    }

    private mutating func addOutline(
        _ declaration: Declaration, standIns: ArraySlice<String>,
        _ problems: ConfigurationProblems
    ) -> Bool {
        // What cannot be read now cannot stand in later, and that is no mistake of anything yet.
        let standIns = standIns.compactMap { ParserLibrary.read($0, ConfigurationProblems()) }
        guard
            let outline = ParserOutline(of: declaration, standIns: standIns, problems: problems)
        else { return false }
        outlines[outline.name] = outline
        files[outline.name] = declaration.file
        return true
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

    /// What tells the lines of a name from others.
    public func outline(named name: String) -> ParserOutline? { outlines[name] }

    /// The program of a name.
    public func program(named name: String) -> ParserProgram? { outlines[name]?.program() }

    /// The outline of a name for a log whose columns the operator has chosen; nil when there is no
    /// such parser, or when none of its formats lets columns be chosen.
    public func outline(named name: String, columns: [String]) -> ParserOutline? {
        guard let definition = definitions[name], definition.hasConfigurableColumns else {
            return nil
        }
        let program = ParserCompiler.compile(
            definition, columns: columns, problems: ConfigurationProblems())
        return program.map { ParserOutline(definition, $0) }
    }
}
