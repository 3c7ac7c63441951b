// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Looks at whole streams once all events have been read, and says what is wrong with them.
struct StreamAudit {
    private var streams: [StreamHistory]
    private let sink: String?
    private let filter: SinkFilter?
    private let settlements: SinkSettlements
    private var report: VerificationReport
    private var byName: [String: Int] = [:]
    private var successors: [String: [Int]] = [:]

    init(
        streams: [StreamHistory], sink: String?, filter: SinkFilter?,
        settlements: SinkSettlements, report: VerificationReport
    ) {
        self.streams = streams.sorted { $0.name < $1.name }
        self.sink = sink
        self.filter = filter
        self.settlements = settlements
        self.report = report
        for (index, stream) in self.streams.enumerated() {
            byName[stream.name] = index
            if case .stream(let name, _, _) = stream.predecessor {
                successors[name, default: []].append(index)
            }
        }
    }

    mutating func run() -> VerificationReport {
        for index in streams.indices { streams[index].claims.sort() }
        for index in streams.indices where !streams[index].groups.isEmpty {
            streams[index].groups.sort { ($0.first, $0.count) < ($1.first, $1.count) }
            streams[index].leaves.sort { $0.sequence < $1.sequence }
            auditGroups(streams[index])
            auditCheckpoints(streams[index])
            auditEnd(streams[index])
            if let sink { auditSink(sink, streams[index]) }
            if streams[index].repeatCount > 0 {
                note(
                    .deliveredTwice, streams[index], streams[index].firstRepeat.map { $0...$0 },
                    "\(streams[index].repeatCount) events came again; the first is named")
            }
        }
        for index in streams.indices { auditPredecessor(streams[index]) }
        for name in successors.keys.sorted() { auditSuccessors(of: name) }
        return report
    }

    // MARK: Groups

    private mutating func auditGroups(_ stream: StreamHistory) {
        var next: UInt64?
        var heads: [(end: UInt64, statement: Digest)] = []
        var at = 0
        while at < stream.groups.count {
            let cluster = StreamAudit.cluster(stream.groups, from: at)
            let groups = stream.groups[cluster]
            let first = groups[at].first
            if let next {
                if first > next { auditGap(stream, next..<first) }
            } else if first > 0, !isClaimed(stream, 0..<first) {
                note(
                    .begins, stream, first...first,
                    "what came before is not here: retention, or a cut")
            }
            for group in groups { auditChain(stream, group, heads, after: next) }
            if groups.count > 1 {
                let range = first...(groups.map(\.end).max() ?? first + 1) - 1
                find(.fork, stream, range, "\(groups.count) groups overlap and differ")
            }
            auditMissing(stream, groups)
            next = groups.map(\.end).max()
            heads = groups.map { ($0.end, $0.statement) }
            at = cluster.upperBound
        }
    }

    /// The groups from `start` on that overlap one another; one group alone where nothing is wrong.
    private static func cluster(_ groups: [HistoryGroup], from start: Int) -> Range<Int> {
        var end = groups[start].end
        var at = start + 1
        while at < groups.count, groups[at].first < end {
            end = max(end, groups[at].end)
            at += 1
        }
        return start..<at
    }

    private mutating func auditChain(
        _ stream: StreamHistory, _ group: HistoryGroup,
        _ heads: [(end: UInt64, statement: Digest)], after next: UInt64?
    ) {
        if group.first == 0 {
            if group.previous != .zero {
                find(.chainBreak, stream, 0...0, "the first group names one before it")
            }
            return
        }
        let before = heads.filter { $0.end == group.first }
        guard !before.isEmpty, !before.contains(where: { $0.statement == group.previous }) else {
            return
        }
        find(
            .chainBreak, stream, group.first...group.first,
            "the group here does not follow the one before it")
    }

    private mutating func auditGap(_ stream: StreamHistory, _ range: Range<UInt64>) {
        for part in StreamAudit.runs(in: range, without: stream.claims) {
            let count = part.upperBound - part.lowerBound + 1
            if sink == nil {
                find(.gap, stream, part, "no group covers these \(count)")
            }
        }
    }

    private mutating func auditMissing(_ stream: StreamHistory, _ groups: ArraySlice<HistoryGroup>)
    {
        guard sink == nil else { return }
        if groups.count == 1, let group = groups.first {
            let all: UInt64 = group.count == 64 ? .max : 1 << UInt64(group.count) - 1
            if group.present == all { return }
        }
        // The groups of a cluster leave no number between them uncovered.
        guard let first = groups.first?.first, let end = groups.map(\.end).max() else { return }
        var present = Array(StreamAudit.part(of: stream.claims, in: first..<end))
        for group in groups {
            for bit in 0..<UInt64(group.count) where group.present >> bit & 1 == 1 {
                present.append(group.first + bit)
            }
        }
        present.sort()
        for part in StreamAudit.runs(in: first..<end, without: present) {
            let count = part.upperBound - part.lowerBound + 1
            find(.missing, stream, part, "\(count) of a group that is present")
        }
    }

    /// The runs of a range that are left when some numbers, in order, are taken out.
    private static func runs(
        in range: Range<UInt64>, without taken: [UInt64]
    ) -> [ClosedRange<UInt64>] {
        var result: [ClosedRange<UInt64>] = []
        var start = range.lowerBound
        // Ranges may be astronomically long, so the numbers taken out are walked, not the range.
        for number in part(of: taken, in: range) where number >= start {
            if number > start { result.append(start...number - 1) }
            start = number + 1
        }
        if start < range.upperBound { result.append(start...range.upperBound - 1) }
        return result
    }

    /// The part of some numbers in order that lies in a range.
    private static func part(of numbers: [UInt64], in range: Range<UInt64>) -> ArraySlice<UInt64> {
        func place(of bound: UInt64) -> Int {
            var low = 0
            var high = numbers.count
            while low < high {
                let middle = (low + high) / 2
                if numbers[middle] < bound { low = middle + 1 } else { high = middle }
            }
            return low
        }
        return numbers[place(of: range.lowerBound)..<place(of: range.upperBound)]
    }

    private func isClaimed(_ stream: StreamHistory, _ range: Range<UInt64>) -> Bool {
        StreamAudit.runs(in: range, without: stream.claims).isEmpty
    }

    // MARK: Checkpoints

    private mutating func auditCheckpoints(_ stream: StreamHistory) {
        let checkpoints = stream.checkpoints.sorted { $0.size < $1.size }
        var tree = CompactRange()
        var at = 0
        var isWhole = true
        var uncomparedCount = 0
        for checkpoint in checkpoints {
            while isWhole, tree.count < checkpoint.size {
                isWhole = extend(&tree, stream.leaves, &at)
            }
            guard isWhole, tree.count == checkpoint.size else {
                uncomparedCount += 1
                continue
            }
            report.comparedRootCount += 1
            if tree.root != checkpoint.root {
                find(
                    .badCheckpoint, stream, checkpoint.size...checkpoint.size,
                    "the root does not match the events below it")
            }
        }
        if uncomparedCount > 0 {
            note(
                .notCompared, stream, nil,
                "\(uncomparedCount) roots of checkpoints, because events below them are absent")
        }
        guard let last = stream.leaves.last?.sequence else { return }
        let newest = stream.checkpoints.map(\.size).max()
        if newest.map({ $0 < last }) ?? true {
            let first = newest.map { $0 + 1 } ?? stream.leaves[0].sequence
            note(
                .unproven, stream, first...last,
                "above the newest checkpoint, so nobody can tell whether more followed")
        }
    }

    /// Appends the next leaf; false when it is absent or there are two of them.
    private func extend(
        _ tree: inout CompactRange, _ leaves: [StreamHistory.Leaf], _ at: inout Int
    ) -> Bool {
        guard at < leaves.count, leaves[at].sequence == tree.count else { return false }
        let hash = leaves[at].hash
        while at < leaves.count, leaves[at].sequence == tree.count {
            if leaves[at].hash != hash { return false }
            at += 1
        }
        tree.append(hash)
        return true
    }

    // MARK: Ends

    /// A stream without its orderly end is a note also where a successor exists.
    ///
    /// A kill or a power cut leaves exactly that and says nothing about tampering: what matters is
    /// whether the successor knows of more events than are here, and that is *missing tail*. As a
    /// finding it would make every crash look like an attack.
    private mutating func auditEnd(_ stream: StreamHistory) {
        guard !isClosed(stream) else { return }
        note(
            .open, stream, stream.leaves.last.map { $0.sequence...$0.sequence },
            successors[stream.name] == nil
                ? "does not end in AgentStopped and CheckpointSigned: it goes on, or was cut"
                : "does not end in AgentStopped and CheckpointSigned: the agent was killed")
    }

    private func isClosed(_ stream: StreamHistory) -> Bool {
        guard let last = stream.leaves.last?.sequence, last > 0 else { return false }
        return stream.checkpointNumbers.contains(last) && stream.stopNumbers.contains(last - 1)
    }

    private mutating func auditPredecessor(_ stream: StreamHistory) {
        guard let predecessor = stream.predecessor else { return }
        guard case .stream(let name, let size, let head) = predecessor else {
            if predecessor == .lost {
                note(
                    .predecessorLost, stream, 0...0,
                    "the ledger was gone when this stream began")
            }
            return
        }
        guard let index = byName[name] else {
            find(
                .missingStream, nil, nil,
                "\(name), the predecessor of \(stream.name), is not here")
            return
        }
        let before = streams[index]
        let last = max(
            before.groups.map(\.end).max() ?? 0, before.claims.last.map { $0 &+ 1 } ?? 0)
        if last < size {
            let range = last...size - 1
            if sink == nil {
                find(.missingTail, before, range, "\(stream.name) states that there were more")
            } else {
                note(
                    .unsettled, before, range,
                    "\(stream.name) states that there were more; the filter may have them")
            }
            return
        }
        let isOther = before.groups.contains {
            $0.end == size && $0.statement != head || $0.first < size && size < $0.end
        }
        if isOther, size > 0 {
            find(
                .fork, before, size - 1...size - 1,
                "\(stream.name) states that another statement stood here")
        }
        if last > size {
            note(
                .deliveredThenLost, before, size...last - 1,
                "\(stream.name) does not know them: a crash or a restored snapshot; "
                    + "events that were read again may be missing from it under their new numbers")
        }
    }

    private mutating func auditSuccessors(of name: String) {
        guard let list = successors[name], list.count > 1 else { return }
        let names = list.map { streams[$0].name }.joined(separator: " and ")
        find(.fork, nil, nil, "\(name) has two successors, \(names): the agent was cloned")
    }

    // MARK: One sink's copy

    private mutating func auditSink(_ sink: String, _ stream: StreamHistory) {
        guard let newest = stream.checkpoints.max(by: { $0.size < $1.size }) else {
            note(.unsettled, stream, nil, "there is no checkpoint to compare with")
            return
        }
        let stated = SinkSettlements.filter(newest.filtered, of: sink)
        if let filter { auditFilter(filter, stated?.digest, stream) }
        let size = newest.size
        var present = Set(StreamAudit.part(of: stream.claims, in: 0..<size))
        for leaf in stream.leaves where leaf.sequence < size { present.insert(leaf.sequence) }
        let absent = size - UInt64(present.count)
        let filtered = stated?.count ?? 0
        let rejected = settlements.rejected(in: stream.epoch)
        let lost = settlements.lost(in: stream.epoch)
        let (sum, isOver) = filtered.addingReportingOverflow(rejected &+ lost)
        let account =
            "\(absent) of \(size) are absent; "
            + "\(filtered) filtered, \(rejected) rejected, \(lost) lost"
        guard !isOver, absent != sum else {
            if absent > 0 { note(.accounted, stream, nil, account) }
            return
        }
        if absent < sum, absent >= filtered &+ lost {
            let late = sum - absent
            note(.accounted, stream, nil, "\(account): \(late) of the rejected were sent again")
        } else if absent < sum {
            find(.inconsistency, stream, nil, "\(account): fewer than accounted for")
        } else if isSettled(stream) {
            find(.deleted, stream, nil, "\(account): \(absent - sum) were deleted")
        } else {
            note(
                .unsettled, stream, nil,
                "\(account): \(absent - sum) more, which the next stream may account for")
        }
    }

    /// Names what the sink should not have, if it is the filter that the stream was sealed with.
    private mutating func auditFilter(
        _ filter: SinkFilter, _ stated: String?, _ stream: StreamHistory
    ) {
        guard stated == filter.digest else {
            let other = stated.map { "another filter, \($0)" } ?? "no filter"
            return note(
                .notCompared, stream, nil,
                "\(filter.sink) had \(other), when it was sealed, not \(filter.digest)")
        }
        for event in stream.leftOut {
            report.find(
                VerificationRemark(
                    .foreign, stream: stream.name, range: event.sequence...event.sequence,
                    file: event.file, line: event.line,
                    "the filter of \(filter.sink) leaves it out"))
        }
    }

    /// True when the successor's first checkpoint is here, which states what was outstanding.
    private func isSettled(_ stream: StreamHistory) -> Bool {
        successors[stream.name]?.contains { !streams[$0].checkpoints.isEmpty } ?? false
    }

    // MARK: Remarks

    private mutating func find(
        _ word: VerificationRemark.Word, _ stream: StreamHistory?, _ range: ClosedRange<UInt64>?,
        _ detail: String
    ) {
        report.find(VerificationRemark(word, stream: stream?.name, range: range, detail))
    }

    private mutating func note(
        _ word: VerificationRemark.Word, _ stream: StreamHistory, _ range: ClosedRange<UInt64>?,
        _ detail: String
    ) {
        report.note(VerificationRemark(word, stream: stream.name, range: range, detail))
    }
}
