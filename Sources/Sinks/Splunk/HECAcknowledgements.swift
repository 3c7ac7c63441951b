// SPDX-License-Identifier: Apache-2.0
import Platform

/// Decides which batches an indexer has confirmed and which have to be sent again.
///
/// It decides and does nothing: no socket, no clock, no randomness of its own.
///
/// A collector numbers the requests of a channel and says later, when asked, which of these numbers
/// are indexed. It says so once, it forgets everything when it is restarted, and then it numbers
/// from the beginning again on the same channel: a number can come to mean another request. So a
/// confirmation counts only when it cannot be about another request:
///
/// - Requests go into the present channel of their endpoint. A channel is *given up* when a number
///   comes twice, when an answer is lost (nobody knows which number that request has), or when the
///   collector does not know it. What it had not confirmed is sent again, under a new channel.
/// - While other requests have no answer yet, a confirmation is held back until all of them have
///   one: any of them could be the one that the confirmation is about.
/// - A number that stays unconfirmed for too long is sent again and closes its channel for new
///   requests; the other numbers of the channel are still asked for.
struct HECAcknowledgements {
    /// What became of a batch.
    enum Fate: Equatable {
        /// It is indexed.
        case confirmed
        /// Nobody knows; it has to be sent again.
        case unconfirmed(Doubt)
    }

    /// Why nobody knows.
    enum Doubt: String {
        case restart = "the collector has begun to number anew, as after a restart"
        case timeOut = "the indexer has not confirmed it in time"
        case lostAnswer = "the answer to another request on the same channel was lost"
        case unknownChannel = "the collector does not know the channel any more"
        case formerChannel = "its channel was given up before its answer came"
    }

    /// A request for numbers.
    struct Query: Equatable {
        let channel: UInt64
        let name: String
        let endpoint: Int
        let numbers: [UInt64]
    }

    /// So many requests go into one channel, which bounds what has to be remembered of it.
    static let channelRequestLimit = 4096
    /// The shortest time between two queries about a channel.
    static let shortestInterval = Duration.milliseconds(100)
    /// The longest time between two queries, while nothing is confirmed.
    static let longestInterval = Duration.seconds(5)

    private struct Channel {
        let id: UInt64
        let name: String
        let endpoint: Int
        var requestCount = 0
        /// False when no further request may go into it.
        var isOpen = true
        /// The requests that have no answer yet.
        var unanswered: Set<UInt64> = []
        /// All numbers that came.
        var numbers: Set<UInt64> = []
        /// By number.
        var waiting: [UInt64: Wait] = [:]
        var isQueried = false
        var interval = HECAcknowledgements.shortestInterval
        var nextQuery = MonotonicInstant(nanoseconds: .min)
    }

    private struct Wait {
        let ticket: UInt64
        let deadline: MonotonicInstant
        /// Set when the collector has confirmed the number: the requests that had no answer then.
        var suspects: Set<UInt64>?
    }

    private let timeOut: Duration
    private let makeName: () -> String
    private var channels: [Channel] = []
    private var channelCount: UInt64 = 0
    private var channelOfTicket: [UInt64: UInt64] = [:]
    private var settled: [(ticket: UInt64, fate: Fate)] = []

    /// Begins without a channel.
    ///
    /// - Parameters:
    ///   - timeOut: how long a number may stay unconfirmed.
    ///   - makeName: a name that no channel had before, a GUID.
    init(timeOut: Duration, makeName: @escaping () -> String) {
        self.timeOut = timeOut
        self.makeName = makeName
    }

    /// How many batches have a number and no fate.
    var waitingCount: Int { channels.reduce(0) { $0 + $1.waiting.count } }

    /// The batches whose fate is known since the last call.
    mutating func takeSettled() -> [(ticket: UInt64, fate: Fate)] {
        defer { settled.removeAll(keepingCapacity: true) }
        return settled
    }

    /// Forgets everything, without outcomes.
    mutating func removeAll() {
        channels.removeAll()
        channelOfTicket.removeAll()
        settled.removeAll()
    }

    // MARK: Requests

    /// Takes note that a request is about to be sent to one of the endpoints.
    ///
    /// Answers with its channel. The request must not reach the collector more than once: a number
    /// that came of a repetition nobody heard of could be taken for another one.
    mutating func begin(_ ticket: UInt64, endpoint: Int) -> String {
        let at: Int
        if let open = channels.lastIndex(where: { $0.isOpen && $0.endpoint == endpoint }) {
            at = open
        } else {
            at = channels.count
            channels.append(Channel(id: channelCount, name: makeName(), endpoint: endpoint))
            channelCount += 1
        }
        channels[at].requestCount += 1
        if channels[at].requestCount == HECAcknowledgements.channelRequestLimit {
            channels[at].isOpen = false
        }
        channels[at].unanswered.insert(ticket)
        channelOfTicket[ticket] = channels[at].id
        return channels[at].name
    }

    /// The collector has taken a request under a number; its fate comes later.
    mutating func accepted(_ ticket: UInt64, number: UInt64, at now: MonotonicInstant) {
        guard let at = index(channelOfTicket.removeValue(forKey: ticket)) else {
            settled.append((ticket, .unconfirmed(.formerChannel)))
            return
        }
        guard channels[at].numbers.insert(number).inserted else {
            settled.append((ticket, .unconfirmed(.restart)))
            giveUp(at, .restart)
            return
        }
        if channels[at].waiting.isEmpty {
            channels[at].interval = HECAcknowledgements.shortestInterval
            channels[at].nextQuery = now.advanced(by: channels[at].interval)
        }
        channels[at].waiting[number] = Wait(ticket: ticket, deadline: now.advanced(by: timeOut))
        clear(ticket, at)
    }

    /// The collector has answered a request without a number: refused, or not to be confirmed.
    mutating func answered(_ ticket: UInt64) {
        guard let at = index(channelOfTicket.removeValue(forKey: ticket)) else { return }
        clear(ticket, at)
    }

    /// No answer to a request will come, or none from the collector itself.
    mutating func lost(_ ticket: UInt64) {
        guard let at = index(channelOfTicket.removeValue(forKey: ticket)) else { return }
        giveUp(at, .lostAnswer)
    }

    /// The collector does not know the channel of a request.
    mutating func strayed(_ ticket: UInt64) {
        guard let at = index(channelOfTicket.removeValue(forKey: ticket)) else { return }
        giveUp(at, .unknownChannel)
    }

    // MARK: Queries

    /// The next query that is due, which must be followed by `confirm` or `unanswered`.
    mutating func query(at now: MonotonicInstant) -> Query? {
        for at in channels.indices where isDue(channels[at], now) {
            channels[at].isQueried = true
            let numbers = channels[at].waiting.filter { $0.value.suspects == nil }.keys.sorted()
            return Query(
                channel: channels[at].id, name: channels[at].name,
                endpoint: channels[at].endpoint, numbers: numbers)
        }
        return nil
    }

    /// Takes the answer to a query: the numbers that are indexed. None also stands for no answer.
    mutating func confirm(_ numbers: [UInt64], of channel: UInt64, at now: MonotonicInstant) {
        guard let at = index(channel) else { return }
        channels[at].isQueried = false
        var isFruitful = false
        for number in numbers where channels[at].waiting[number]?.suspects == nil {
            guard channels[at].waiting[number] != nil else { continue }
            let unanswered = channels[at].unanswered
            channels[at].waiting[number]?.suspects = unanswered
            isFruitful = true
        }
        channels[at].interval =
            isFruitful
            ? HECAcknowledgements.shortestInterval
            : min(channels[at].interval * 2, HECAcknowledgements.longestInterval)
        channels[at].nextQuery = now.advanced(by: channels[at].interval)
        review(at)
    }

    /// Gives up a channel whose query was refused; answers with the batches that waited on it.
    mutating func abandon(_ channel: UInt64) -> [UInt64] {
        guard let at = index(channel) else { return [] }
        return channels.remove(at: at).waiting.values.map(\.ticket).sorted()
    }

    /// Gives up waiting for numbers that are overdue.
    mutating func expire(at now: MonotonicInstant) {
        for at in channels.indices.reversed() {
            let overdue = channels[at].waiting.filter { $0.value.deadline <= now }
            guard !overdue.isEmpty else { continue }
            channels[at].isOpen = false
            for (number, wait) in overdue {
                channels[at].waiting[number] = nil
                settled.append((wait.ticket, .unconfirmed(.timeOut)))
            }
            review(at)
        }
    }

    /// How long there is nothing to do but to wait for answers; nil when nothing is waited for.
    func patience(at now: MonotonicInstant) -> Duration? {
        var next: MonotonicInstant?
        for channel in channels {
            for wait in channel.waiting.values {
                next = min(next ?? wait.deadline, wait.deadline)
            }
            if hasQuestions(channel) { next = min(next ?? channel.nextQuery, channel.nextQuery) }
        }
        return next.map { max($0.duration(since: now), .zero) }
    }

    // MARK: Inside

    private func index(_ id: UInt64?) -> Int? { channels.firstIndex { $0.id == id } }

    private func hasQuestions(_ channel: Channel) -> Bool {
        !channel.isQueried && channel.waiting.values.contains { $0.suspects == nil }
    }

    private func isDue(_ channel: Channel, _ now: MonotonicInstant) -> Bool {
        channel.nextQuery <= now && hasQuestions(channel)
    }

    /// A request has its answer, so no confirmation that came is about it.
    private mutating func clear(_ ticket: UInt64, _ at: Int) {
        channels[at].unanswered.remove(ticket)
        for number in channels[at].waiting.keys {
            channels[at].waiting[number]?.suspects?.remove(ticket)
        }
        review(at)
    }

    /// Settles what is beyond doubt and forgets the channel when nothing is left of it.
    private mutating func review(_ at: Int) {
        for (number, wait) in channels[at].waiting where wait.suspects?.isEmpty == true {
            channels[at].waiting[number] = nil
            settled.append((wait.ticket, .confirmed))
        }
        let channel = channels[at]
        if !channel.isOpen, channel.waiting.isEmpty, channel.unanswered.isEmpty {
            channels.remove(at: at)
        }
    }

    /// Forgets a channel; requests in it that get their answer later are sent again as well.
    private mutating func giveUp(_ at: Int, _ doubt: Doubt) {
        for wait in channels.remove(at: at).waiting.values {
            settled.append((wait.ticket, .unconfirmed(doubt)))
        }
    }
}
