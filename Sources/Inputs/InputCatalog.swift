// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What an input needs to know besides its own configuration.
public struct InputContext: Sendable {
    /// The name of the stream that is being written; event ids of inputs without files hold it.
    public var stream: String
    /// The places from which reading goes on, those of other inputs included.
    public var positions: [Position]
    /// The clock.
    public var clock: any TimeSource

    /// Gathers what an input needs to know.
    public init(
        stream: String = "", positions: [Position] = [], clock: any TimeSource = SystemClock()
    ) {
        self.stream = stream
        self.positions = positions
        self.clock = clock
    }
}

/// All kinds of inputs.
public enum InputCatalog {
    /// Makes the input that a configuration describes. Nothing is read before `next`.
    public static func make(
        _ configuration: InputConfiguration, framing: RecordFraming, context: InputContext
    ) throws(InputError) -> any Input {
        switch configuration.kind {
        case .file:
            try FileInput(configuration, framing: framing, context: context)
        case .stdin:
            try StandardInput(configuration, framing: framing, context: context)
        case .journal:
            try JournalInput(configuration, framing: framing, context: context)
        case .syslog:
            try SyslogInput(configuration, framing: framing, context: context)
        case .http:
            try HTTPInput(configuration, framing: framing, context: context)
        }
    }

    /// What would keep an input that is no file from its work: sentences with a way out.
    ///
    /// Nothing is listened on, so an agent that runs is not disturbed.
    public static func findings(_ configuration: InputConfiguration) -> [String] {
        switch configuration.kind {
        case .file, .stdin: []
        case .journal: JournalFiles(configuration.journal.source).reasons
        case .syslog: findings(configuration.syslog.listener?.tls)
        case .http: findings(configuration.http.listener?.tls)
        }
    }

    private static func findings(_ files: ListenerConfiguration.TLSFiles?) -> [String] {
        guard let files else { return [] }
        do throws(TLSError) {
            _ = try TLSServer(
                certificate: files.certificate, key: files.key,
                clientAuthorities: files.clientAuthorities)
            return []
        } catch {
            return [error.description]
        }
    }
}
