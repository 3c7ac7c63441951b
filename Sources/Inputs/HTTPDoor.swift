// SPDX-License-Identifier: Apache-2.0
import Platform

/// Where requests come in, on the server's thread, and are answered, on the reader's.
final class HTTPDoor: Sendable {
    private let rules: HTTPRequestRules
    private let options: HTTPInputConfiguration
    private let framing: RecordFraming
    private let queue: Monitor<HTTPRequestQueue<HTTPExchange>>
    private let bell: Bell
    private let clock: any TimeSource
    private let snapshot: HTTPInputSnapshot

    /// The answer while there is no room.
    static let full = HTTPServer.Response(
        status: 429, text: "More has come than could be stored yet; send it again.\n",
        fields: ["Retry-After", "1"])
    private static let late = HTTPServer.Response(
        status: 503, text: "It could not be stored in time; send it again.\n",
        fields: ["Retry-After", "5"])
    private static let closing = HTTPServer.Response(
        status: 503, text: "The agent stops; send it again.\n", fields: ["Retry-After", "5"])

    init(
        _ configuration: HTTPInputConfiguration, framing: RecordFraming, number: UInt64,
        bell: Bell,
        clock: any TimeSource, snapshot: HTTPInputSnapshot
    ) {
        rules = HTTPRequestRules(configuration)
        options = configuration
        self.framing = framing
        self.bell = bell
        self.clock = clock
        self.snapshot = snapshot
        queue = Monitor(
            HTTPRequestQueue(
                number: number, byteLimit: configuration.bodyByteLimit * InputLimit.bodyCount,
                countLimit: InputLimit.waitingRequestLimit))
    }

    /// What a server asks about each request.
    var handler: HTTPServer.Handler {
        HTTPServer.Handler(refuse: { self.refuse($0) }, take: { self.take($0) })
    }

    private func refuse(_ head: HTTPServer.Head) -> HTTPServer.Response? {
        if let refusal = rules.refusal(head) { return refusal }
        return queue.withLock { queue in
            queue.isClosed ? HTTPDoor.closing : queue.isFull ? HTTPDoor.full : nil
        }
    }

    private func take(_ exchange: HTTPExchange) {
        var body = exchange.takeBody()
        if rules.compression(exchange.head) == true {
            guard let plain = unpack(body) else {
                return exchange.answer(
                    HTTPServer.Response(
                        status: 400,
                        text: "The body is no gzip file, or longer than "
                            + "\(options.bodyByteLimit) bytes when unpacked.\n"))
            }
            body = plain
        }
        let records: HTTPBodyRecords
        do throws(HTTPBodyRecords.Refusal) {
            records = try HTTPBodyRecords(
                body, form: rules.form(exchange.head) ?? .either, framing: framing,
                countLimit: options.recordLimit)
        } catch {
            return exchange.answer(answer(to: error))
        }
        guard !records.records.isEmpty else { return exchange.answer(HTTPDoor.stored(0)) }
        let request = HTTPRequestQueue.Request(
            body: body, records: records.records, reply: exchange, arrival: clock.monotonic())
        let isTaken = queue.withLock { $0.offer(request) }
        if isTaken { bell.ring() } else { exchange.answer(HTTPDoor.full) }
    }

    private func answer(to refusal: HTTPBodyRecords.Refusal) -> HTTPServer.Response {
        switch refusal {
        case .tooMany:
            HTTPServer.Response(
                status: 413,
                text: "There are more than \(options.recordLimit) records; send them in parts.\n")
        case .malformed(let offset, let reason):
            HTTPServer.Response(
                status: 400, text: "The body is no JSON: byte \(offset): \(reason).\n")
        }
    }

    /// Unpacks a body; nil when it is damaged or longer than a body may be.
    private func unpack(_ body: [UInt8]) -> [UInt8]? {
        let decompressor = Decompressor(.gzip)
        var output: [UInt8] = []
        var start = 0
        var isWhole = false
        while !isWhole || start < body.count {
            let count = output.count
            // One byte more than is allowed shows that there is more.
            let room = options.bodyByteLimit + 1 - count
            guard room > 0,
                let step = try? decompressor.decompress(
                    body.span, from: start, room: min(room, InputLimit.blockByteCount),
                    into: &output)
            else { return nil }
            start += step.readCount
            isWhole = step.isFrameEnd
            if !isWhole, step.readCount == 0, output.count == count { return nil }
        }
        return output.count <= options.bodyByteLimit ? output : nil
    }

    private static func stored(_ count: Int) -> HTTPServer.Response {
        HTTPServer.Response(
            status: 200, type: "application/json", body: Array("{\"records\":\(count)}\n".utf8))
    }

    // MARK: For the reader

    /// Fills a batch and answers with the number after its last record.
    func take(into collector: inout RecordCollector) -> UInt64 {
        queue.withLock { queue in
            queue.take(into: &collector)
            return queue.number
        }
    }

    /// Answers what is safe now.
    func committed(_ count: UInt64) {
        for (exchange, records) in queue.withLock({ $0.committed(count) }) {
            exchange.answer(HTTPDoor.stored(records))
        }
    }

    /// Answers those that have waited too long.
    func turnAwayOverdue(after patience: Duration) {
        let now = clock.monotonic()
        for exchange in queue.withLock({ $0.overdue(at: now, after: patience) }) {
            exchange.answer(HTTPDoor.late)
        }
    }

    /// Takes nothing more and answers all that is left.
    func close() {
        for exchange in queue.withLock({ $0.close() }) { exchange.answer(HTTPDoor.closing) }
    }
}
