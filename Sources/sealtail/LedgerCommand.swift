// SPDX-License-Identifier: Apache-2.0
import Events
import Ledger
import Platform

/// Looks into the ledger of a state directory, while the agent runs or not. Only `repair --apply`
/// changes anything, and only when no agent runs.
enum LedgerCommand {
    /// `agent.state_dir` when it is left out.
    private static let defaultFolder = "/var/lib/sealtail"

    static func run(_ options: Options) throws -> ExitCode {
        guard let verb = options.operands.first,
            ["ls", "dump", "verify", "repair", "letters"].contains(verb)
        else { throw UsageError("say ls, dump, verify, repair or letters") }
        guard options.value("sink") == nil || verb == "dump" else {
            throw UsageError("--sink belongs to dump")
        }
        guard !options.has("json") || verb == "ls" || verb == "verify" else {
            throw UsageError("--json belongs to ls and verify")
        }
        guard !options.has("apply") || verb == "repair" else {
            throw UsageError("--apply belongs to repair")
        }
        let place = try place(options, needsFolder: verb != "letters")
        if verb == "letters" { return letters(options, place) }
        if verb == "repair" { return try repair(place.folder, apply: options.has("apply")) }
        var inspection = try LedgerInspection(directory: place.folder, keys: place.keys)
        guard !inspection.segments.isEmpty else {
            throw CommandFailure("\(place.folder) holds no ledger", .noInput)
        }
        switch verb {
        case "ls": return try list(&inspection, json: options.has("json"))
        case "dump": return try dump(&inspection, sink: options.value("sink"))
        default: return try verify(&inspection, json: options.has("json"))
        }
    }

    /// What is looked into, and the keys it may need.
    struct Place {
        var folder: String
        var keys: EncryptionKeyRing?
    }

    /// The state directory, named or out of a configuration.
    private static func place(_ options: Options, needsFolder: Bool) throws -> Place {
        let operands = options.operands.dropFirst()
        var place = Place(folder: operands.first ?? "")
        if let path = options.value("config") {
            guard operands.isEmpty || !needsFolder else {
                throw UsageError("a state directory and --config exclude each other")
            }
            place = try self.place(configuration: path)
        } else if needsFolder, operands.count != 1 {
            throw UsageError("name one state directory, or --config")
        }
        if let path = options.value("key") {
            place.keys = EncryptionKeyRing(
                current: try key(path),
                previous: place.keys.map { [$0.current] + $0.previous } ?? [])
        }
        return place
    }

    /// What a configuration says about it.
    ///
    /// Only two values are asked for, so that a mistake elsewhere does not stop a look.
    static func place(configuration path: String) throws(Mistakes) -> Place {
        let problems = ConfigurationProblems()
        guard let root = ConfigurationLoader.load(path, problems: problems) else {
            throw Mistakes(problems.list)
        }
        var place = Place(folder: root["agent"]?["state_dir"]?.scalar ?? defaultFolder)
        if let node = root["ledger"] {
            var reader = ConfigurationReader(node, problems)
            place.keys = LedgerConfiguration.encryption(&reader)
            let wrong = problems.list.filter { $0.description.contains("encryption") }
            guard wrong.isEmpty else { throw Mistakes(wrong) }
        }
        return place
    }

    private static func key(_ path: String) throws -> EncryptionKey {
        var bytes = try FileSystem.read(path, byteLimit: keyFileByteLimit)
        if let key = EncryptionKey(text: Secret(wiping: &bytes)) { return key }
        throw CommandFailure(
            "\(path): holds no key: 64 hexadecimal digits or base64", .configuration)
    }

    private static let keyFileByteLimit = 4096

    // MARK: repair

    private static func repair(_ folder: String, apply: Bool) throws(LedgerError) -> ExitCode {
        let repair = try LedgerRepair(directory: folder)
        let findings = try repair.look()
        var leftCount = 0
        for finding in findings {
            emit(finding.description + "\n")
            guard apply else { continue }
            if try !repair.apply(finding) { leftCount += 1 }
        }
        if !apply, findings.contains(where: \.isRepairable) {
            talk("nothing was changed; --apply does what is written above")
            return .badData
        }
        talk("\(findings.count) findings, \(apply ? findings.count - leftCount : 0) repaired")
        return leftCount == 0 && (apply || findings.isEmpty) ? .ok : .badData
    }

    // MARK: ls

    private static func list(
        _ inspection: inout LedgerInspection, json: Bool
    ) throws(LedgerError) -> ExitCode {
        for number in inspection.segments {
            guard let report = try look(&inspection, number, checking: false) else { continue }
            emit(json ? jsonLine(report) : textLine(report))
        }
        let (cursors, damagedCount) = try inspection.cursors()
        for (sink, cursor, written) in cursors {
            emit(json ? jsonLine(sink, cursor, written) : textLine(sink, cursor, written))
        }
        if damagedCount > 0 { talk("\(damagedCount) entries of the cursors cannot be read") }
        return .ok
    }

    private static func textLine(_ report: SegmentReport) -> String {
        let created = report.created?.text ?? "no whole header"
        var line = "segment \(hexadecimal(report.number))  \(created)  \(report.byteCount) bytes  "
        line += "\(report.frameCount) frames  \(report.eventCount) events"
        for range in report.streams { line += "  \(range.stream) \(range.first)..\(range.last)" }
        if let keyID = report.keyID { line += "  key \(EncryptionKey.name(of: keyID))" }
        if report.gapByteCount > 0 { line += "  \(report.gapByteCount) bytes repaired" }
        if !report.damage.isEmpty { line += "  \(report.damage.count) damaged" }
        return line + "\n"
    }

    private static func textLine(
        _ sink: String, _ cursor: SinkCursor, _ written: Timestamp
    ) -> String {
        let totals = cursor.totals
        return "cursor \(sink)  \(written.text)  segment \(hexadecimal(cursor.place.segment)) "
            + "byte \(cursor.place.offset) event \(cursor.place.index)  offered "
            + "\(totals.offered)  delivered \(totals.delivered)  rejected \(totals.rejected)  "
            + "filtered \(totals.filtered)  evicted \(totals.evicted)\n"
    }

    private static func jsonLine(_ report: SegmentReport) -> String {
        line { segment in
            segment.member("segment", report.number)
            segment.member("bytes", report.byteCount)
            segment.member("used_bytes", report.usedByteCount)
            segment.member("frames", report.frameCount)
            segment.member("events", report.eventCount)
            if let created = report.created { segment.member("created", created) }
            if let keyID = report.keyID { segment.member("key", EncryptionKey.name(of: keyID)) }
            segment.array("streams") { streams in
                for range in report.streams {
                    streams.object { stream in
                        stream.member("stream", range.stream)
                        stream.member("first", range.first)
                        stream.member("last", range.last)
                    }
                }
            }
            segment.array("damage") { ranges in
                for damage in report.damage {
                    ranges.object { range in
                        range.member("offset", damage.offset)
                        range.member("bytes", damage.byteCount)
                        if let count = damage.eventCount { range.member("events", count) }
                        range.member("tail", damage.isTornTail)
                    }
                }
            }
            segment.member("problems", report.problems)
        }
    }

    private static func jsonLine(
        _ sink: String, _ cursor: SinkCursor, _ written: Timestamp
    ) -> String {
        line { line in
            line.member("cursor", sink)
            line.member("written", written)
            line.member("segment", cursor.place.segment)
            line.member("offset", cursor.place.offset)
            line.member("event", Int(cursor.place.index))
            line.member("offered", cursor.totals.offered)
            line.member("delivered", cursor.totals.delivered)
            line.member("rejected", cursor.totals.rejected)
            line.member("filtered", cursor.totals.filtered)
            line.member("evicted", cursor.totals.evicted)
        }
    }

    private static func line(_ members: (inout JSONWriter) -> Void) -> String {
        var document = JSONWriter()
        document.object(nil, members)
        return String(decoding: document.makeArray(), as: UTF8.self) + "\n"
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    // MARK: dump

    private static func dump(
        _ inspection: inout LedgerInspection, sink: String?
    ) throws(LedgerError) -> ExitCode {
        var isWhole = true
        var lines = LineWriter()
        for number in inspection.segments {
            let report = try look(&inspection, number, checking: false) { batch in
                lines.write(batch, sink: sink)
                return true
            }
            guard let report else { continue }
            if !describe(report, isNewest: number == inspection.segments.last).isEmpty {
                isWhole = false
            }
        }
        lines.flush()
        return isWhole ? .ok : .badData
    }

    // MARK: verify

    private static func verify(
        _ inspection: inout LedgerInspection, json: Bool
    ) throws(LedgerError) -> ExitCode {
        var problemCount = 0
        var eventCount = 0
        for number in inspection.segments {
            guard let report = try look(&inspection, number, checking: true) else { continue }
            eventCount += report.eventCount
            let sentences = describe(report, isNewest: number == inspection.segments.last)
            problemCount += sentences.count
            if json {
                emit(jsonLine(report))
            } else {
                for sentence in sentences {
                    emit("segment \(hexadecimal(number)): \(sentence)\n")
                }
            }
        }
        let (_, damagedCount) = try inspection.cursors()
        if damagedCount > 0 {
            problemCount += damagedCount
            talk("\(damagedCount) entries of the cursors cannot be read")
        }
        let count = inspection.segments.count
        talk("\(count) segments, \(eventCount) events, \(problemCount) problems")
        return problemCount == 0 ? .ok : .badData
    }

    /// What is wrong with a segment, in sentences.
    ///
    /// An unfinished frame at the end of the newest one is what an agent leaves that is writing.
    private static func describe(_ report: SegmentReport, isNewest: Bool) -> [String] {
        var sentences = report.problems
        // A start cuts a segment whose header was torn down to nothing.
        if report.created == nil, report.byteCount > 0 {
            sentences.append("there is no whole header")
        }
        for damage in report.damage where !(damage.isTornTail && isNewest) {
            let events = damage.eventCount.map { ", with \($0) events" } ?? ""
            sentences.append(
                "byte \(damage.offset): \(damage.byteCount) bytes are damaged\(events)")
        }
        return sentences
    }

    /// Looks at a segment; nil when the running agent has deleted it meanwhile.
    private static func look(
        _ inspection: inout LedgerInspection, _ number: UInt64, checking: Bool,
        _ visit: (SealedBatch) -> Bool = { _ in true }
    ) throws(LedgerError) -> SegmentReport? {
        do {
            return try inspection.inspect(number, checking: checking, visit)
        } catch {
            if case .system(let cause) = error, cause.isNotFound { return nil }
            throw error
        }
    }
}

/// Writes sealed lines to standard output, many at a time.
private struct LineWriter: ~Copyable {
    private static let blockByteCount = 256 << 10

    private var output = ByteWriter(capacity: blockByteCount * 2)
    private var integrity = IntegrityWriter()

    /// Writes the events of a batch, or those of them that go to one sink.
    mutating func write(_ batch: SealedBatch, sink: String?) {
        var mask = UInt64.max
        if let sink {
            guard let bit = batch.sinks.firstIndex(of: sink) else { return }
            mask = 1 << UInt64(bit)
        }
        for (index, event) in batch.events.enumerated() {
            guard sink == nil || event.sinkBits & mask != 0 else { continue }
            let range = batch.bodyRange(index)
            guard range.count > 1 else { continue }
            output.append(batch.bodies, range.lowerBound..<range.upperBound - 1)
            output.append(",\"integrity\":")
            integrity.append(batch, event: index, to: &output)
            output.append("}\n")
            if output.count >= LineWriter.blockByteCount { flush() }
        }
    }

    mutating func flush() {
        emit(output.makeString())
        output.removeAll()
    }
}
