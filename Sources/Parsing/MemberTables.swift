// SPDX-License-Identifier: Apache-2.0
import Platform

/// Finds the members of JSON documents that a declaration names, however their paths are split.
///
/// The path `a.b` is the member `a.b`, or the member `b` of the object `a`. A table is a state to
/// begin in; all tables share their memory, so that none has to be held while it is gone through.
struct MemberTables: Sendable {
    struct Entry: Sendable {
        var hash: UInt64
        var state: Int32
        var offset: Int32
        var count: Int32
        /// The value that the member gives, -1 for none.
        var slot: Int32 = -1
        /// The place of the path among those of the value: the first that has one counts.
        var rank: UInt8 = 0
        /// The list of further values that it gives, -1 for none.
        var more: Int32 = -1
        /// The state inside the member when it is an object, -1 when nothing in it is wanted.
        var inside: Int32 = -1
        /// What is wanted of the member's elements when it is an array, -1 for nothing.
        var array: Int32 = -1
    }

    /// A value that a path gives, and the place of the path among those of the value.
    struct Wanted: Sendable {
        var slot: Int32
        var rank: UInt8
    }

    /// What is wanted of an element: itself as a value, or members of it.
    struct Target: Sendable {
        var slot: Int32 = -1
        var rank: UInt8 = 0
        var inside: Int32 = -1
    }

    /// Elements that are told apart by the word that one of their members has.
    struct Group: Sendable {
        var key: JSONKey
        var words: [(text: String, value: Int)] = []
        var table = TextTable([])
        var targets: [Target] = []

        /// The target of an object by the word that its member has.
        // Inlined, because else the references to the group's arrays would be counted.
        @inline(__always)
        func target(
            _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ object: Int
        ) -> Target? {
            guard nodes[object].kind == .object else { return nil }
            let end = nodes[object].next
            var index = object + 1
            while index < end {
                let node = nodes[index]
                if node.keyHash == key.hash, node.kind == .string,
                    ByteSearch.equal(strings, node.keyRange, key.bytes.span)
                {
                    return table.find(strings, node.stringRange).map { targets[$0] }
                }
                index = node.next
            }
            return nil
        }
    }

    /// What is wanted of the elements of an array.
    struct ArrayPlan: Sendable {
        var indexed: [(index: Int, target: Target)] = []
        /// Of every element; each of these has one slot, which becomes a list.
        var all: [(wanted: Wanted, target: Target)] = []
        var groups: [Group] = []
    }

    private var arrays: [ArrayPlan] = []
    /// The values beside the first one that members give.
    private var moreSlots: [[Wanted]] = []
    private var roots: [Root] = []
    private var entries: [Entry] = []
    private var places: [Int32] = []
    private var mask = 0
    private var bytes: [UInt8] = []
    private var stateCount = 0

    /// Where a document begins.
    struct Root: Sendable {
        /// The state of one that is an object.
        var state: Int32
        /// What is wanted of one that is an array, -1 for nothing.
        var array: Int32 = -1
    }

    /// Adds a table and answers with its number.
    mutating func append(_ paths: [(path: MemberPath, slot: Int, rank: Int)]) -> Int {
        var root = Root(state: newState())
        let firstArray = arrays.count
        for (path, slot, rank) in paths {
            let wanted = Wanted(slot: Int32(slot), rank: UInt8(clamping: rank))
            guard case .name = path.elements.first else {
                if root.array < 0 {
                    root.array = Int32(arrays.count)
                    arrays.append(ArrayPlan())
                }
                insert(selector: path.elements[...], array: Int(root.array), wanted)
                continue
            }
            insert(path.elements[...], state: root.state, wanted)
        }
        roots.append(root)
        for array in firstArray..<arrays.count {
            for group in arrays[array].groups.indices {
                arrays[array].groups[group].table = TextTable(
                    arrays[array].groups[group].words)
            }
        }
        var size = 8
        while size < entries.count * 4 { size *= 2 }
        mask = size - 1
        places = Array(repeating: -1, count: size)
        for (index, entry) in entries.enumerated() {
            var place = MemberTables.place(entry.hash, entry.state) & mask
            while places[place] >= 0 { place = (place + 1) & mask }
            places[place] = Int32(index)
        }
        return roots.count - 1
    }

    private mutating func insert(
        _ elements: ArraySlice<MemberPath.Element>, state: Int32, _ wanted: Wanted
    ) {
        var names: [String] = []
        for element in elements {
            guard case .name(let name) = element else { break }
            names.append(name)
        }
        for cut in stride(from: 1, through: names.count, by: 1) {
            let index = entry(names.prefix(cut).joined(separator: "."), state)
            let rest = elements.dropFirst(cut)
            if rest.isEmpty {
                give(wanted, to: index)
            } else if cut == names.count {
                if entries[index].array < 0 {
                    entries[index].array = Int32(arrays.count)
                    arrays.append(ArrayPlan())
                }
                insert(selector: rest, array: Int(entries[index].array), wanted)
            } else {
                if entries[index].inside < 0 { entries[index].inside = newState() }
                insert(rest, state: entries[index].inside, wanted)
            }
        }
    }

    /// Lets an entry fill one more value.
    private mutating func give(_ wanted: Wanted, to index: Int) {
        if entries[index].slot < 0 {
            (entries[index].slot, entries[index].rank) = (wanted.slot, wanted.rank)
        } else if entries[index].more < 0 {
            entries[index].more = Int32(moreSlots.count)
            moreSlots.append([wanted])
        } else {
            moreSlots[Int(entries[index].more)].append(wanted)
        }
    }

    private mutating func newState() -> Int32 {
        defer { stateCount += 1 }
        return Int32(stateCount)
    }

    /// The index of the entry of a key, made when there is none.
    private mutating func entry(_ key: String, _ state: Int32) -> Int {
        let utf8 = Array(key.utf8)
        let found = entries.firstIndex { entry in
            entry.state == state
                && Array(bytes[Int(entry.offset)..<Int(entry.offset + entry.count)]) == utf8
        }
        if let found { return found }
        entries.append(
            Entry(
                hash: JSONKey(key).hash, state: state, offset: Int32(bytes.count),
                count: Int32(utf8.count)))
        bytes += utf8
        return entries.count - 1
    }

    // MARK: Arrays

    private mutating func insert(
        selector elements: ArraySlice<MemberPath.Element>, array: Int, _ wanted: Wanted
    ) {
        let rest = elements.dropFirst()
        switch elements.first {
        case .index(let position):
            let plan = arrays[array]
            let known = plan.indexed.firstIndex { $0.index == position }
            let target = complete(
                known.map { plan.indexed[$0].target } ?? Target(), rest, wanted)
            if let known {
                arrays[array].indexed[known].target = target
            } else {
                arrays[array].indexed.append((position, target))
            }
        case .all:
            let target = complete(Target(), rest, wanted)
            arrays[array].all.append((wanted, target))
        case .having(let key, let words):
            insert(key: JSONKey(key), words, rest, array, wanted)
        case .name, nil: bug("a path without a bracket where one was seen")
        }
    }

    private mutating func insert(
        key: JSONKey, _ words: [String], _ rest: ArraySlice<MemberPath.Element>, _ array: Int,
        _ wanted: Wanted
    ) {
        let known = arrays[array].groups.firstIndex { $0.key == key }
        let place = known ?? arrays[array].groups.count
        if known == nil { arrays[array].groups.append(Group(key: key)) }
        for word in words {
            let group = arrays[array].groups[place]
            if let found = group.words.first(where: { $0.text == word }) {
                let target = complete(group.targets[found.value], rest, wanted)
                arrays[array].groups[place].targets[found.value] = target
            } else {
                let target = complete(Target(), rest, wanted)
                arrays[array].groups[place].words.append((word, group.targets.count))
                arrays[array].groups[place].targets.append(target)
            }
        }
    }

    /// The target with what stands behind the bracket added.
    private mutating func complete(
        _ target: Target, _ rest: ArraySlice<MemberPath.Element>, _ wanted: Wanted
    ) -> Target {
        var target = target
        if rest.isEmpty {
            if target.slot < 0 { (target.slot, target.rank) = (wanted.slot, wanted.rank) }
            return target
        }
        if target.inside < 0 { target.inside = newState() }
        insert(rest, state: target.inside, wanted)
        return target
    }

    // MARK: Looking up

    @inline(__always)
    private static func place(_ hash: UInt64, _ state: Int32) -> Int {
        Int(truncatingIfNeeded: hash ^ (hash >> 32) &+ UInt64(state) &* 0x9E37_79B9)
            & 0x7FFF_FFFF
    }

    /// Where documents of a table begin.
    @inline(__always)
    func root(_ table: Int) -> Root { roots[table] }

    /// How many values the elements of an array are wanted for, of each kind.
    @inline(__always)
    func counts(_ array: Int32) -> (all: Int, indexed: Int, groups: Int) {
        let index = Int(array)
        return (arrays[index].all.count, arrays[index].indexed.count, arrays[index].groups.count)
    }

    /// A target of every element, with the value that becomes a list.
    @inline(__always)
    func target(all number: Int, _ array: Int32) -> (wanted: Wanted, target: Target) {
        arrays[Int(array)].all[number]
    }

    /// A target of the element at some index.
    @inline(__always)
    func target(indexed number: Int, _ array: Int32) -> (index: Int, target: Target) {
        arrays[Int(array)].indexed[number]
    }

    /// The target of the element that has one of the words of a group in its member.
    func target(
        group number: Int, _ array: Int32, _ nodes: Span<JSONNode>, _ strings: Span<UInt8>,
        _ object: Int
    ) -> Target? {
        arrays[Int(array)].groups[number].target(nodes, strings, object)
    }

    /// How many values a member gives beside the first.
    @inline(__always)
    func moreCount(_ list: Int32) -> Int { moreSlots[Int(list)].count }

    /// One of the values that a member gives beside the first.
    @inline(__always)
    func moreSlot(_ list: Int32, _ number: Int) -> Wanted { moreSlots[Int(list)][number] }

    /// The entry of a member in an object that is in a state.
    @inline(__always)
    func find(_ hash: UInt64, _ state: Int32, _ strings: Span<UInt8>, _ key: Range<Int>) -> Entry? {
        var place = MemberTables.place(hash, state) & mask
        while places[place] >= 0 {
            let entry = entries[Int(places[place])]
            if entry.hash == hash, entry.state == state, Int(entry.count) == key.count {
                let start = Int(entry.offset)
                if ByteSearch.equal(
                    strings, key, bytes.span.extracting(start..<start + key.count))
                {
                    return entry
                }
            }
            place = (place + 1) & mask
        }
        return nil
    }
}
