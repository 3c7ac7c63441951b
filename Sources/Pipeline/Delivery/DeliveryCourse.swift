// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform
import Sinks

/// What a delivery loop has in its hands: the frame it reads, the request it fills, its plan.
struct DeliveryCourse {
    var plan: DeliveryPlan
    var tracker: CursorTracker
    var place: LedgerPlace
    var frame: LedgerFrame?
    var parts: [DeliveryBatch.Part] = []
    var sentAt: [UInt64: MonotonicInstant] = [:]

    private var limits: SinkConfiguration.Batch
    private var windowLimit: Int
    private var sinkBit: UInt64 = 0
    private var nextEvent = 0
    private var nextSpan: UInt64 = 0
    private var offered = 0
    private var filtered = 0
    // Frames since the last span that were not offered to the sink.
    private var foreignFrames = 0
    private var byteCount = 0
    private var firstTakenAt: MonotonicInstant?

    init(from cursor: SinkCursor, configuration: SinkConfiguration) {
        plan = DeliveryPlan(
            retryPolicy: RetryPolicy(
                initial: configuration.retry.initial, longest: configuration.retry.longest),
            inFlightLimit: configuration.inFlight)
        tracker = CursorTracker(from: cursor)
        place = cursor.place
        limits = configuration.batch
        windowLimit = configuration.inFlight * DeliveryCourse.windowFactor
    }

    /// So many spans for each request in flight may be begun and not yet passed by the cursor.
    ///
    /// One request that hangs must not let the others run ahead without end, because all that they
    /// settle is sent again when the agent is killed.
    static let windowFactor = 2

    /// So many frames that were not offered to the sink are passed at a time.
    private static let foreignFrameLimit = 256

    /// Goes on with other limits; what was begun stays as it is.
    mutating func adopt(_ configuration: SinkConfiguration) {
        limits = configuration.batch
        windowLimit = configuration.inFlight * DeliveryCourse.windowFactor
        plan.adopt(
            RetryPolicy(
                initial: configuration.retry.initial, longest: configuration.retry.longest),
            inFlightLimit: configuration.inFlight)
    }

    /// The ticket of the next request.
    var nextTicket: UInt64 { plan.nextTicket }

    /// Leaves out the tickets of requests that nobody waits for any more.
    mutating func startTickets(at ticket: UInt64) { plan.startTickets(at: ticket) }

    /// True when another span can be taken from the ledger.
    func wantsMore(at now: MonotonicInstant) -> Bool {
        plan.wantsMore(at: now) && plan.spanWindow < windowLimit
    }

    private var taken: Int { offered - filtered }

    /// True when the request has as much as the configuration allows.
    ///
    /// What a filter leaves out is bounded too, and what was sealed for other sinks only, so that
    /// the cursor moves over a quiet stretch and the loop looks around.
    var isFull: Bool {
        taken >= limits.countLimit || byteCount >= limits.byteLimit
            || filtered >= limits.countLimit * 10
            || foreignFrames >= DeliveryCourse.foreignFrameLimit
    }

    /// True when the request has waited long enough to be sent as it is.
    mutating func isRipe(at now: MonotonicInstant) -> Bool {
        guard offered > 0 else { return false }
        let since = firstTakenAt ?? now
        firstTakenAt = since
        return now >= since.advanced(by: limits.waitLimit)
    }

    /// How long there is nothing to do but to wait for outcomes or new events.
    mutating func patience(at now: MonotonicInstant) -> Duration {
        if let rest = plan.rest(at: now) { return min(rest, DeliveryLoop.heartbeat) }
        guard let since = firstTakenAt, wantsMore(at: now) else {
            return DeliveryLoop.heartbeat
        }
        let ripe = since.advanced(by: limits.waitLimit).duration(since: now)
        return min(max(ripe, .zero), DeliveryLoop.heartbeat)
    }

    /// Begins with a frame that was read.
    mutating func open(_ frame: LedgerFrame, sink: String) {
        nextEvent = Int(frame.place.index)
        if let bit = frame.batch.sinks.firstIndex(of: sink) {
            sinkBit = 1 << UInt64(bit)
        } else {
            // The sink was not configured when the frame was sealed: it was never offered these.
            nextEvent = frame.batch.events.count
            foreignFrames += 1
        }
        place = frame.place
    }

    /// Takes events of the frame until the request is full or the frame is through.
    mutating func takeEvents() {
        guard let frame else { return }
        var events: [Int] = []
        while nextEvent < frame.batch.events.count, !isFull {
            offered += 1
            if frame.batch.events[nextEvent].sinkBits & sinkBit != 0 {
                events.append(nextEvent)
                byteCount += frame.batch.bodyRange(nextEvent).count
            } else {
                filtered += 1
            }
            nextEvent += 1
        }
        if !events.isEmpty {
            parts.append(DeliveryBatch.Part(batch: frame.batch, events: events))
        }
        if nextEvent == frame.batch.events.count {
            place = frame.next
            self.frame = nil
        } else {
            place = frame.place.at(index: nextEvent)
        }
    }

    /// Hands the request to the plan as a span; nil when there is nothing in it.
    mutating func closeSpan() -> (filtered: Int, cursor: SinkCursor?)? {
        guard offered > 0 || foreignFrames > 0 else { return nil }
        let result: (filtered: Int, cursor: SinkCursor?)
        if parts.isEmpty {
            result = (filtered, tracker.skip(through: place, offered: offered, filtered: filtered))
        } else {
            tracker.begin(nextSpan, through: place, offered: offered, filtered: filtered)
            plan.add(DeliveryBatch(parts: parts), span: nextSpan)
            nextSpan += 1
            result = (filtered, nil)
        }
        parts = []
        offered = 0
        filtered = 0
        foreignFrames = 0
        byteCount = 0
        firstTakenAt = nil
        return result
    }
}
