// SPDX-License-Identifier: Apache-2.0
import Platform

/// Why an input cannot go on.
public enum InputError: CommandError, Hashable {
    /// The kernel refused something that cannot be tried again.
    case system(input: String, SystemError)
    /// The files for TLS cannot be used.
    case tls(input: String, TLSError)

    /// A bounded word for metrics.
    public var code: String {
        switch self {
        case .system(_, let error): error.code
        case .tls(_, let error): error.code
        }
    }

    /// How a command exits that cannot go on without the input.
    public var exitCode: ExitCode {
        switch self {
        case .system(_, let error): error.exitCode
        case .tls: .inputOutput
        }
    }

    /// One sentence with the place and a way out.
    public var description: String {
        switch self {
        case .system(let input, let error) where error.isPermission && error.call == "listen on":
            "input \(input): \(error); choose a port from 1024 on, or give the service "
                + "CAP_NET_BIND_SERVICE as low-ports.conf does"
        case .system(let input, let error) where error.call == "listen on":
            "input \(input): \(error); choose another port or address"
        case .system(let input, let error): "input \(input): \(error); \(error.advice)"
        case .tls(let input, let error): "input \(input): \(error)"
        }
    }
}
