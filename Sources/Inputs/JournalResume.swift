// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Decides where reading a journal goes on, and what was lost on the way.
///
/// libsystemd goes to the entry of a cursor or, when that is gone, to what it holds for closest:
/// that may be an entry before it, after it or of another machine. So after each seek the entry
/// that is found is judged here.
struct JournalResume: Sendable, Hashable {
    /// What to do with the entry that was found.
    enum Verdict: Sendable, Hashable {
        /// It was read before: go on to the next one.
        case skip
        /// It is the first one that was not read.
        case take
        /// It is older than what was read: look again, by time.
        case seek(Timestamp)
    }

    /// The last entry that was read.
    let last: JournalCursor
    private var hasSought = false

    /// Nil when the text is no cursor of libsystemd.
    init?(after cursor: String) {
        guard let last = JournalCursor(cursor) else { return nil }
        self.last = last
    }

    /// Judges the entry that a seek, or a step after a seek, has led to.
    mutating func judge(_ found: JournalCursor, isSame: Bool) -> Verdict {
        if isSame { return .skip }
        guard isRead(found) else { return .take }
        if hasSought { return .skip }
        hasSought = true
        return .seek(last.time)
    }

    /// True when an entry comes before the last one that was read, or is it.
    private func isRead(_ found: JournalCursor) -> Bool {
        found.writer == last.writer
            ? found.number <= last.number : found.time.microseconds < last.time.microseconds
    }

    /// What has gone between the last entry that was read, itself gone, and the first that is left.
    ///
    /// - Parameters:
    ///   - first: the first entry that is left and was not read, whether it is wanted or not.
    ///   - isFiltered: true when only some entries are wanted, so nobody knows how many of the
    ///     others were.
    func loss(first: JournalCursor, isFiltered: Bool) -> InputLoss? {
        guard first.writer == last.writer, first.number > last.number else {
            return InputLoss(path: nil, reason: .vanished)
        }
        let count = first.number - last.number - 1
        if count == 0 { return nil }
        return InputLoss(path: nil, reason: .vanished, recordCount: isFiltered ? 0 : count)
    }
}
