// SPDX-License-Identifier: Apache-2.0
import Events

/// The newest position of everything that is read; those that moved last come last.
struct PositionTable {
    /// What must be equal for a later position to replace an earlier one.
    private struct Key: Hashable {
        let identity: Position.Identity

        init(_ identity: Position.Identity) {
            // Of a kind that this version does not know, only the key at its beginning counts.
            let key = identity.foreign.prefix(1 + Int(identity.foreign.first ?? 0))
            self.identity = Position.Identity(
                input: identity.input, tag: identity.tag, key: identity.key, foreign: Array(key))
        }
    }

    // Emptied slots are closed up when they are as many as the others.
    private var slots: [Position?] = []
    private var places: [Key: Int] = [:]

    /// How many there are.
    var count: Int { places.count }

    /// All of them.
    var positions: [Position] { slots.compactMap { $0 } }

    /// Replaces or adds positions; of two with one identity the later counts.
    mutating func merge(_ newer: [Position]) {
        for position in newer {
            let key = Key(position.identity)
            if let place = places[key] { slots[place] = nil }
            places[key] = slots.count
            slots.append(position)
        }
        closeUp()
    }

    /// Forgets positions of files that are gone for good.
    mutating func remove(_ gone: [Position.Identity]) {
        for identity in gone {
            guard let place = places.removeValue(forKey: Key(identity)) else { continue }
            slots[place] = nil
        }
        closeUp()
    }

    /// Keeps those that moved last, so many at most; says how many it left out.
    mutating func limit(to countLimit: Int) -> Int {
        let excess = count - countLimit
        guard excess > 0 else { return 0 }
        let kept = Array(positions.suffix(countLimit))
        slots = []
        places = [:]
        merge(kept)
        return excess
    }

    private mutating func closeUp() {
        guard slots.count > 2 * places.count + 64 else { return }
        slots = positions
        for (place, position) in slots.enumerated() {
            if let position { places[Key(position.identity)] = place }
        }
    }
}
