// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

private let path = "ledger/0000000000000001.seg"

/// A segment as a writer leaves it: header, batches, and zeros behind them.
struct SampleSegment {
    var bytes: [UInt8]
    var batches: [SealedBatch] = []
    /// Where each frame ends, the header first.
    var ends: [Int]
    let written: Int

    init(seed: UInt64, eventCounts: [Int], zeros: Int = 300) {
        var maker = BatchMaker(seed: seed)
        var output = ByteWriter()
        SegmentSnapshot(
            created: Timestamp(microseconds: 1), stream: "", nextSequence: 0, head: .zero,
            positions: []
        ).encode(segment: 1, into: &output)
        bytes = output.makeArray()
        ends = [bytes.count]
        for (index, count) in eventCounts.enumerated() {
            let batch = maker.make(count: count, bodyByteLimit: 8, offset: UInt64(index))
            batches.append(batch)
            bytes += frameBytes(batch)
            ends.append(bytes.count)
        }
        written = bytes.count
        bytes += [UInt8](repeating: 0, count: zeros)
    }
}

/// What is found in the bytes of segment 1: first numbers of batches, and damaged ranges.
private func walk(
    _ bytes: [UInt8]
) throws -> (firsts: [UInt64], damage: [Range<Int>], tail: Range<Int>?, otherVersion: Bool) {
    let disk = MemoryDisk()
    disk[path] = bytes
    let reader = SegmentReader(file: try disk.open(path, isWritable: false), number: 1)
    var firsts: [UInt64] = []
    var damage: [Range<Int>] = []
    var offset = 0
    // Each step moves on by at least one byte.
    for _ in 0...bytes.count {
        switch try reader.step(at: offset, limit: bytes.count) {
        case .frame(let header, _):
            if header.type == .batch { firsts.append(header.first) }
            offset += header.frameByteCount
        case .otherVersion: return (firsts, damage, nil, true)
        case .damage(let range, _):
            #expect(range.lowerBound == offset && range.upperBound > offset)
            damage.append(range)
            offset = range.upperBound
        case .tail(let range, _): return (firsts, damage, range, false)
        case .end: return (firsts, damage, nil, false)
        }
    }
    Issue.record("the walk does not end")
    return (firsts, damage, nil, false)
}

struct SegmentReaderTests {
    @Test func aCutAtEveryByteLeavesExactlyTheWholeFrames() throws {
        let sample = SampleSegment(seed: 1, eventCounts: [1, 2, 1])
        for cut in 0...sample.written {
            for isZeroed in [false, true] {
                var bytes = Array(sample.bytes.prefix(cut))
                if isZeroed {
                    bytes += [UInt8](repeating: 0, count: sample.bytes.count - cut)
                }
                let found = try walk(bytes)
                // A frame whose last bytes are zeros is whole although they were cut.
                let ends = sample.ends.filter { end in
                    end <= cut || isZeroed && sample.bytes[cut..<end].allSatisfy { $0 == 0 }
                }
                let expected = sample.batches.prefix(max(0, ends.count - 1))
                #expect(found.firsts == expected.map(\.firstSequence), "cut at \(cut)")
                #expect(found.damage.isEmpty)
                let start = ends.last ?? 0
                let hasRest = start < cut && sample.bytes[start..<cut].contains { $0 != 0 }
                #expect((found.tail != nil) == hasRest)
                if let tail = found.tail { #expect(tail.lowerBound == start) }
            }
        }
    }

    @Test func aFlippedByteCostsAtMostItsFrame() throws {
        let sample = SampleSegment(seed: 2, eventCounts: [1, 2, 1, 1])
        let all = sample.batches.map(\.firstSequence)
        for place in 0..<sample.written {
            for mask: UInt8 in [0x01, 0x80, 0xFF] {
                var bytes = sample.bytes
                bytes[place] ^= mask
                let found = try walk(bytes)
                let hit = sample.ends.firstIndex { place < $0 } ?? 0
                var expected = all
                if hit > 0 { expected.remove(at: hit - 1) }
                #expect(found.firsts == expected, "byte \(place)")
                #expect(!found.otherVersion)
                let isLast = hit == sample.ends.count - 1
                #expect(found.damage.count == (isLast ? 0 : 1) && (found.tail != nil) == isLast)
            }
        }
    }

    @Test func aZeroedPageInTheMiddleIsNoEnd() throws {
        let sample = SampleSegment(seed: 3, eventCounts: [40, 1, 40, 1])
        for start in stride(from: 0, to: sample.written - 512, by: 512) {
            var bytes = sample.bytes
            for place in start..<start + 512 { bytes[place] = 0 }
            let found = try walk(bytes)
            let untouched = zip(sample.batches, sample.ends.indices.dropFirst()).filter {
                sample.ends[$1] <= start || sample.ends[$1 - 1] >= start + 512
            }
            #expect(found.firsts == untouched.map { $0.0.firstSequence })
            #expect(!found.damage.isEmpty || found.tail != nil)
        }
    }

    @Test func anAbsurdLengthIsNeverUsed() throws {
        let sample = SampleSegment(seed: 4, eventCounts: [1, 1])
        var bytes = sample.bytes
        for index in 0..<4 { bytes[sample.ends[0] + 8 + index] = 0xFF }
        #expect(try walk(bytes).firsts == [1])
        // Even with a header checksum that is right.
        let checksum = CRC32C.checksum(
            bytes.span.extracting(sample.ends[0]..<sample.ends[0] + 60))
        for index in 0..<4 {
            bytes[sample.ends[0] + 60 + index] = UInt8(
                truncatingIfNeeded: checksum >> UInt32(index * 8))
        }
        let found = try walk(bytes)
        #expect(found.firsts == [1] && found.damage == [sample.ends[0]..<sample.ends[1]])
    }

    @Test func aFrameOfAnotherSegmentIsDamage() throws {
        var maker = BatchMaker(seed: 5)
        var sample = SampleSegment(seed: 5, eventCounts: [1], zeros: 0)
        let foreign = frameBytes(maker.make(count: 3), segment: 2)
        let last = frameBytes(maker.make(count: 1), segment: 1)
        let end = sample.bytes.count
        sample.bytes += foreign + last
        let found = try walk(sample.bytes)
        #expect(found.firsts == [0, 3])
        #expect(found.damage == [end..<end + foreign.count])
    }

    @Test func theNextFrameIsFoundAcrossWindows() throws {
        var maker = BatchMaker(seed: 6)
        for shift in [-64, -33, -1, 0, 1] {
            let rubbish = SegmentReader.windowByteCount + shift
            let frame = frameBytes(maker.make(count: 1))
            let bytes = [UInt8](repeating: 7, count: rubbish) + frame
            let found = try walk(bytes)
            #expect(found.firsts.count == 1 && found.damage == [0..<rubbish])
        }
    }

    @Test func anotherVersionIsNotTakenForDamage() throws {
        let sample = SampleSegment(seed: 7, eventCounts: [1, 1])
        var bytes = sample.bytes
        bytes[sample.ends[1] + 4] = 2
        let checksum = CRC32C.checksum(
            bytes.span.extracting(sample.ends[1]..<sample.ends[1] + 60))
        for index in 0..<4 {
            bytes[sample.ends[1] + 60 + index] = UInt8(
                truncatingIfNeeded: checksum >> UInt32(index * 8))
        }
        let found = try walk(bytes)
        #expect(found.otherVersion && found.firsts == [0])
    }
}
