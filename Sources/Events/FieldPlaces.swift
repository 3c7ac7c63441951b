// SPDX-License-Identifier: Apache-2.0

/// Where the value of one field stands in its body: raw JSON, quotes included.
public struct FieldPlace: Sendable, Equatable {
    /// Which field.
    public let field: Field
    /// Where the value begins in the body.
    public let start: UInt16
    /// Behind its last byte.
    public let end: UInt16

    /// Names a place.
    @inline(__always)
    init(_ field: Field, _ start: UInt16, _ end: UInt16) {
        self.field = field
        self.start = start
        self.end = end
    }
}

/// Where the values of some bodies stand, taken down while they are written.
///
/// It spares a sink that follows closely a walk over what was just written. It is no part of what
/// is signed or stored: a batch that is read back from the disk comes without.
public struct FieldPlaces: Sendable {
    /// The places of all events, each event's in the order of `Field`.
    public private(set) var places: [FieldPlace] = []
    // Behind the last place of each event.
    private var ends: [Int] = []

    /// Knows no event.
    public init() {}

    /// Of how many events the places are known.
    public var eventCount: Int { ends.count }

    /// The places of an event; empty when they are not known.
    @inline(__always)
    public func range(of event: Int) -> Range<Int> {
        guard event < ends.count else { return 0..<0 }
        return (event == 0 ? 0 : ends[event - 1])..<ends[event]
    }

    /// Forgets everything; the room stays.
    mutating func removeAll() {
        places.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    /// Adds a value of the event that is being written; both places count from its body's start.
    @inline(__always)
    mutating func add(_ field: Field, _ start: Int, _ end: Int) {
        places.append(
            FieldPlace(
                field, UInt16(truncatingIfNeeded: start), UInt16(truncatingIfNeeded: end)))
    }

    /// Forgets the event that is being written.
    mutating func restartEvent() {
        places.removeSubrange((ends.last ?? 0)...)
    }

    /// Ends the event that was being written.
    mutating func endEvent(byteCount: Int) {
        // What does not fit the two bytes of a place is left to be looked for.
        if byteCount > Int(UInt16.max) { restartEvent() }
        ends.append(places.count)
    }

    /// The places of batches that follow one another, each with the number of its events.
    ///
    /// They are known of all events or of none: one batch without leaves the whole without.
    public static func joined(_ batches: [(places: FieldPlaces, eventCount: Int)]) -> FieldPlaces {
        guard batches.allSatisfy({ $0.places.eventCount == $0.eventCount }) else {
            return FieldPlaces()
        }
        if batches.count == 1 { return batches[0].places }
        var result = FieldPlaces()
        result.places.reserveCapacity(batches.reduce(0) { $0 + $1.places.places.count })
        result.ends.reserveCapacity(batches.reduce(0) { $0 + $1.eventCount })
        for (more, _) in batches {
            let base = result.places.count
            result.places += more.places
            for end in more.ends { result.ends.append(base + end) }
        }
        return result
    }
}
