// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform

/// How `sealtail replay` and a running agent talk: two small files in the state directory, each
/// replaced as a whole, a lock that says that the command still waits, and one that says that the
/// agent still works. What a full disk keeps from being written is seen by the locks.
struct ReplayMail: Sendable {
    /// A request with the mark by which its answers are known.
    struct Letter: Sendable, Hashable {
        var mark: String
        var request: ReplayRequest
    }

    /// How far a replay is, or how it ended.
    struct Answer: Sendable, Hashable {
        var mark: String
        var tally: ReplayTally
        var outcome: ReplayOutcome?
    }

    private static let permissions: UInt32 = 0o600
    private static let byteLimit = 64 << 10
    static let thousandth = 1000.0

    private let folder: String

    init(directory: String) {
        folder = directory + "/replay"
    }

    private var requestPath: String { folder + "/request" }
    private var answerPath: String { folder + "/answer" }

    /// Claims the right to ask; nil when another command has it. Makes the folder.
    func claim() throws(SystemError) -> FileLock? {
        try FileSystem.createFolder(folder, permissions: 0o700)
        // Made here, so that the agent needs no room for it.
        _ = try serve()
        return try FileLock.take(folder + "/lock", permissions: ReplayMail.permissions)
    }

    /// Says that somebody works on a request, until the answer goes; nil when one does already.
    ///
    /// It is taken before the request is, so a command whose request is gone and that finds nobody
    /// at work knows that no more answers come.
    func serve() throws(SystemError) -> FileLock? {
        try FileLock.take(folder + "/work", permissions: ReplayMail.permissions)
    }

    /// True while somebody works on a request.
    var isServed: Bool {
        // A lock that cannot be looked at says nothing, so the wait goes on.
        do throws(SystemError) {
            return try serve() == nil
        } catch {
            return true
        }
    }

    /// True while there is a request that nobody has taken.
    var isPosted: Bool { FileSystem.exists(requestPath) }

    /// False when the command that asked is gone.
    var isAwaited: Bool {
        // A lock that cannot be looked at says nothing, so the work goes on.
        do throws(SystemError) {
            return try FileLock.take(folder + "/lock", permissions: ReplayMail.permissions) == nil
        } catch {
            return true
        }
    }

    /// Leaves a request; one that was left before is replaced.
    func post(_ letter: Letter) throws(SystemError) {
        try? FileSystem.remove(answerPath)
        try write(letter.bytes, to: requestPath)
    }

    /// Takes a request back that nobody has taken; false when there is none any more.
    func withdraw() -> Bool { (try? FileSystem.remove(requestPath)) != nil }

    /// Takes the request away; nil when there is none, or none that can be understood.
    func collect() -> Letter? {
        guard isPosted,
            let bytes = try? FileSystem.read(requestPath, byteLimit: ReplayMail.byteLimit)
        else { return nil }
        // What cannot be removed would be done again and again.
        guard withdraw() else { return nil }
        return (try? JSONDocument(reading: bytes)).flatMap(Letter.init)
    }

    /// Tells how far it is.
    func answer(_ answer: Answer) throws(SystemError) { try write(answer.bytes, to: answerPath) }

    /// The last answer; nil when there is none for this mark.
    func answer(to mark: String) -> Answer? {
        guard let bytes = try? FileSystem.read(answerPath, byteLimit: ReplayMail.byteLimit),
            let answer = (try? JSONDocument(reading: bytes)).flatMap(Answer.init),
            answer.mark == mark
        else { return nil }
        return answer
    }

    private func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
        try FileSystem.write(path, bytes.span, permissions: ReplayMail.permissions)
    }
}

// MARK: - The documents

extension ReplayMail.Letter {
    init?(_ document: JSONDocument) {
        guard let mark = document["mark"]?.string, let sink = document["sink"]?.string else {
            return nil
        }
        let origin: ReplayRequest.Origin
        if let stream = document["stream"]?.string {
            guard let first = document["first"]?.integer, let last = document["last"]?.integer,
                0 <= first, first <= last
            else { return nil }
            origin = .ledger(.numbers(stream: stream, UInt64(first)...UInt64(last)))
        } else if document["dead_letter"] != nil {
            origin = .deadLetter
        } else {
            origin = .ledger(
                .time(
                    since: document["since"]?.integer.map(Timestamp.init(microseconds:)),
                    until: document["until"]?.integer.map(Timestamp.init(microseconds:))))
        }
        self.init(mark: mark, request: ReplayRequest(sink: sink, origin))
    }

    var bytes: [UInt8] {
        var document = JSONWriter()
        document.object { letter in
            letter.member("mark", mark)
            letter.member("sink", request.sink)
            switch request.origin {
            case .deadLetter: letter.member("dead_letter", true)
            case .ledger(.numbers(let stream, let numbers)):
                letter.member("stream", stream)
                letter.member("first", Int(clamping: numbers.lowerBound))
                letter.member("last", Int(clamping: numbers.upperBound))
            case .ledger(.time(let since, let until)):
                if let since { letter.member("since", Int(since.microseconds)) }
                if let until { letter.member("until", Int(until.microseconds)) }
            }
        }
        return document.makeArray()
    }
}

extension ReplayMail.Answer {
    init?(_ document: JSONDocument) {
        guard let mark = document["mark"]?.string else { return nil }
        func count(_ key: String) -> Int { Int(clamping: document[key]?.integer ?? 0) }
        var tally = ReplayTally()
        for (key, path) in ReplayMail.Answer.counts { tally[keyPath: path] = count(key) }
        tally.progress = Double(count("progress")) / ReplayMail.thousandth
        tally.refusal = document["refusal"]?.string
        self.init(mark: mark, tally: tally)
        guard let exit = document["exit"]?.integer else { return }
        var outcome = ReplayOutcome(tally)
        outcome.exitCode = ExitCode(rawValue: Int32(clamping: exit)) ?? .software
        outcome.problem = document["problem"]?.string
        self.outcome = outcome
    }

    private static var counts: [(String, WritableKeyPath<ReplayTally, Int>)] {
        [
            ("sent", \.sent), ("confirmed", \.confirmed), ("refused", \.refused),
            ("filtered", \.filtered), ("foreign", \.foreign), ("unreadable", \.unreadable),
            ("missing", \.missing),
        ]
    }

    var bytes: [UInt8] {
        var document = JSONWriter()
        document.object { answer in
            answer.member("mark", mark)
            for (key, path) in ReplayMail.Answer.counts {
                answer.member(key, tally[keyPath: path])
            }
            answer.member("progress", Int(tally.progress * ReplayMail.thousandth))
            if let refusal = tally.refusal { answer.member("refusal", refusal) }
            guard let outcome else { return }
            answer.member("exit", Int(outcome.exitCode.rawValue))
            if let problem = outcome.problem { answer.member("problem", problem) }
        }
        return document.makeArray()
    }
}
