// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// A text of a document that holds a document of its own, in which something is wanted.
struct NestedDocument {
    var place: Range<Int>
    var inside: Int32
    var array: Int32
}

extension RecordParser {
    /// The most documents inside texts that one record may have.
    static let nestedDocumentLimit = 32

    // MARK: Reading

    /// True when the record is JSON; it is read once, whatever number of steps ask for it.
    mutating func readJSON(_ record: Record, _ block: Span<UInt8>) -> Bool {
        if jsonState == .unread {
            jsonState = parseJSON(record, block)
            (root, isTextRoot) = (0, false)
        }
        return jsonState != .none
    }

    private mutating func parseJSON(_ record: Record, _ block: Span<UInt8>) -> JSONState {
        var start = record.range.lowerBound
        let end = record.range.upperBound
        while start < end, block[start] <= 0x20 { start += 1 }
        guard start < end, block[start] == 0x7B || block[start] == 0x5B else { return .none }
        if reader.read(block, start..<end) { return .sound }
        // What begins with a bracket is as often a line of text as it is a list of objects.
        var first = start
        if block[start] == 0x5B { repeat { first += 1 } while first < end && block[first] <= 0x20 }
        guard first < end, block[first] == 0x7B, lenient.read(block, start..<end) else {
            return .none
        }
        let found = lenient.damages
        if found.contains(.invalidUTF8) { damage.insert(.invalidUTF8) }
        if found.contains(.truncated) { damage.insert(.truncated) }
        damage.insert(.repairedJSON)
        return .repaired
    }

    /// The tree that holds the root at hand.
    var tree: JSONTree {
        @inline(__always) get {
            if isTextRoot { return textReader.tree }
            return jsonState == .sound ? reader.tree : lenient.tree
        }
    }

    /// True when the root is an array whose elements are records of their own.
    var isRootArray: Bool {
        @inline(__always) get { tree.count > root && tree[root].kind == .array }
    }

    /// Fills the values that a table wants from the root; false when that is no object.
    mutating func fillFromRoot(_ table: Int) -> Bool {
        let tree = tree
        let root = root
        guard tree.count > root, tree[root].kind == .object else { return false }
        let state = program.members.root(table).state
        tree.withContents { nodes, strings in fill(nodes, strings, root, state) }
        fillNested()
        return true
    }

    /// Fills the values that a table wants from the JSON in a text.
    mutating func fillFromText(_ source: Slot, _ table: Int, _ block: Span<UInt8>) -> Bool {
        guard source.isText else { return false }
        copyToWork(source, block)
        guard let (tree, found) = readInner(work, 0..<work.count) else { return false }
        damage.formUnion(found)
        let begin = program.members.root(table)
        switch tree[0].kind {
        case .object:
            tree.withContents { nodes, strings in fill(nodes, strings, 0, begin.state) }
        case .array where begin.array >= 0:
            tree.withContents { nodes, strings in fillArray(nodes, strings, 0, begin.array) }
        default: return false
        }
        fillNested()
        return true
    }

    /// Reads a document that stands in a text, as far as it goes; nil for a text that is none.
    private func readInner(
        _ text: borrowing ByteWriter, _ range: Range<Int>
    ) -> (tree: JSONTree, damage: RecordDamage)? {
        if RecordParser.read(text, range, innerReader), innerReader.tree.count > 0 {
            return (innerReader.tree, [])
        }
        let isBegun = text.withBytes { bytes in
            guard let first = range.first(where: { bytes[$0] > 0x20 }) else { return false }
            return bytes[first] == 0x7B && innerLenient.read(bytes, range)
        }
        guard isBegun, innerLenient.tree.count > 1 else { return nil }
        let isCut = innerLenient.damages.contains(.truncated)
        return (innerLenient.tree, isCut ? [.repairedJSON, .truncated] : .repairedJSON)
    }

    // MARK: Members

    private mutating func fill(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ object: Int, _ state: Int32
    ) {
        let end = nodes[object].next
        var index = object + 1
        while index < end {
            let node = nodes[index]
            let found = program.members.find(node.keyHash, state, strings, node.keyRange)
            if let entry = found { take(nodes, strings, index, entry) }
            index = node.next
        }
    }

    @inline(__always)
    private mutating func take(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int,
        _ entry: MemberTables.Entry
    ) {
        let node = nodes[index]
        // The first of two counts with all that is in it.
        if node.isDuplicate, node.kind == .object || node.kind == .array {
            damage.insert(.duplicateKey)
            return
        }
        if node.kind == .object {
            if entry.inside >= 0 { fill(nodes, strings, index, entry.inside) }
            if entry.array >= 0 { fillArray(nodes, strings, index, entry.array) }
            return
        }
        if entry.inside >= 0 || entry.array >= 0 {
            if node.kind == .array, entry.array >= 0 {
                fillArray(nodes, strings, index, entry.array)
            } else if node.kind == .string {
                remember(strings, node.stringRange, entry)
            }
        }
        if entry.slot >= 0 { put(nodes, strings, index, Int(entry.slot), entry.rank) }
        if entry.more >= 0 {
            for number in 0..<program.members.moreCount(entry.more) {
                let wanted = program.members.moreSlot(entry.more, number)
                put(nodes, strings, index, Int(wanted.slot), wanted.rank)
            }
        }
    }

    private mutating func put(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int, _ number: Int,
        _ rank: UInt8
    ) {
        let node = nodes[index]
        // Several members may fill one name: that of the first path counts, wherever it stands.
        if slots[number].stamp == stamp {
            if node.isDuplicate {
                damage.insert(.duplicateKey)
                return
            }
            if slots[number].form != .nothing, slots[number].rank <= rank { return }
        }
        var slot = Slot(form: .nothing, rank: rank, stamp: stamp)
        switch node.kind {
        case .string, .bigNumber:
            let range = node.stringRange
            if range.isEmpty { break }
            if isNullWord(strings, range) { break }
            let start = scratch.count
            scratch.append(part: range, of: strings)
            slot = .text(.scratch, start, range.count, stamp: stamp)
        case .integer:
            slot.form = .integer
            slot.payload = UInt64(bitPattern: node.integer ?? 0)
        case .unsigned:
            let start = scratch.count
            scratch.append(decimal: node.unsigned ?? 0)
            slot = .text(.scratch, start, scratch.count - start, stamp: stamp)
        case .double:
            slot.form = .double
            slot.payload = (node.double ?? 0).bitPattern
        case .true, .false:
            slot.form = .boolean
            slot.payload = node.kind == .true ? 1 : 0
        case .array:
            let start = scratch.count
            appendElements(nodes, strings, index)
            slot = list(from: start)
        case .null, .object: break
        }
        // What has no value takes no other's place.
        if slot.form == .nothing, hasValue(Int32(number)) { return }
        slot.rank = rank
        slots[number] = slot
    }

    /// True for a text that the declaration calls no value.
    @inline(__always)
    func isNullWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        program.nullTable.findIndex(text, range) >= 0
    }

    private mutating func list(from start: Int) -> Slot {
        guard scratch.count > start else { return Slot(form: .nothing, stamp: stamp) }
        return .text(.list, start, scratch.count - start, stamp: stamp)
    }

    /// Appends the simple values of an array to the list at the end of the scratch.
    private mutating func appendElements(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int
    ) {
        let end = nodes[index].next
        var child = index + 1
        while child < end {
            append(nodes, strings, child)
            child = nodes[child].next
        }
    }

    /// Appends a simple value to the list at the end of the scratch.
    private mutating func append(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int
    ) {
        let node = nodes[index]
        switch node.kind {
        case .string, .bigNumber:
            let range = node.stringRange
            guard !range.isEmpty, !isNullWord(strings, range) else { return }
            scratch.append(littleEndian: UInt32(range.count))
            scratch.append(strings.extracting(range))
        case .integer:
            let place = scratch.count
            scratch.append(littleEndian: UInt32(0))
            scratch.append(decimal: node.integer ?? 0)
            scratch.overwrite(littleEndian: UInt32(scratch.count - place - 4), at: place)
        case .true, .false:
            let isTrue = node.kind == .true
            scratch.append(littleEndian: UInt32(isTrue ? 4 : 5))
            scratch.append(isTrue ? "true" : "false")
        case .object, .array, .unsigned, .double, .null: break
        }
    }

    // MARK: Arrays

    /// Takes what is wanted from the elements of an array; an object counts as its only element.
    private mutating func fillArray(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ array: Int, _ plan: Int32
    ) {
        let counts = program.members.counts(plan)
        for number in 0..<counts.all {
            let (wanted, target) = program.members.target(all: number, plan)
            let slot = Int(wanted.slot)
            if hasValue(wanted.slot), slots[slot].rank <= wanted.rank { continue }
            let start = scratch.count
            forEachElement(nodes, array) { parser, child, _ in
                parser.collect(nodes, strings, child, target)
            }
            var list = list(from: start)
            if list.form == .nothing, hasValue(wanted.slot) { continue }
            list.rank = wanted.rank
            slots[slot] = list
        }
        if counts.indexed == 0, counts.groups == 0 { return }
        forEachElement(nodes, array) { parser, child, position in
            for number in 0..<counts.indexed {
                let wanted = parser.program.members.target(indexed: number, plan)
                if wanted.index == position {
                    parser.take(nodes, strings, child, wanted.target)
                }
            }
            for number in 0..<counts.groups {
                let target = parser.program.members.target(
                    group: number, plan, nodes, strings, child)
                if let target { parser.take(nodes, strings, child, target) }
            }
        }
    }

    /// Calls `body` with each element of an array and its number.
    @inline(__always)
    private mutating func forEachElement(
        _ nodes: Span<JSONNode>, _ array: Int, _ body: (inout RecordParser, Int, Int) -> Void
    ) {
        guard nodes[array].kind == .array else { return body(&self, array, 0) }
        let end = nodes[array].next
        var child = array + 1
        var position = 0
        while child < end {
            let next = nodes[child].next
            body(&self, child, position)
            child = next
            position += 1
        }
    }

    private mutating func take(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int,
        _ target: MemberTables.Target
    ) {
        if nodes[index].kind == .object {
            if target.inside >= 0 { fill(nodes, strings, index, target.inside) }
        } else if target.slot >= 0 {
            put(nodes, strings, index, Int(target.slot), target.rank)
        }
    }

    /// Appends all values that a target has in an element to the list at the end of the scratch.
    private mutating func collect(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ index: Int,
        _ target: MemberTables.Target
    ) {
        if nodes[index].kind == .object {
            if target.inside >= 0 { collect(nodes, strings, index, target.inside) }
        } else if target.slot >= 0 {
            append(nodes, strings, index)
        }
    }

    private mutating func collect(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ object: Int, _ state: Int32
    ) {
        let end = nodes[object].next
        var index = object + 1
        while index < end {
            let node = nodes[index]
            let found = program.members.find(node.keyHash, state, strings, node.keyRange)
            if let entry = found {
                if node.kind == .object, entry.inside >= 0 {
                    collect(nodes, strings, index, entry.inside)
                } else if entry.array >= 0, node.kind == .array || node.kind == .object {
                    collectArray(nodes, strings, index, entry.array)
                } else if entry.slot >= 0 {
                    if node.kind == .array {
                        appendElements(nodes, strings, index)
                    } else {
                        append(nodes, strings, index)
                    }
                }
            }
            index = node.next
        }
    }

    private mutating func collectArray(
        _ nodes: Span<JSONNode>, _ strings: Span<UInt8>, _ array: Int, _ plan: Int32
    ) {
        let counts = program.members.counts(plan)
        forEachElement(nodes, array) { parser, child, position in
            for number in 0..<counts.all {
                let (_, target) = parser.program.members.target(all: number, plan)
                parser.collect(nodes, strings, child, target)
            }
            for number in 0..<counts.indexed {
                let wanted = parser.program.members.target(indexed: number, plan)
                if wanted.index == position {
                    parser.collect(nodes, strings, child, wanted.target)
                }
            }
            for number in 0..<counts.groups {
                let target = parser.program.members.target(
                    group: number, plan, nodes, strings, child)
                if let target { parser.collect(nodes, strings, child, target) }
            }
        }
    }

    // MARK: Documents in texts

    /// Keeps a text that looks like a document, to be read when the one at hand is done with.
    private mutating func remember(
        _ strings: Span<UInt8>, _ range: Range<Int>, _ entry: MemberTables.Entry
    ) {
        guard let first = range.first(where: { strings[$0] > 0x20 }),
            strings[first] == 0x7B || strings[first] == 0x5B,
            nested.count < RecordParser.nestedDocumentLimit
        else { return }
        if nested.isEmpty { nestedBytes.removeAll() }
        let start = nestedBytes.count
        nestedBytes.append(strings.extracting(range))
        nested.append(
            NestedDocument(
                place: start..<nestedBytes.count, inside: entry.inside, array: entry.array))
    }

    /// Fills values from the documents that were found in texts, and from those found in these.
    private mutating func fillNested() {
        guard !nested.isEmpty else { return }
        var number = 0
        while number < nested.count {
            let document = nested[number]
            number += 1
            guard RecordParser.read(nestedBytes, document.place, innerReader) else { continue }
            innerReader.tree.withContents { nodes, strings in
                guard nodes.count > 0 else { return }
                if nodes[0].kind == .object, document.inside >= 0 {
                    fill(nodes, strings, 0, document.inside)
                } else if document.array >= 0 {
                    fillArray(nodes, strings, 0, document.array)
                }
            }
        }
        nested.removeAll(keepingCapacity: true)
    }

    private static func read(
        _ text: borrowing ByteWriter, _ range: Range<Int>, _ reader: JSONReader
    ) -> Bool {
        text.withBytes { reader.read($0, range) }
    }

    // MARK: Roots

    /// Makes the first member that is an object, or a text with one, the root; if there is none,
    /// the root stays.
    mutating func unwrap(_ paths: [[JSONKey]]) {
        for path in paths {
            guard let index = node(at: path) else { continue }
            switch tree[index].kind {
            case .object:
                root = index
                return
            case .string where elementDepth == 0 || !isTextRoot:
                // A list that stands in a text is gone through in the tree of that text.
                other.removeAll()
                RecordParser.append(tree, index, to: &other)
                let whole = 0..<other.count
                guard RecordParser.read(other, whole, innerReader), innerReader.tree.count > 0,
                    innerReader.tree[0].kind == .object,
                    RecordParser.read(other, whole, textReader)
                else { continue }
                (root, isTextRoot) = (0, true)
                return
            default: continue
            }
        }
    }

    private static func append(
        _ tree: JSONTree, _ index: Int, to target: inout ByteWriter
    ) {
        tree.withString(of: index) { target.append($0) }
    }

    private mutating func node(at path: [JSONKey]) -> Int? {
        var index = root
        let tree = tree
        for key in path {
            guard index < tree.count, tree[index].kind == .object,
                let member = tree.member(key, of: index)
            else { return nil }
            index = member
        }
        return index
    }

    /// The elements to go through: of the first array at one of the paths, or the object there, or
    /// the root itself. Only an array is a list whose elements count.
    mutating func elements(_ paths: [[JSONKey]]) -> (elements: [Int], isList: Bool) {
        let tree = tree
        for path in paths {
            guard let index = node(at: path) else { continue }
            if tree[index].kind == .object { return ([index], false) }
            if tree[index].kind == .array { return (tree.children(of: index), true) }
        }
        return ([root], false)
    }
}
