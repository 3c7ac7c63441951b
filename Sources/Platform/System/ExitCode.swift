// SPDX-License-Identifier: Apache-2.0

/// How a command ends, as sysexits(3) numbers it; a supervisor goes by these numbers.
public enum ExitCode: Int32, Sendable, Comparable {
    /// All was done.
    case ok = 0
    /// The command line cannot be understood.
    case usage = 64
    /// What was looked at is damaged, altered or refused.
    case badData = 65
    /// There is nothing to look at.
    case noInput = 66
    /// The far side does not answer.
    case unavailable = 69
    /// The program lacks what it takes for granted.
    case software = 70
    /// Reading or writing failed.
    case inputOutput = 74
    /// A right is missing, which trying again does not mend.
    case permission = 77
    /// The configuration has mistakes.
    case configuration = 78

    /// The order of the numbers: of several ends the greater one is told.
    public static func < (left: ExitCode, right: ExitCode) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// An error that ends a command: it reads as a sentence and says how the command exits.
public protocol CommandError: Error, CustomStringConvertible {
    /// How a command exits that this ends.
    var exitCode: ExitCode { get }
}
