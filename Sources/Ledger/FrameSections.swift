// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The parts of a payload, docs/formats/frame.md §4.
struct FrameSections {
    /// The known tags.
    enum Tag: UInt8, CaseIterable {
        case stream = 1
        case sinks = 2
        case events = 3
        case groups = 4
        case positions = 5
        case head = 6
        case bodies = 7
        case created = 8
        case salt = 9
        case counts = 10
        case forgotten = 11
    }

    static let version: UInt8 = 1
    static let headByteCount = 8

    // Indexed by tag, the first is unused.
    private var ranges = [Range<Int>?](repeating: nil, count: Tag.allCases.count + 1)

    /// Finds the sections of a payload.
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(FrameProblem) {
        var reader = ByteReader(range)
        while reader.remaining > 0 {
            let tag: UInt8 = try reader.number(bytes)
            let version: UInt8 = try reader.number(bytes)
            _ = try reader.take(2)
            let length: UInt32 = try reader.number(bytes)
            let content = try reader.take(Int(length))
            guard let known = Tag(rawValue: tag) else { continue }
            guard version == FrameSections.version else {
                throw .unsupported("section \(tag) has the version \(version)")
            }
            guard ranges[Int(known.rawValue)] == nil else {
                throw .damaged("section \(tag) is there twice")
            }
            ranges[Int(known.rawValue)] = content
        }
    }

    /// The content of a section; nil when the payload has none.
    func find(_ tag: Tag) -> Range<Int>? { ranges[Int(tag.rawValue)] }

    /// The content of a section that must be there.
    func require(_ tag: Tag) throws(FrameProblem) -> Range<Int> {
        guard let range = find(tag) else { throw .damaged("section \(tag.rawValue) is missing") }
        return range
    }

    /// Begins a section and answers where its length belongs.
    static func begin(_ tag: Tag, in output: inout ByteWriter) -> Int {
        output.append(tag.rawValue)
        output.append(version)
        output.append(littleEndian: UInt16(0))
        output.append(littleEndian: UInt32(0))
        return output.count
    }

    /// Ends the section that began at `start`.
    static func end(_ start: Int, in output: inout ByteWriter) {
        output.overwrite(littleEndian: UInt32(output.count - start), at: start - 4)
    }
}
