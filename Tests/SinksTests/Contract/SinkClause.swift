// SPDX-License-Identifier: Apache-2.0
@testable import Sinks

/// What every sink promises, clause by clause.
enum SinkClause: String, CaseIterable, Sendable {
    /// Each batch comes to one outcome, when all of it has arrived, in every format.
    case confirms
    /// A far side that asks for patience gets it, for as long as it says.
    case waits
    /// One event that is refused for ever is rejected, and no other is.
    case rejects
    /// Who is not let in raises an alarm and loses nothing.
    case alarms
    /// A far side that takes everything and never answers is given up in time.
    case timesOut
    /// A connection that is reset says nothing about what it carried.
    case survivesReset
    /// Nor does one that ends in the middle of an answer.
    case survivesHalfClose
    /// An answer byte by byte is an answer.
    case bearsSlowness
    /// Nothing that is said holds a secret, though the far side repeats it.
    case keepsSecrets
    /// Nothing is lost while the far side is away for ten minutes, and little sent twice.
    case resumes

    /// The heading of its column.
    var heading: String {
        switch self {
        case .confirms: "confirms"
        case .waits: "busy"
        case .rejects: "refuses an event"
        case .alarms: "lets nobody in"
        case .timesOut: "never answers"
        case .survivesReset: "resets"
        case .survivesHalfClose: "half-closes"
        case .bearsSlowness: "slow"
        case .keepsSecrets: "secrets"
        case .resumes: "away"
        }
    }
}

/// What a far side under contract is told to do from now on.
enum ReceiverBehaviour: Sendable {
    /// Take everything.
    case take
    /// Take nothing now and ask for patience.
    case beBusy
    /// Take everything but the event `ReceiverBehaviour.refused`.
    case refuseOne
    /// Let nobody in.
    case letNobodyIn
    /// Take everything and never answer.
    case neverAnswer
    /// Take everything and break the connection.
    case reset
    /// Take everything, begin to answer and say that no more will come.
    case halfClose
    /// Take everything, byte by byte.
    case beSlow
    /// Not be there.
    case beAway

    /// The number of the event that is refused, in the numbers of `Samples`.
    static let refused = 13
    /// How long the far side asks to be left alone, where its protocol has words for it.
    static let patience = Duration.seconds(3)
}

/// The far side of a sink under contract.
///
/// Any thread may call.
protocol ContractReceiver: AnyObject, Sendable {
    /// A new sink that delivers to it; an impatient one waits for no answer longer than it must.
    func makeSink(_ format: SinkFormat, isImpatient: Bool) throws -> any Sink

    /// Does so from now on, for connections that stand as well.
    func behave(_ behaviour: ReceiverBehaviour) throws

    /// What has arrived, event by event and in order, without what the protocol puts around it.
    ///
    /// Waits until there is as much as is wanted; ends with less when that does not come.
    func arrived(_ count: Int) throws -> [String]

    /// Ends it.
    func stop()
}

/// One type of sink, or one way of it, and how it keeps each clause.
struct SinkContractRow: Sendable {
    /// How a clause is kept.
    enum Term: Sendable, Equatable {
        /// As all others do, with a remark on how.
        case kept(String)
        /// There is no such thing here, for this reason.
        case absent(String)
    }

    /// The word in `type`, and the way in brackets where there are several.
    var name: String
    /// The word in `type`.
    var type: String
    /// What is to be said beside that a clause is kept.
    var terms: [SinkClause: Term] = [:]
    /// The delay that the protocol has words for.
    var delay: Duration?
    /// The body of the event that is refused.
    var refusedBody = Samples.plain(ReceiverBehaviour.refused)
    /// What must not be said anywhere.
    var secrets: [String] = []
    /// Makes a far side that takes everything.
    var open: @Sendable () throws -> any ContractReceiver

    /// Why there is nothing to try; nil when there is.
    func exemption(_ clause: SinkClause) -> String? {
        if case .absent(let reason)? = terms[clause] { return reason }
        return nil
    }
}
