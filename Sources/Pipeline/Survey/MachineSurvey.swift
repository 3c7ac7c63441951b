// SPDX-License-Identifier: Apache-2.0
import Parsing
import Platform

/// What `sealtail init` finds on a machine: the products that run on it, and their logs.
///
/// Everything is only looked at, and not much of it: the limits below have names.
public struct MachineSurvey: Sendable {
    /// One product.
    public struct Finding: Sendable {
        /// The name of its parser.
        public let parser: String
        /// Its name.
        public let product: String
        /// What its log shows and what has to be switched on.
        public let coverage: Coverage
        /// Its processes that run.
        public internal(set) var processes: [RunningProcess] = []
        /// Its logs.
        public internal(set) var logs: [FoundLog] = []
        /// The services whose output in the journal is its log.
        public internal(set) var units: [String] = []
    }

    /// A log that was found.
    public struct FoundLog: Sendable {
        /// What the lines of a log say about it.
        public enum Content: Sendable, Hashable {
            /// The product knows so many of a hundred of the lines that were looked at.
            case recognised(percent: Int)
            /// There is nothing in it yet.
            case empty
            /// This user may not look into it.
            case unreadable
        }

        /// The file that was looked at.
        public let path: String
        /// The shell pattern that is to be read: the file, and what will take its place.
        public let pattern: String
        /// What its lines say.
        public let content: Content
        /// Whether other products write into it as well.
        public let isShared: Bool
        /// What keeps the service's user from reading it.
        public let obstacles: [AccessObstacle]
    }

    /// What was found, by parser.
    public internal(set) var findings: [Finding] = []
    /// Sentences about what was left out.
    public internal(set) var notes: [String] = []
    /// What is known of the unit of the service; nil when there is none.
    public let unit: ServiceUnit?
    /// The account that the service runs with.
    public let account: Account
    /// Where the root folder of the machine is mounted; empty when it is this one.
    public let root: String

    /// The most files that are looked into.
    public static let fileLimit = 300
    /// The most records of a file.
    public static let recordLimit = 2_000
    /// How long looking may take.
    public static let timeLimit = Duration.seconds(20)
    /// The share of lines below which another product does not count as a writer of a log.
    static let sharedPercent = 2

    /// Looks at the machine.
    ///
    /// - Parameters:
    ///   - library: the parsers, which know what to look for.
    ///   - root: where the root folder of the machine is mounted, without a slash at its end.
    ///   - user: the user that the service runs as; nil takes that of its unit, else `sealtail`,
    ///     else the user who asks.
    ///   - clock: measures how long looking takes.
    public init(
        _ library: ParserLibrary, root: String = "", user: String? = nil,
        clock: any TimeSource = SystemClock()
    ) {
        self.root = root
        unit = ServiceUnit.find(ServiceAccount.unitName, root: root)
        account = ServiceAccount.find(user, unit: unit, root: root)
        var look = MachineLook(library, root: root, account: account, clock: clock)
        findings = look.findings()
        notes = look.notes
    }
}

/// Whose rights count when a service reads logs.
public enum ServiceAccount {
    /// The unit of the agent.
    public static let unitName = "sealtail.service"
    /// The user of the package.
    public static let userName = "sealtail"

    /// The account the agent runs with: the user that is named, else that of its unit, else that of
    /// the package, else the one who asks.
    public static func find(_ user: String?, unit: ServiceUnit?, root: String = "") -> Account {
        if let user, let account = AccountNames.account(user, root: root) { return account }
        return unit?.account(fallback: userName, root: root)
            ?? AccountNames.account(userName, root: root) ?? asking
    }

    /// The account of this process.
    public static var asking: Account {
        let number = ProcessFacts.effectiveUserID
        return Account(
            name: AccountNames.user(number) ?? "\(number)", userID: number,
            groupIDs: ProcessFacts.groupIDs)
    }
}
