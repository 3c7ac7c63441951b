// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A system call that the kernel refused: which one, on what, and why.
public struct SystemError: CommandError, Hashable {
    /// The call that failed, as `open`.
    public let call: String
    /// The file or name it was about, when there is one.
    public let path: String?
    /// The value of errno.
    public let number: Int32

    /// Describes a failure with a known errno value.
    public init(call: String, path: String? = nil, number: Int32) {
        self.call = call
        self.path = path
        self.number = number
    }

    /// Describes the failure of the call made just before, from this thread's errno.
    public init(call: String, path: String? = nil) {
        self.init(call: call, path: path, number: errno)
    }

    /// The symbol of the errno value, as `ENOENT`: bounded, so it may label a metric.
    public var code: String {
        // Safe because glibc answers with a constant string or NULL.
        sealtail_error_name(number).map { String(cString: $0) } ?? "EUNKNOWN"
    }

    /// One sentence, as `/var/log/x: cannot open: No such file or directory (ENOENT)`.
    public var description: String {
        // Safe because glibc answers with a constant string or NULL.
        let text = sealtail_error_text(number).map { String(cString: $0) }
        let reason = "cannot \(call): \(text ?? "unknown error \(number)") (\(code))"
        return path.map { "\(ConfigurationText.visible($0)): \(reason)" } ?? reason
    }

    /// What somebody can do about it.
    public var advice: String {
        if isNotFound { return "create it, or correct the path" }
        if isAlreadyThere { return "move it away, or choose another name" }
        if isNoSpace { return "make room on this file system" }
        if isPermission { return "give this user the right to it" }
        return "look at the disk, the network and the kernel's log"
    }

    /// A missing right and a missing file are told apart from what may heal.
    public var exitCode: ExitCode {
        isPermission ? .permission : isNotFound ? .noInput : .inputOutput
    }

    /// Nothing exists at the path.
    public var isNotFound: Bool { number == ENOENT || number == ENOTDIR }
    /// Something exists where a new file was to be created.
    public var isAlreadyThere: Bool { number == EEXIST }
    /// The file system or the quota has no room left.
    public var isNoSpace: Bool { number == ENOSPC || number == EDQUOT }
    /// A datagram that no packet has room for.
    public var isTooLong: Bool { number == EMSGSIZE }
    /// The process lacks the right.
    public var isPermission: Bool { number == EACCES || number == EPERM || number == EROFS }
}
