// SPDX-License-Identifier: Apache-2.0
import Platform

/// One thing that verification has to say, as a finding or as a note.
public struct VerificationRemark: Sendable, Equatable {
    /// The words for what can be wrong or worth knowing; the raw values are for people and scripts.
    public enum Word: String, Sendable, CaseIterable {
        /// An event that is not what was sealed, at its place.
        case invalid
        /// Two histories of one stream, or two successors of one predecessor.
        case fork
        /// Numbers that no group present covers.
        case gap
        /// Numbers that are absent from a group of which other events are present.
        case missing
        /// A group that does not follow the one before it.
        case chainBreak = "chain break"
        /// A checkpoint that does not say what it should.
        case badCheckpoint = "bad checkpoint"
        /// A predecessor that is absent.
        case missingStream = "missing stream"
        /// A predecessor that is shorter than its successor states.
        case missingTail = "missing tail"
        /// More events are absent from a sink's copy than the checkpoints account for.
        case deleted
        /// Fewer events are absent from a sink's copy than the checkpoints account for.
        case inconsistency
        /// An event in a sink's copy that the sink's filter leaves out.
        case foreign
        /// Fields beside the signed bytes that say something else, or that nobody signed.
        case unsigned = "added or altered, unsigned"
        /// The first number present is above 0: retention, or a cut.
        case begins = "begins at"
        /// Numbers above the newest checkpoint, whose absence could not be seen.
        case unproven
        /// A stream that was not closed in order.
        case open
        /// The same event again.
        case deliveredTwice = "delivered twice"
        /// Events that were delivered and are unknown to the successor.
        case deliveredThenLost = "delivered, then lost from the ledger"
        /// Absent events that a later checkpoint may still account for.
        case unsettled
        /// A root or mapped fields that could not be compared.
        case notCompared = "not compared"
        /// A stream whose predecessor is unknown because the ledger was gone.
        case predecessorLost = "predecessor lost"
        /// What is absent from a sink's copy and accounted for.
        case accounted = "accounted for"
    }

    /// The word.
    public var word: Word
    /// The stream it is about.
    public var stream: String?
    /// The numbers it is about.
    public var range: ClosedRange<UInt64>?
    /// The file it was seen in, where there are several.
    public var file: String?
    /// The line it was seen in, from 1.
    public var line: Int?
    /// The id of the event, if it could be read.
    public var id: String?
    /// The action of the event, if it could be read.
    public var action: String?
    /// The rest of the sentence.
    public var detail: String

    init(
        _ word: Word, stream: String? = nil, range: ClosedRange<UInt64>? = nil,
        file: String? = nil, line: Int? = nil, id: String? = nil, action: String? = nil,
        _ detail: String
    ) {
        self.word = word
        self.stream = stream
        self.range = range
        self.file = file
        self.line = line
        self.id = id
        self.action = action
        self.detail = detail
    }

    /// One line for people.
    public var text: String {
        var parts: [String] = []
        if let file { parts.append(Printable.text(file)) }
        if let line { parts.append("line \(line)") }
        if let stream { parts.append("stream \(Printable.text(stream))") }
        if let range {
            parts.append(
                range.count == 1
                    ? "seq \(range.lowerBound)" : "seq \(range.lowerBound)..\(range.upperBound)")
        }
        if let action { parts.append(Printable.text(action)) }
        if let id { parts.append("id \(Printable.text(id))") }
        let place = parts.joined(separator: " ")
        return "\(word.rawValue): \(place.isEmpty ? "" : place + ": ")\(Printable.text(detail))"
    }

    func write(to object: inout JSONWriter) {
        object.member("word", word.rawValue)
        if let stream { object.member("stream", stream) }
        if let range {
            object.member("first", range.lowerBound)
            object.member("last", range.upperBound)
        }
        if let file { object.member("file", file) }
        if let line { object.member("line", line) }
        if let id { object.member("id", id) }
        if let action { object.member("action", action) }
        object.member("detail", detail)
    }
}

/// What verification found out.
public struct VerificationReport: Sendable {
    /// The lines that were read, empty ones left out.
    public internal(set) var eventCount = 0
    /// The events among them that are what was sealed; one that came twice counts twice.
    public internal(set) var validCount = 0
    /// The groups that are present, whole or in part.
    public internal(set) var groupCount = 0
    /// The streams with at least one valid event.
    public internal(set) var streamCount = 0
    /// How many signatures were checked.
    public internal(set) var signatureCheckCount = 0
    /// How many roots of checkpoints were compared with the events.
    public internal(set) var comparedRootCount = 0
    /// What is wrong, at most `VerificationLimit.remarkCount` of it.
    public private(set) var findings: [VerificationRemark] = []
    /// What is worth knowing, at most `VerificationLimit.remarkCount` of it.
    public private(set) var notes: [VerificationRemark] = []
    /// All findings, those that are not listed too.
    public private(set) var findingCount = 0
    /// All notes, those that are not listed too.
    public private(set) var noteCount = 0

    /// True when there was something to verify and nothing is wrong with it.
    public var isClean: Bool { findingCount == 0 && eventCount > 0 }

    mutating func find(_ remark: VerificationRemark) {
        findingCount += 1
        if findings.count < VerificationLimit.remarkCount { findings.append(remark) }
    }

    mutating func note(_ remark: VerificationRemark) {
        noteCount += 1
        if notes.count < VerificationLimit.remarkCount { notes.append(remark) }
    }

    /// The report for people: a line for each finding and note, and a summary.
    public var text: String {
        var lines = findings.map(\.text)
        if findingCount > findings.count {
            lines.append("… and \(findingCount - findings.count) more findings")
        }
        lines += notes.map { "note: " + $0.text }
        if noteCount > notes.count {
            lines.append("… and \(noteCount - notes.count) more notes")
        }
        lines.append(summary)
        return lines.joined(separator: "\n") + "\n"
    }

    /// One line with the sums and the verdict.
    public var summary: String {
        let verdict =
            eventCount == 0
            ? "nothing to verify" : findingCount == 0 ? "all as sealed" : "NOT as sealed"
        return "\(verdict): \(eventCount) events, \(groupCount) groups, \(streamCount) streams, "
            + "\(findingCount) findings, \(noteCount) notes"
    }

    /// The report for scripts: one JSON object and LF.
    public var json: String {
        var document = JSONWriter()
        document.object { report in
            report.member("verified", isClean)
            report.member("events", eventCount)
            report.member("valid", validCount)
            report.member("groups", groupCount)
            report.member("streams", streamCount)
            report.member("signature_checks", signatureCheckCount)
            report.member("compared_roots", comparedRootCount)
            report.member("finding_count", findingCount)
            report.member("note_count", noteCount)
            for (name, remarks) in [("findings", findings), ("notes", notes)] {
                report.array(name) { list in
                    for remark in remarks { list.object { remark.write(to: &$0) } }
                }
            }
        }
        return String(decoding: document.makeArray(), as: UTF8.self) + "\n"
    }
}

/// The limits of verification.
public enum VerificationLimit {
    /// The most findings, and the most notes, that are listed; all are counted.
    public static let remarkCount = 10_000
    /// The most bytes of a line; a body has at most 60 KiB, and documents repeat parts of it.
    public static let lineByteCount = 4 * 1024 * 1024
    /// The most bytes of lines that wait for a key to be vouched for further down.
    public static let deferredByteCount = 64 << 20
    /// The most characters of a text from an export that are repeated in a remark.
    static let shownCharacterCount = 200
}

/// Makes texts from an export fit for a terminal.
enum Printable {
    static func text(_ text: String) -> String {
        var result = ""
        var count = 0
        for scalar in text.unicodeScalars {
            if count == VerificationLimit.shownCharacterCount {
                result += "…"
                break
            }
            count += 1
            // Control and format characters could rewrite what the terminal shows.
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
                .unassigned:
                result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
