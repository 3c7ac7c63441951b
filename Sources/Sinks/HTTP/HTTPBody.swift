// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What has to be known of a request with events until its answer comes.
struct SentEvents {
    /// The indices of the events in the request, in order.
    var indices: [Int] = []
    /// Those that never got into it.
    var rejections: [Rejection] = []

    /// Renders a batch: `append` says of each event whether it got into the request.
    init(
        _ batch: DeliveryBatch, append: (_ batch: borrowing SealedBatch, _ event: Int) -> Bool
    ) {
        batch.forEach { index, sealed, event in
            if append(sealed, event) {
                indices.append(index)
            } else {
                rejections.append(.unrenderable(index))
            }
        }
    }

    /// Names the events of a request.
    init(indices: [Int], rejections: [Rejection]) {
        self.indices = indices
        self.rejections = rejections
    }

    /// An error that speaks of events by their place in the request, as one about the batch.
    func blaming(_ error: DeliveryError) -> DeliveryError {
        guard case .partial(let retry, let reject, let after) = error else { return error }
        var all = rejections
        for rejection in reject {
            all.append(
                Rejection(
                    index: indices[rejection.index], reason: rejection.reason,
                    code: rejection.code))
        }
        return .partial(
            retry: retry.map { indices[$0] }, reject: all.sorted { $0.index < $1.index },
            after: after)
    }
}

/// The requests of a sink that are on their way, and the outcomes that nobody has taken yet.
struct OpenRequests {
    private var open: [UInt64: SentEvents] = [:]
    private var outcomes: [DeliveryOutcome] = []

    /// Takes note of a request that is about to be sent.
    ///
    /// False when no event got into it: then it is not to be sent and has its outcome already.
    mutating func begin(_ events: SentEvents, ticket: UInt64) -> Bool {
        guard !events.indices.isEmpty else {
            outcomes.append((ticket, Rejection.result(events.rejections)))
            return false
        }
        open[ticket] = events
        return true
    }

    /// How long to wait for requests to end: not at all when there is an outcome.
    func patience(_ timeout: Duration) -> Duration { outcomes.isEmpty ? timeout : .zero }

    /// Takes what ended and gives all outcomes that there are.
    mutating func outcomes<Answer>(
        of ended: [(ticket: UInt64, Answer)], _ result: (SentEvents, Answer) -> DeliveryResult
    ) -> [DeliveryOutcome] {
        for (ticket, answer) in ended {
            guard let events = open.removeValue(forKey: ticket) else { continue }
            outcomes.append((ticket, result(events, answer)))
        }
        defer { outcomes.removeAll(keepingCapacity: true) }
        return outcomes
    }

    /// Forgets everything, without outcomes.
    mutating func removeAll() {
        open.removeAll()
        outcomes.removeAll()
    }
}

/// Makes request bodies smaller where the configuration wants it; one serves one thread.
struct BodyCompression: ~Copyable {
    private let gzip: GzipEncoder?
    private var compressed: [UInt8] = []

    /// The header lines that say what is done to bodies.
    let headers: [String]

    /// Prepares to compress, or not to.
    init(_ compression: HTTPOptions.Compression) {
        gzip = compression == .gzip ? GzipEncoder(level: 1) : nil
        headers = compression == .gzip ? ["Content-Encoding: gzip"] : []
    }

    /// Hands the body to the closure as it has to be sent; the closure must not keep it.
    mutating func withBytes(of body: borrowing ByteWriter, _ send: (Span<UInt8>) -> Void) {
        guard let gzip else {
            body.withBytes(send)
            return
        }
        compressed.removeAll(keepingCapacity: true)
        body.withBytes { gzip.compress($0, into: &compressed) }
        send(compressed.span)
    }
}
