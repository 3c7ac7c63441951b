// SPDX-License-Identifier: Apache-2.0
import Platform

/// Why the ledger could not do what it was asked.
public enum LedgerError: CommandError {
    /// Undelivered events take all the room that the configuration allows. Nothing was written;
    /// the same batch may be appended again when sinks have moved on.
    case full(byteCount: Int, byteLimit: Int)
    /// The disk has no room for another segment. Nothing was written; try the same batch again.
    case noSpace(SystemError)
    /// Write or synchronisation failed, so the batch is not committed. The segment is closed; the
    /// same batch may be appended again and goes into a new one.
    case notCommitted(SystemError)
    /// Another call to the file system failed.
    case system(SystemError)
    /// Another agent uses the state directory.
    case locked(path: String)
    /// Others could change the state directory.
    case exposed(path: String, permissions: UInt32)
    /// A segment that is still needed is encrypted with a key that the configuration lacks.
    case keyMissing(path: String, keyID: UInt32)
    /// The files were written by a version that knows more than this one.
    case unsupported(path: String, offset: Int, reason: String)
    /// The batch cannot be stored, which is a mistake of the caller.
    case refused(reason: String)
    /// The ledger was closed.
    case closed

    /// A bounded word for metrics.
    public var code: String {
        switch self {
        case .full: "full"
        case .noSpace: "no_space"
        case .notCommitted: "not_committed"
        case .system: "system"
        case .locked: "locked"
        case .exposed: "exposed"
        case .keyMissing: "key_missing"
        case .unsupported: "unsupported"
        case .refused: "refused"
        case .closed: "closed"
        }
    }

    /// True when the same batch may be appended again later.
    public var isTemporary: Bool {
        switch self {
        case .full, .noSpace, .notCommitted, .system: true
        case .locked, .exposed, .keyMissing, .unsupported, .refused, .closed: false
        }
    }

    /// True when room is what is missing.
    var isNoRoom: Bool {
        switch self {
        case .full, .noSpace: true
        default: false
        }
    }

    /// How a command exits that cannot go on without the ledger.
    public var exitCode: ExitCode {
        switch self {
        case .keyMissing: .configuration
        case .exposed: .permission
        case .system(let error): error.exitCode
        case .full, .noSpace, .notCommitted, .locked, .unsupported, .refused, .closed: .inputOutput
        }
    }

    /// One sentence with a place and a way out.
    public var description: String {
        switch self {
        case .full(let byteCount, let byteLimit):
            "the ledger is full: \(byteCount) of \(byteLimit) bytes wait for delivery; "
                + "look at the sinks, or raise ledger.max_size"
        case .noSpace(let error): "\(error); make room on this file system"
        case .notCommitted(let error):
            "\(error); nothing was committed and the next attempt uses a new segment; look at the "
                + "disk when it comes again"
        case .system(let error): "\(error); \(error.advice)"
        case .locked(let path):
            "\(path): another agent holds the lock; stop it, or use another state_dir"
        case .exposed(let path, let permissions):
            "\(path): others may write here (mode \(String(permissions, radix: 8))); "
                + "run: chmod go-w \(path)"
        case .keyMissing(let path, let keyID):
            "\(path): encrypted with the key \(EncryptionKey.name(of: keyID)), which the "
                + "configuration does not have; name it in ledger.encryption.key or "
                + "ledger.encryption.previous_keys"
        case .unsupported(let path, let offset, let reason):
            "\(path): at byte \(offset): \(reason); run the version of sealtail that wrote it, "
                + "or a newer one"
        case .refused(let reason):
            "the ledger: the batch cannot be stored: \(reason); report it, with sealtail doctor"
        case .closed: "the ledger: is closed; start the agent again"
        }
    }
}

extension LedgerError {
    /// Does what the system may refuse; what it refuses becomes an error of the ledger.
    static func wrapping<Value>(
        _ body: () throws(SystemError) -> Value
    ) throws(LedgerError) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            throw .system(error)
        }
    }

    /// A frame that a later version wrote.
    static func otherVersion(_ version: UInt8, path: String, offset: Int) -> LedgerError {
        .unsupported(
            path: path, offset: offset, reason: "the format has the version \(version)")
    }
}

extension FrameProblem {
    /// What ends reading, a later version or a missing key; nil for damage, which is passed over.
    func refusal(path: String, offset: Int) -> LedgerError? {
        switch self {
        case .unsupported(let reason): .unsupported(path: path, offset: offset, reason: reason)
        case .locked(let keyID): .keyMissing(path: path, keyID: keyID)
        case .damaged: nil
        }
    }
}
