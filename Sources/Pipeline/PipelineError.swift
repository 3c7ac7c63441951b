// SPDX-License-Identifier: Apache-2.0
import Platform

/// Why the agent cannot start or go on; each case reads as a sentence with a way out.
public enum PipelineError: Error, Sendable, CustomStringConvertible {
    /// The address for monitoring is not to be had.
    case cannotListen(String, String)
    /// A parser that an input names does not exist.
    case unknownParser(input: String, parser: String, known: [String])
    /// A stage refused to start; the text is its own sentence.
    case stage(String, exit: Int32)

    /// How the command ends, as sysexits(3) numbers it.
    public var exitCode: Int32 {
        switch self {
        case .cannotListen: 69
        case .unknownParser: PipelineError.configurationExit
        case .stage(_, let exit): exit
        }
    }

    static let configurationExit: Int32 = 78
    static let permissionExit: Int32 = 77
    static let inputOutputExit: Int32 = 74

    /// The exit code after what the kernel refused: a supervisor need not try again what a missing
    /// right is the reason of.
    static func exitCode(isPermission: Bool) -> Int32 {
        isPermission ? permissionExit : inputOutputExit
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
