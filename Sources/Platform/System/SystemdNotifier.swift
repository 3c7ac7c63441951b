// SPDX-License-Identifier: Apache-2.0
import CSystemd

/// Tells systemd how the service is, by sd_notify(3). Without systemd every call does nothing.
public struct SystemdNotifier: Sendable {
    /// How often `watchdog` must be called at the least, when the unit asks for it.
    public let watchdogInterval: Duration?

    /// Reads from the environment what the unit asks for.
    public init() {
        var microseconds: UInt64 = 0
        // Safe because the number outlives the call.
        let isAsked = sd_watchdog_enabled(0, &microseconds) > 0
        watchdogInterval = isAsked ? .microseconds(Int64(clamping: microseconds)) : nil
    }

    /// The service has started: everything is open and reading goes on.
    public func ready(status: String? = nil) {
        send("READY=1", status)
    }

    /// The configuration is being read again; `ready` must follow.
    public func reloading() {
        let time = SystemClock().monotonic().nanoseconds / 1000
        send("RELOADING=1\nMONOTONIC_USEC=\(time)", nil)
    }

    /// The service is going down in good order.
    public func stopping(status: String? = nil) {
        send("STOPPING=1", status)
    }

    /// The service still makes progress.
    public func watchdog() {
        send("WATCHDOG=1", nil)
    }

    /// One line for `systemctl status`.
    public func status(_ text: String) {
        send(nil, text)
    }

    private func send(_ state: String?, _ status: String?) {
        // A line break would begin another assignment.
        let line = status.map { text in
            "STATUS=" + String(text.map { $0.isNewline ? " " : $0 })
        }
        let message = [state, line].compactMap { $0 }.joined(separator: "\n")
        _ = sd_notify(0, message)
    }
}
