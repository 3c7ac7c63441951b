// SPDX-License-Identifier: Apache-2.0
import Platform

/// Decides when credentials are looked up and what requests are signed with meanwhile.
///
/// A pure value: the clocks are the caller's.
struct CredentialSchedule {
    /// What a request can be signed with now.
    enum State {
        case ready(AWSCredentials, generation: Int)
        /// A lookup is under way, and a request has to wait for it.
        case pending
        case failed(CredentialProblem)
    }

    /// Credentials are looked up again so long before they end.
    static let margin = Duration.seconds(300)
    /// How long to leave a source alone that did not answer, or gave what is about to end.
    static let rest = Duration.seconds(10)

    private var current: AWSCredentials?
    private var problem: CredentialProblem?
    private var isLooking = false
    private var restUntil: MonotonicInstant?
    private var refusalCount = 0
    /// Counts the credentials that were found.
    private(set) var generation = 0

    /// What a request can be signed with. What has ended is used when nothing better was found:
    /// the far side decides.
    func state(at now: Timestamp) -> State {
        if let current, !isLooking || (current.expiration ?? .latest) > now {
            return .ready(current, generation: generation)
        }
        if let problem, !isLooking { return .failed(problem) }
        return .pending
    }

    /// True when a lookup should begin.
    func wantsLookup(at now: Timestamp, _ instant: MonotonicInstant) -> Bool {
        if isLooking || restUntil.map({ $0 > instant }) == true { return false }
        guard let current else { return true }
        guard let expiration = current.expiration else { return false }
        return expiration <= now.advanced(by: CredentialSchedule.margin)
    }

    /// A lookup has begun.
    mutating func began() {
        isLooking = true
    }

    /// A lookup has found credentials.
    mutating func found(_ credentials: AWSCredentials, at instant: MonotonicInstant) {
        isLooking = false
        problem = nil
        restUntil = instant.advanced(by: CredentialSchedule.rest)
        if current != credentials { generation += 1 }
        current = credentials
    }

    /// A lookup has found nothing.
    mutating func failed(_ problem: CredentialProblem, at instant: MonotonicInstant) {
        isLooking = false
        self.problem = problem
        restUntil = instant.advanced(by: CredentialSchedule.rest)
    }

    /// A request was taken.
    mutating func accepted() {
        refusalCount = 0
    }

    /// A request was refused because its credentials have ended or are not known (any more).
    ///
    /// True when others may help, which are looked up now: the first time, or when the request
    /// was signed with former ones.
    mutating func refused(generation refused: Int) -> Bool {
        guard refused == generation else { return true }
        // What was refused is not used again, and the next ones count as others.
        generation += 1
        current = nil
        refusalCount += 1
        if refusalCount == 1 { restUntil = nil }
        return refusalCount == 1
    }
}
