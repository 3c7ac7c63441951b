// SPDX-License-Identifier: Apache-2.0
import Platform

/// What tells the records of one product from others, and the program that reads them.
///
/// An agent knows many products and meets few. A program needs many times the memory of an outline,
/// and time to be compiled; so it may be made when the first record of its product comes.
public final class ParserOutline: Sendable {
    /// The name of the parser.
    public let name: String
    /// A regular expression that matches where a record begins; nil when each line is a record.
    public let recordStart: String?
    /// What makes the product's successes visible; nil where a default installation logs them.
    public let successesNeed: String?
    /// Lines of the product match one of these.
    public let lines: [RegularExpression]
    /// Whether it stands for the lines of many products, which say nothing about which.
    public let isGeneric: Bool

    private let state: Monitor<State>

    private enum State {
        case made(ParserProgram)
        /// The declarations by this name, of which the first without a mistake counts.
        case unmade([PackedDeclaration])
        case broken
    }

    /// The outline of a program that is made.
    init(_ definition: ParserDefinition, _ program: ParserProgram) {
        name = definition.name
        recordStart = definition.recordStart
        successesNeed = definition.coverage.successesNeed
        // The program is made, so none of them has a mistake.
        lines = definition.recognition.compactMap { try? RegularExpression($0.text) }
        isGeneric = definition.isGeneric
        state = Monitor(.made(program))
    }

    /// Reads the outline of a declaration and keeps the rest for later; nil when the outline has a
    /// mistake, which `problems` then holds.
    ///
    /// - Parameter standIns: declarations of the same name that count when the first is not sound.
    init?(
        of declaration: Declaration, standIns: [Declaration], problems: ConfigurationProblems
    ) {
        let before = problems.list.count
        let read = ParserDefinition.readOutline(
            declaration.bytes, file: declaration.file, problems: problems)
        guard let read else { return nil }
        lines = ParserCompiler.compileOutline(read, problems: problems)
        guard problems.list.count == before else { return nil }
        name = read.name
        recordStart = read.recordStart
        successesNeed = read.coverage.successesNeed
        isGeneric = read.isGeneric
        state = Monitor(.unmade(([declaration] + standIns).map(PackedDeclaration.init)))
    }

    /// The program, made now if it was not before; nil when its declaration has a mistake.
    ///
    /// Threads may ask at the same time; one makes it and the others wait some milliseconds.
    ///
    /// - Parameter report: is told each mistake in a sentence, once, when the program is made.
    public func program(_ report: (String) -> Void = { _ in }) -> ParserProgram? {
        state.withLock { state in
            switch state {
            case .made(let program): return program
            case .broken: return nil
            case .unmade(let declarations):
                let made = ParserOutline.make(name, declarations, report)
                state = made.map { .made($0) } ?? .broken
                return made
            }
        }
    }

    private static func make(
        _ name: String, _ declarations: [PackedDeclaration], _ report: (String) -> Void
    ) -> ParserProgram? {
        for (index, declaration) in declarations.enumerated() {
            let problems = ConfigurationProblems()
            let whole = declaration.unpacked
            let definition = ParserDefinition.read(
                whole.bytes, file: whole.file, problems: problems)
            let program = definition.flatMap { ParserCompiler.compile($0, problems: problems) }
            if let program, problems.isEmpty { return program }
            let next = declarations.dropFirst(index + 1).first
            for problem in problems.list {
                report(ParserLibrary.warning(name, problem, standIn: next?.file))
            }
        }
        return nil
    }
}

/// A declaration as it was read from its file.
struct Declaration {
    var file: String
    var bytes: [UInt8]
}

/// A declaration that waits for its first record, in a quarter of its room.
private struct PackedDeclaration {
    let file: String
    private let byteCount: Int
    private let packed: [UInt8]

    init(_ declaration: Declaration) {
        file = declaration.file
        byteCount = declaration.bytes.count
        var packed: [UInt8] = []
        ZstdEncoder().compress(declaration.bytes.span, into: &packed)
        // Without the room that the encoder wanted for the worst.
        self.packed = Array(packed[...])
    }

    var unpacked: Declaration {
        var bytes: [UInt8] = []
        do throws(CompressionError) {
            try ZstdDecoder().decompress(packed.span, byteCount: byteCount, into: &bytes)
        } catch {
            bug("a declaration was kept and is damaged: \(error)")
        }
        return Declaration(file: file, bytes: bytes)
    }
}
