// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks

/// What is on its way to one sink, and what is to be done about each outcome.
///
/// It decides and does nothing: no socket, no clock, no disk. A *span* is a run of the ledger that
/// was handed in with one ticket of the cursor; it may be cut into *pieces* on the way and is
/// settled when the last of them is.
struct DeliveryPlan {
    /// Events that go to the sink in one request.
    struct Piece: Sendable {
        let span: UInt64
        let batch: DeliveryBatch
    }

    /// What an outcome asks the shell to do.
    struct Verdict {
        /// How many events were delivered by it.
        var delivered = 0
        /// How many events were rejected by it.
        var rejectedCount = 0
        /// The span that is settled now, if one is, and what became of its events.
        var settled: (span: UInt64, delivered: Int, rejected: Int, epochs: [EpochTotals])?
        /// The word for metrics when something has to be sent again.
        var retry: DeliveryCode?
        /// True when the sink took something or refused single events: it is up.
        var isUp = true
        /// The sentence for the log when it is not.
        var problem: String?
    }

    /// What came of a span so far.
    private struct Span {
        var pieces = 0
        var delivered = 0
        var rejected = 0
        /// To which epochs the rejected events belong.
        var epochs: [EpochTotals] = []
    }

    private(set) var retryPolicy: RetryPolicy
    private var inFlightLimit: Int
    private var inFlight: [UInt64: Piece] = [:]
    private var waiting: [Piece] = []
    private var spans: [UInt64: Span] = [:]
    private var restUntil: MonotonicInstant?
    /// The ticket of the next request.
    private(set) var nextTicket: UInt64 = 0
    private var newestSpan: UInt64?

    /// Plans for a sink that takes `inFlightLimit` requests at a time.
    init(retryPolicy: RetryPolicy, inFlightLimit: Int) {
        self.retryPolicy = retryPolicy
        self.inFlightLimit = inFlightLimit
    }

    /// Goes on with other limits, after a reload; what waits is tried again at once.
    mutating func adopt(_ policy: RetryPolicy, inFlightLimit: Int) {
        retryPolicy = policy
        self.inFlightLimit = inFlightLimit
        restUntil = nil
    }

    /// What waits is tried again at once: what was in its way is gone.
    mutating func endRest() { restUntil = nil }

    /// Gives no ticket below this one, so that late outcomes of forgotten requests find nothing.
    mutating func startTickets(at ticket: UInt64) {
        nextTicket = max(nextTicket, ticket)
    }

    /// How many spans were begun since the oldest one that is not settled, that one included.
    var spanWindow: Int {
        guard let oldest = spans.keys.min(), let newestSpan else { return 0 }
        return Int(newestSpan - oldest) + 1
    }

    /// How many requests are on their way.
    var inFlightCount: Int { inFlight.count }

    /// True when nothing is on its way and nothing waits to be sent again.
    var isIdle: Bool { inFlight.isEmpty && waiting.isEmpty }

    /// True when another span can be taken from the ledger.
    ///
    /// While something waits to be sent again nothing new is taken, so what a failing receiver
    /// keeps in memory stays within the requests in flight.
    func wantsMore(at now: MonotonicInstant) -> Bool {
        waiting.isEmpty && inFlight.count < inFlightLimit && !isResting(at: now)
    }

    /// How long the sink still rests; nil when it does not.
    func rest(at now: MonotonicInstant) -> Duration? {
        guard let restUntil, restUntil > now else { return nil }
        return restUntil.duration(since: now)
    }

    private func isResting(at now: MonotonicInstant) -> Bool { rest(at: now) != nil }

    /// Takes the events of a span; a span without events is settled by the caller at once.
    mutating func add(_ batch: DeliveryBatch, span: UInt64) {
        waiting.append(Piece(span: span, batch: batch))
        newestSpan = span
        spans[span, default: Span()].pieces += 1
    }

    /// The next request to send, with its ticket; nil when there is none or the sink rests.
    mutating func next(at now: MonotonicInstant) -> (ticket: UInt64, piece: Piece)? {
        guard inFlight.count < inFlightLimit, !waiting.isEmpty, !isResting(at: now) else {
            return nil
        }
        let piece = waiting.removeFirst()
        let ticket = nextTicket
        nextTicket += 1
        inFlight[ticket] = piece
        return (ticket, piece)
    }

    /// The events of a request that is on its way; nil for an unknown ticket.
    func batch(of ticket: UInt64) -> DeliveryBatch? { inFlight[ticket]?.batch }

    /// Takes the outcome of a request. What is rejected must be in the dead letter by then.
    ///
    /// - Parameters:
    ///   - ticket: the request's ticket; an unknown one gives an empty verdict.
    ///   - result: what the sink says.
    ///   - now: the present.
    ///   - jitter: a random number from 0 to 1.
    mutating func finished(
        _ ticket: UInt64, _ result: DeliveryResult, at now: MonotonicInstant,
        jitter: Double
    ) -> Verdict {
        guard let piece = inFlight.removeValue(forKey: ticket) else { return Verdict() }
        var verdict = Verdict()
        switch result {
        case .success:
            retryPolicy.succeeded()
            restUntil = nil
            verdict.delivered = piece.batch.count
            count(piece, verdict)
            settle(piece, &verdict)
        case .failure(.partial(let retry, let reject, let after)):
            partial(piece, retry: retry, reject: reject, after: after, now, jitter, &verdict)
        case .failure(.split(_, let code)):
            verdict.retry = code
            split(piece)
        case .failure(.retry(let after, _, let code)):
            verdict.retry = code
            verdict.isUp = false
            verdict.problem = result.statement
            again(piece, piece.batch, rest: restAfterFailure(after, now, jitter), now)
        case .failure(.alarm(_, let code)):
            verdict.retry = code
            verdict.isUp = false
            verdict.problem = result.statement
            again(piece, piece.batch, rest: retryPolicy.alarmed(), now)
        }
        return verdict
    }

    private mutating func partial(
        _ piece: Piece, retry: [Int], reject: [Rejection], after: Duration?,
        _ now: MonotonicInstant, _ jitter: Double, _ verdict: inout Verdict
    ) {
        verdict.delivered = piece.batch.count - retry.count - reject.count
        verdict.rejectedCount = reject.count
        for part in piece.batch.selecting(reject.map(\.index)).parts {
            let totals = EpochTotals(
                stream: part.batch.stream, rejected: UInt64(part.events.count))
            if let totals { spans[piece.span]?.epochs.append(totals) }
        }
        count(piece, verdict)
        guard !retry.isEmpty else {
            retryPolicy.succeeded()
            settle(piece, &verdict)
            return
        }
        verdict.retry = .busy
        let rest = restAfterFailure(after, now, jitter)
        again(piece, piece.batch.selecting(retry), rest: rest, now)
    }

    /// Requests that fail together are one failure: what fails during a rest says nothing new.
    private mutating func restAfterFailure(
        _ asked: Duration?, _ now: MonotonicInstant, _ jitter: Double
    ) -> Duration {
        asked == nil && isResting(at: now)
            ? .zero : retryPolicy.failed(asked: asked, jitter: jitter)
    }

    private mutating func again(
        _ piece: Piece, _ batch: DeliveryBatch, rest: Duration, _ now: MonotonicInstant
    ) {
        waiting.insert(Piece(span: piece.span, batch: batch), at: 0)
        // Requests that were under way may fail later with a shorter delay: the later end counts.
        let end = now.advanced(by: rest)
        restUntil = max(restUntil ?? end, end)
    }

    private mutating func split(_ piece: Piece) {
        let (first, second) = piece.batch.halves()
        waiting.insert(Piece(span: piece.span, batch: first), at: 0)
        guard second.count > 0 else { return }
        waiting.insert(Piece(span: piece.span, batch: second), at: 1)
        spans[piece.span]?.pieces += 1
    }

    private mutating func count(_ piece: Piece, _ verdict: Verdict) {
        spans[piece.span]?.delivered += verdict.delivered
        spans[piece.span]?.rejected += verdict.rejectedCount
    }

    private mutating func settle(_ piece: Piece, _ verdict: inout Verdict) {
        spans[piece.span]?.pieces -= 1
        guard let span = spans[piece.span], span.pieces == 0 else { return }
        spans[piece.span] = nil
        verdict.settled = (piece.span, span.delivered, span.rejected, span.epochs)
    }
}

extension DeliveryResult {
    /// What went wrong, without what may repeat an event; nil for a success.
    fileprivate var statement: String? {
        if case .failure(let error) = self { return error.statement }
        return nil
    }
}
