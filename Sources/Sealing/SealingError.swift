// SPDX-License-Identifier: Apache-2.0
import Platform

/// Why a key, a name or a note cannot be used: one sentence with a place and a way out.
public struct SealingError: CommandError, Equatable {
    /// The kinds of failure, bounded, for metrics and exit codes.
    public enum Code: String, Sendable {
        /// A name that no key may have.
        case badName = "bad_name"
        /// A text that is no key.
        case badKey = "bad_key"
        /// A key file that cannot be read or written.
        case unreadable = "key_file"
        /// A key file that others than its owner may read.
        case permissions = "key_permissions"
        /// A key file that is there already and is not overwritten.
        case exists = "key_exists"
        /// A key whose name is not the agent's.
        case otherName = "key_name"
        /// A text that is no signed note.
        case badNote = "bad_note"
    }

    /// The kind.
    public let code: Code
    /// The sentence for people.
    public let description: String

    /// How a command exits that this ends; a name comes from its command line.
    public var exitCode: ExitCode {
        code == .badName ? .usage : .inputOutput
    }

    /// Describes a failure.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
