// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What became of the elements of the list that one record is or holds.
struct ElementFates {
    /// The element gave an event or more.
    static let parsed: Int32 = -1

    /// `parsed`, or the number of the reason for which the element was ignored.
    var list: [Int32] = []
    /// Elements that were not looked at, because the record had given events enough.
    var excessCount = 0
    /// Whether the format at hand has gone through a list.
    var isOfFormat = false

    /// True for nearly all records: they are no list.
    var isEmpty: Bool { list.isEmpty && excessCount == 0 }

    mutating func removeAll() {
        list.removeAll(keepingCapacity: true)
        excessCount = 0
    }
}

extension RecordParser {
    /// How deep lists of records may be nested.
    static let elementDepthLimit = 4
    /// The most events that one record gives, give or take those of its last element.
    ///
    /// A list of CloudTrail that fills the largest record that can be configured, 16 MiB, has
    /// about as many; a list of `{"a":1}` could make a hundred times its own size of memory.
    public static let eventCountLimit = 10_000

    /// Runs the rest of a format for each element; the record is matched when one of them is.
    mutating func runEach(
        _ list: (elements: [Int], isList: Bool), _ steps: Range<Int32>, _ kept: [Int32],
        _ subject: Subject, _ block: Span<UInt8>
    ) -> StepResult {
        guard elementDepth < RecordParser.elementDepthLimit else { return .failed }
        if elementDepth == 0 {
            fates.removeAll()
            fates.isOfFormat = true
        }
        let outer = (root, isTextRoot)
        elementDepth += 1
        defer {
            (root, isTextRoot) = outer
            elementDepth -= 1
        }
        let elements = list.elements
        var result = elements.isEmpty ? StepResult.ignored : .failed
        let unnamed = ignoredReason
        var reason = unnamed
        for (index, element) in elements.enumerated() {
            guard ordinal < RecordParser.eventCountLimit else {
                fates.excessCount += elements.count - index
                break
            }
            clearSlots(but: kept)
            (root, isTextRoot) = (element, outer.1)
            ignoredReason = unnamed
            switch runElement(steps, isCounted: list.isList, subject, block) {
            case .matched: result = .matched
            case .ignored: if case .failed = result { result = .ignored }
            case .failed: break
            }
            if ignoredReason != unnamed { reason = ignoredReason }
        }
        ignoredReason = reason
        return result
    }

    /// Runs the steps for one element and notes its fate, unless its own elements have theirs.
    private mutating func runElement(
        _ steps: Range<Int32>, isCounted: Bool, _ subject: Subject, _ block: Span<UInt8>
    ) -> StepResult {
        let (eventsBefore, fatesBefore) = (ordinal, fates.list.count)
        let wasLimitHit = effort.isLimitHit
        effort.isLimitHit = false
        beginElement()
        classes.removeAll(keepingCapacity: true)
        let result = runFormat(steps, subject, block)
        if isCounted, fates.list.count == fatesBefore {
            fates.list.append(ordinal > eventsBefore ? ElementFates.parsed : finalReason)
        }
        effort.isLimitHit = effort.isLimitHit || wasLimitHit
        return result
    }

    /// Adds the fates of a record's elements to the counts of its batch.
    mutating func settleElements() {
        for fate in fates.list {
            if fate == ElementFates.parsed {
                parsedElementCount += 1
            } else {
                elementReasonCounts[Int(fate)] += 1
            }
        }
        excessElementCount += fates.excessCount
        fates.removeAll()
    }

    /// What became of the elements of all lists of a batch.
    mutating func takeElementTally() -> ElementTally {
        var tally = ElementTally()
        tally.parsed = parsedElementCount
        for index in elementReasonCounts.indices where elementReasonCounts[index] > 0 {
            tally.ignored[reason(Int32(index))] = elementReasonCounts[index]
            elementReasonCounts[index] = 0
        }
        if excessElementCount > 0 {
            tally.dropped[RecordParser.excessReason] = excessElementCount
        }
        (parsedElementCount, excessElementCount) = (0, 0)
        return tally
    }
}
