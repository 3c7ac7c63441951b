// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Inputs

struct FileRecognitionTests {
    private func position(
        offset: UInt64 = 100, generation: UInt32 = 0, device: UInt64 = 1, key: UInt64 = 1,
        size: UInt64 = 100
    ) -> FilePosition {
        FilePosition(
            key: FileKey(high: key, low: 0), inode: 7, device: device, generation: generation,
            size: size, firstRecord: .zero, firstRecordByteCount: 10, tail: .zero, offset: offset,
            path: "/x/app.log")
    }

    private func decide(
        _ byteCount: UInt64, _ candidates: [(FilePosition, Bool, Bool)], device: UInt64 = 1,
        last: UInt32? = nil
    ) -> FileOrigin {
        FileRecognition.decide(
            byteCount: byteCount, device: device,
            candidates: candidates.map {
                FileRecognition.Candidate(position: $0.0, isSameHead: $0.1, isSameTail: $0.2)
            }, lastGeneration: last)
    }

    @Test func anUnknownInodeIsFresh() {
        #expect(decide(50, []) == .fresh(generation: 0))
    }

    @Test func theSameContentIsResumedAtItsOffset() {
        let known = position()
        #expect(decide(100, [(known, true, true)]) == .resumed(known))
        #expect(decide(500, [(known, true, true)]) == .resumed(known))
    }

    @Test func theDeviceNumberMayChange() {
        let known = position(device: 9)
        #expect(decide(100, [(known, true, true)], device: 1) == .resumed(known))
    }

    @Test func theDeviceNumberBreaksATie() {
        let here = position(generation: 0, device: 1, key: 1)
        let elsewhere = position(generation: 3, device: 2, key: 2)
        let both = [(here, true, true), (elsewhere, true, true)]
        #expect(decide(100, both, device: 1) == .resumed(here))
        #expect(decide(100, both, device: 2) == .resumed(elsewhere))
    }

    @Test func lessThanWasReadIsATruncation() {
        let known = position()
        #expect(
            decide(99, [(known, true, false)]) == .truncated(from: known, generation: 1))
        #expect(
            decide(0, [(known, false, false)]) == .truncated(from: known, generation: 1))
    }

    @Test func otherBytesBeforeTheOffsetAreATruncation() {
        let known = position(generation: 4)
        #expect(
            decide(500, [(known, true, false)]) == .truncated(from: known, generation: 5))
    }

    @Test func anotherFirstRecordIsANewFileWithAKeyOfItsOwn() {
        let known = position(generation: 2)
        #expect(decide(500, [(known, false, true)]) == .fresh(generation: 3))
    }

    @Test func aNewContentIsNumberedAfterAllThatTheInodeHeld() {
        let old = position(generation: 1, key: 1)
        let newer = position(generation: 6, key: 2)
        #expect(
            decide(500, [(old, true, false), (newer, false, false)])
                == .truncated(from: old, generation: 7))
        #expect(decide(500, [], last: 8) == .fresh(generation: 9))
    }

    @Test func contentThatComesAgainAfterAnotherIsNew() {
        let old = position(generation: 0, key: 1)
        let later = position(generation: 1, key: 2)
        #expect(
            decide(100, [(old, true, true), (later, false, false)])
                == .truncated(from: old, generation: 2))
    }

    @Test func theLatestOfSeveralPositionsOfOneContentCounts() {
        let early = position(offset: 10, key: 1)
        let late = position(offset: 90, key: 1)
        #expect(decide(100, [(late, true, true), (early, true, true)]) == .resumed(late))
    }

    // MARK: Files that are followed

    private func change(
        old: UInt64, new: UInt64, offset: UInt64, examined: UInt64, modified: Bool = false
    ) -> FileChange {
        FileChange.decide(
            oldByteCount: old, byteCount: new, offset: offset, examined: examined,
            isModified: modified)
    }

    @Test func aFileThatDidNotChangeIsLeftAlone() {
        #expect(change(old: 10, new: 10, offset: 10, examined: 10) == .nothing)
        #expect(change(old: 15, new: 15, offset: 10, examined: 15) == .nothing)
    }

    @Test func newBytesAreRead() {
        #expect(change(old: 10, new: 11, offset: 10, examined: 10) == .readable)
        #expect(change(old: 10, new: 10, offset: 5, examined: 5) == .readable)
    }

    @Test func aSizeBelowTheOffsetIsATruncationAndWhatWasNotReadIsLost() {
        #expect(
            change(old: 30, new: 9, offset: 10, examined: 12) == .truncated(lostByteCount: 20))
        #expect(
            change(old: 10, new: 0, offset: 10, examined: 10) == .truncated(lostByteCount: 0))
    }

    @Test func theSameSizeWithANewTimeIsCheckedByItsBytes() {
        #expect(
            change(old: 10, new: 10, offset: 10, examined: 10, modified: true) == .readable)
    }

    @Test func aShrunkenUnfinishedLineIsLookedAtAgain() {
        #expect(change(old: 15, new: 12, offset: 10, examined: 15) == .cut)
    }

    @Test func aFileOfWhichNothingWasReadIsTruncatedWhenItShrinks() {
        #expect(
            change(old: 15, new: 0, offset: 0, examined: 15)
                == .truncated(lostByteCount: 15))
    }

    // MARK: Known files

    @Test func positionsOfOtherInputsAreNotTaken() {
        let known = KnownFiles(
            [
                Position(input: "a", place: .file(position(key: 1))),
                Position(input: "b", place: .file(position(key: 2))),
                Position(input: "a", place: .count(3)),
            ], input: "a")
        #expect(known[7].map(\.key) == [FileKey(high: 1, low: 0)])
        #expect(known.isKnown(path: "/x/app.log"))
    }

    @Test func aContentThatWasTruncatedAwayIsNotResumed() {
        var known = KnownFiles([], input: "a")
        known.remember(position(generation: 0, key: 1))
        known.remember(position(generation: 1, key: 2))
        known.end(position(generation: 1, key: 2))
        #expect(known[7] == [])
        #expect(known.lastGeneration(7) == 1)
    }

    @Test func aLaterPositionOfOneContentTakesThePlaceOfTheEarlier() {
        var known = KnownFiles([], input: "a")
        known.remember(position(offset: 1, key: 1))
        known.remember(position(offset: 2, key: 1))
        known.remember(position(offset: 3, generation: 4, key: 2))
        #expect(known[7].map(\.offset) == [2, 3])
        #expect(known.lastGeneration(7) == 4)
        #expect(known.lastGeneration(8) == nil)
    }
}
