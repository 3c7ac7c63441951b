// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// What a receiver that speaks HTTP understands and answers.
struct HTTPDialect: Sendable {
    typealias Request = FakeHTTPServer.Request
    typealias Answer = FakeHTTPServer.Answer

    /// The keys of the sink beside `id`, `type`, `endpoint`, `format` and `timeout`.
    var configuration: String
    /// The events of a request; nil for one that brings none, as a question.
    var events: @Sendable (Request) -> [String]?
    /// The answer to a request whose events, if any, are taken.
    var taken: @Sendable (_ request: Request, _ count: Int) -> Answer
    /// The answer to a request of which one event is refused, and whether the others are taken.
    var refused: @Sendable (_ count: Int, _ index: Int) -> (answer: Answer, areOthersTaken: Bool)
    /// The answer that asks for `ReceiverBehaviour.patience`.
    var busy: Answer
    /// The answer to somebody who is not let in, around words of the far side.
    var barred: @Sendable (_ words: String) -> Answer
}

/// A receiver on loopback that speaks one dialect.
final class HTTPReceiver: ContractReceiver {
    private struct State: Sendable {
        var behaviour = ReceiverBehaviour.take
        var arrived: [String] = []
    }

    private let type: String
    private let dialect: HTTPDialect
    private let server: FakeHTTPServer
    private let state: Monitor<State>

    init(_ type: String, _ dialect: HTTPDialect) throws {
        // Made in this order because the server asks for the state from its first request on.
        let script = Script()
        self.type = type
        self.dialect = dialect
        state = Monitor(State())
        server = try FakeHTTPServer { request, _ in script.answer(request) }
        script.receiver = self
    }

    /// What the server asks, which is made before the receiver.
    private final class Script: Sendable {
        private struct Reference: Sendable { weak var receiver: HTTPReceiver? }
        private let reference = Monitor(Reference())

        var receiver: HTTPReceiver? {
            get { reference.withLock { $0.receiver } }
            set { reference.withLock { $0.receiver = newValue } }
        }

        func answer(_ request: FakeHTTPServer.Request) -> FakeHTTPServer.Answer {
            receiver?.answer(request) ?? .close
        }
    }

    func makeSink(_ format: SinkFormat, isImpatient: Bool) throws -> any Sink {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: \(type), endpoint: '\(server.endpoint)', format: \(format.rawValue), "
                + "timeout: \(isImpatient ? 1 : 30)s, \(dialect.configuration)}")
        #expect(problems == [])
        let configuration = try #require(read)
        #expect(!String(reflecting: configuration).contains("s3cret"))
        return try SinkCatalog.make(configuration)
    }

    func behave(_ behaviour: ReceiverBehaviour) throws {
        let former = state.withLock { state in
            defer { state.behaviour = behaviour }
            return state.behaviour
        }
        if behaviour == .beAway, former != .beAway { server.stop() }
        if behaviour != .beAway, former == .beAway { try server.comeBack() }
    }

    func arrived(_ count: Int) -> [String] { state.withLock { $0.arrived } }

    func stop() { server.stop() }

    private func answer(_ request: FakeHTTPServer.Request) -> FakeHTTPServer.Answer {
        let events = dialect.events(request)
        let behaviour = state.withLock { $0.behaviour }
        switch behaviour {
        case .beBusy: return dialect.busy
        case .letNobodyIn: return dialect.barred("not you: " + Self.credentials(in: request))
        case .refuseOne:
            let id = "\"\(Samples.id(ReceiverBehaviour.refused))\""
            guard let events, let index = events.firstIndex(where: { $0.contains(id) }) else {
                break
            }
            let (answer, areOthersTaken) = dialect.refused(events.count, index)
            var others = events
            others.remove(at: index)
            if areOthersTaken { keep(others) }
            return answer
        case .take, .neverAnswer, .reset, .halfClose, .beSlow, .beAway: break
        }
        keep(events ?? [])
        let answer = dialect.taken(request, events?.count ?? 0)
        switch (behaviour, answer) {
        case (.neverAnswer, _): return .silence
        case (.reset, _): return .reset
        case (.halfClose, .reply(let status, let headers, let body)):
            return .cut(status, headers: headers, body)
        case (.beSlow, .reply(let status, let headers, let body)):
            return .slow(status, headers: headers, body)
        default: return answer
        }
    }

    private func keep(_ events: [String]) { state.withLock { $0.arrived += events } }

    /// What a receiver may repeat of who asked, as some do.
    private static func credentials(in request: FakeHTTPServer.Request) -> String {
        let names = ["authorization", "x-api-key", "x-amz-security-token"]
        return (names.compactMap { request.headers[$0] } + [request.path]).joined(separator: ", ")
    }
}
