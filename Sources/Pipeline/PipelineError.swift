// SPDX-License-Identifier: Apache-2.0
import Platform

/// Why the agent cannot start or go on; each case reads as a sentence with a way out.
public enum PipelineError: CommandError {
    /// The address for monitoring is not to be had.
    case cannotListen(String, String)
    /// A parser that an input names does not exist.
    case unknownParser(input: String, parser: String, known: [String])
    /// A stage refused to start; the text is its own sentence.
    case stage(String, exit: ExitCode)

    /// How a command exits that this ends.
    public var exitCode: ExitCode {
        switch self {
        case .cannotListen: .unavailable
        case .unknownParser: .configuration
        case .stage(_, let exit): exit
        }
    }

    /// A stage refused to start, with an error that says itself how the command exits.
    static func stage(_ error: any CommandError) -> PipelineError {
        .stage(error.description, exit: error.exitCode)
    }

    /// Does what a stage is asked for; its error becomes one of the agent.
    static func wrapping<Value, Failure: CommandError>(
        _ body: () throws(Failure) -> Value
    ) throws(PipelineError) -> Value {
        do throws(Failure) {
            return try body()
        } catch {
            throw .stage(error)
        }
    }

    /// The sentence.
    public var description: String {
        switch self {
        case .cannotListen(let address, let reason):
            """
            agent.listen: cannot listen on \(address): \(reason); choose another port or set \
            "none"
            """
        case .unknownParser(let input, let parser, let known):
            """
            inputs.\(input).parser: there is no parser "\(parser)"; there are \
            \(known.joined(separator: ", "))
            """
        case .stage(let sentence, _):
            sentence
        }
    }
}
