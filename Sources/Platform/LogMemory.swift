// SPDX-License-Identifier: Apache-2.0

/// A warning or an error that the agent has written, for whoever looks at it later.
public struct LogProblem: Sendable, Equatable {
    /// What varies of a line.
    public struct Field: Sendable, Equatable {
        /// The name.
        public let key: String
        /// The value as text, at most `LogMemory.valueByteLimit` bytes.
        public let value: String

        init(_ key: String, _ value: String) {
            self.key = key
            self.value = value
        }
    }

    /// `warning` or `error`.
    public let level: Log.Level
    /// The fixed text.
    public let message: String
    /// What varies, in the order of the line.
    public let fields: [Field]
    /// When it was written for the first time.
    public let first: Timestamp
    /// When it was written last.
    public fileprivate(set) var last: Timestamp
    /// How often it was written, every field the same.
    public fileprivate(set) var count = 1
}

/// The last problems, a bounded number; one that comes again is counted and moves to the end.
public struct LogMemory: Sendable {
    /// The most problems that are remembered; a new one takes the place of the oldest.
    public static let problemLimit = 32
    /// The most bytes of a value that are remembered.
    public static let valueByteLimit = 256

    /// The oldest comes first.
    private(set) var problems: [LogProblem] = []

    mutating func note(
        _ level: Log.Level, _ message: String, _ fields: [LogProblem.Field], at now: Timestamp
    ) {
        let fields = fields.map {
            LogProblem.Field($0.key, LogLine.cut($0.value, to: LogMemory.valueByteLimit))
        }
        let known = problems.firstIndex {
            $0.level == level && $0.message == message && $0.fields == fields
        }
        if let known {
            var problem = problems.remove(at: known)
            problem.last = now
            problem.count += 1
            problems.append(problem)
            return
        }
        if problems.count == LogMemory.problemLimit { problems.removeFirst() }
        problems.append(
            LogProblem(level: level, message: message, fields: fields, first: now, last: now))
    }
}
