// SPDX-License-Identifier: Apache-2.0

/// What was wrong with a document that the lenient reader read all the same.
public struct JSONDamage: OptionSet, Sendable, Hashable {
    /// One bit for each damage.
    public let rawValue: UInt16

    /// Combines damages.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Bytes that are no UTF-8; each maximal part became U+FFFD.
    public static let invalidUTF8 = JSONDamage(rawValue: 1)
    /// Half of an escaped surrogate pair; it became U+FFFD.
    public static let loneSurrogate = JSONDamage(rawValue: 2)
    /// A raw control character in a string; it was kept.
    public static let controlCharacter = JSONDamage(rawValue: 4)
    /// A number that neither 64 bits nor a double can hold; its spelling was kept.
    public static let bigNumber = JSONDamage(rawValue: 8)
    /// A container nested too deep; it was left empty and marked.
    public static let tooDeep = JSONDamage(rawValue: 16)
    /// A key that came before in the same object; both are there, the later one is marked.
    public static let duplicateKey = JSONDamage(rawValue: 32)
    /// The document ends in the middle; what was read is there.
    public static let truncated = JSONDamage(rawValue: 64)
    /// Something follows the document; it was left out.
    public static let trailingBytes = JSONDamage(rawValue: 128)
    /// A backslash before a character that needs none; both were kept.
    public static let badEscape = JSONDamage(rawValue: 256)
    /// A character where none can be; reading stopped there.
    public static let badSyntax = JSONDamage(rawValue: 512)
    /// More values than are kept; reading stopped there.
    public static let tooManyNodes = JSONDamage(rawValue: 1024)

    private static let words = [
        "invalid_utf8", "lone_surrogate", "control_character", "big_number", "too_deep",
        "duplicate_key", "truncated", "trailing_bytes", "bad_escape", "bad_syntax",
        "too_many_nodes",
    ]

    /// One bounded word for each damage, for metrics and notes.
    public var names: [String] {
        JSONDamage.words.indices.filter { rawValue >> UInt16($0) & 1 == 1 }
            .map { JSONDamage.words[$0] }
    }
}

/// Reads documents of any quality and says what was wrong with them. One per thread.
///
/// It never guesses: at the first character that cannot be there it stops and keeps what it has.
/// It takes one pass, so its time grows with the length only.
public final class LenientJSON {
    private let storage = JSONStorage()
    private let nodeLimit: Int
    private var open = -1
    private var depth = 0
    private var duplicateCount = 0
    /// The document that `read` read last.
    public let tree: JSONTree
    /// What was wrong with it.
    public private(set) var damages: JSONDamage = []

    /// Makes a reader; its memory grows with the longest document.
    public init(nodeLimit: Int = JSONReader.nodeLimit) {
        self.nodeLimit = nodeLimit
        tree = JSONTree(owner: storage)
    }

    /// Reads `bytes[range]` into `tree`; false when not even the first value could be begun.
    public func read(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        storage.removeAll()
        open = -1
        depth = 0
        duplicateCount = 0
        damages = []
        let document = bytes.extracting(range)
        if document.count > JSONReader.byteLimit {
            damages = .tooManyNodes
        } else {
            scan(document)
        }
        while open >= 0 { closeContainer() }
        storage.show(in: tree, duplicateCount: duplicateCount)
        if duplicateCount > 0 { damages.insert(.duplicateKey) }
        return tree.count > 0
    }

    /// Reads a whole span.
    public func read(_ bytes: Span<UInt8>) -> Bool {
        read(bytes, 0..<bytes.count)
    }

    // MARK: Structure

    private func scan(_ bytes: Span<UInt8>) {
        var index = 0
        // A byte order mark says nothing about UTF-8, and some programs write one all the same.
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if ByteSearch.hasPrefix(mark.span, bytes) { index = mark.count }
        while true {
            index = skipSpace(bytes, index)
            guard readMember(bytes, &index) else { return }
            // What was just opened and is not empty begins with a member.
            if let last = lastOpened, !closesAtOnce(bytes, &index, last) { continue }
            guard let goesOn = readEnd(bytes, &index) else { return }
            if !goesOn { return }
        }
    }

    /// The container that the last value opened, if it did.
    private var lastOpened: Int? {
        open >= 0 && open == storage.nodeCount - 1 ? open : nil
    }

    private func closesAtOnce(_ bytes: Span<UInt8>, _ index: inout Int, _ container: Int) -> Bool {
        let next = skipSpace(bytes, index)
        guard next < bytes.count, bytes[next] == closer(of: container) else { return false }
        index = next + 1
        closeContainer()
        return true
    }

    /// Reads a key, where one must be, and the value; false when reading is over.
    private func readMember(_ bytes: Span<UInt8>, _ index: inout Int) -> Bool {
        guard storage.nodeCount < nodeLimit else { return stop(.tooManyNodes) }
        var node = JSONNode(kind: .null, parent: open, depth: depth)
        if open >= 0, storage[open].kind == .object {
            guard index < bytes.count else { return stop(.truncated) }
            guard bytes[index] == UInt8(ascii: "\"") else { return stop(.badSyntax) }
            index += 1
            let key = readString(bytes, &index)
            guard key.isWhole else { return stop(.truncated) }
            node.setKey(key.range, hash: storage.withStrings(key.range) { JSONKey.hash($0) })
            index = skipSpace(bytes, index)
            guard index < bytes.count else { return stop(.truncated) }
            guard bytes[index] == UInt8(ascii: ":") else { return stop(.badSyntax) }
            index = skipSpace(bytes, index + 1)
        }
        guard index < bytes.count else { return stop(.truncated) }
        return readValue(bytes, &index, &node)
    }

    private func readValue(
        _ bytes: Span<UInt8>, _ index: inout Int, _ node: inout JSONNode
    ) -> Bool {
        switch bytes[index] {
        case UInt8(ascii: "{"): return openContainer(bytes, &index, node.changed(to: .object))
        case UInt8(ascii: "["): return openContainer(bytes, &index, node.changed(to: .array))
        case UInt8(ascii: "\""):
            index += 1
            let string = readString(bytes, &index)
            node = node.changed(to: .string)
            node.setText(string.range)
            if !string.isWhole { node.markIncomplete() }
            add(node)
            return string.isWhole ? true : stop(.truncated)
        case UInt8(ascii: "t"): return readWord("true", .true, bytes, &index, node)
        case UInt8(ascii: "f"): return readWord("false", .false, bytes, &index, node)
        case UInt8(ascii: "n"): return readWord("null", .null, bytes, &index, node)
        default: return readNumber(bytes, &index, &node)
        }
    }

    /// Reads what follows a value. Nil when reading is over, with or without damage.
    private func readEnd(_ bytes: Span<UInt8>, _ index: inout Int) -> Bool? {
        while true {
            index = skipSpace(bytes, index)
            if open < 0 {
                if index < bytes.count { damages.insert(.trailingBytes) }
                return nil
            }
            guard index < bytes.count else { return stop(.truncated) }
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: ",") { return true }
            guard byte == closer(of: open) else { return stop(.badSyntax) }
            closeContainer()
        }
    }

    private func closer(of container: Int) -> UInt8 {
        storage[container].kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")
    }

    private func openContainer(
        _ bytes: Span<UInt8>, _ index: inout Int, _ node: JSONNode
    ) -> Bool {
        if depth >= JSONReader.depthLimit {
            damages.insert(.tooDeep)
            var skipped = node
            skipped.markSkipped()
            add(skipped)
            return skipContainer(bytes, &index)
        }
        index += 1
        add(node)
        open = storage.nodeCount - 1
        depth += 1
        return true
    }

    private func add(_ node: JSONNode) {
        if open >= 0 { storage[open].addChild() }
        storage.append(node)
        storage[storage.nodeCount - 1].setNext(storage.nodeCount)
    }

    private func closeContainer() {
        storage[open].setNext(storage.nodeCount)
        if storage[open].kind == .object { markDuplicates(open) }
        open = storage[open].parent
        depth -= 1
    }

    /// Whether two keys of an object may be the same; false is certain.
    private func isSuspicious(_ object: Int) -> Bool {
        var sieve = [16 of UInt64](repeating: 0)
        let end = storage[object].next
        var index = object + 1
        while index < end {
            let node = storage[index]
            let bit = node.keyHash >> 54
            if sieve[Int(bit >> 6)] >> (bit & 63) & 1 == 1 { return true }
            sieve[Int(bit >> 6)] |= 1 << (bit & 63)
            index = node.next
        }
        return false
    }

    private func markDuplicates(_ object: Int) {
        guard isSuspicious(object) else { return }
        var members = [(hash: UInt64, index: Int)]()
        let end = storage[object].next
        var index = object + 1
        while index < end {
            members.append((storage[index].keyHash, index))
            index = storage[index].next
        }
        members.sort { ($0.hash, $0.index) < ($1.hash, $1.index) }
        var first = 0
        for next in 1..<members.count {
            if members[next].hash != members[first].hash {
                first = next
            } else if isSameKey(members[first].index, members[next].index) {
                storage[members[next].index].markDuplicate()
                duplicateCount += 1
            }
        }
    }

    private func isSameKey(_ left: Int, _ right: Int) -> Bool {
        storage.withStrings(storage[left].keyRange) { left in
            storage.withStrings(storage[right].keyRange) { ByteSearch.equal(left, $0) }
        }
    }

    /// Steps over a container and everything in it, counting brackets.
    private func skipContainer(_ bytes: Span<UInt8>, _ index: inout Int) -> Bool {
        var level = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["): level += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                level -= 1
                if level == 0 { return true }
            case UInt8(ascii: "\""):
                while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                    index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
                }
                index = min(index + 1, bytes.count)
            default: break
            }
        }
        return stop(.truncated)
    }

    private func stop(_ damage: JSONDamage) -> Bool {
        damages.insert(damage)
        return false
    }

    private func skipSpace(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return index
            }
        }
        return index
    }

    // MARK: Words, numbers, strings

    private func readWord(
        _ word: StaticString, _ kind: JSONKind, _ bytes: Span<UInt8>, _ index: inout Int,
        _ node: JSONNode
    ) -> Bool {
        // Safe because a static string lives for ever.
        let letters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        for letter in letters {
            guard index < bytes.count else { return stop(.truncated) }
            guard bytes[index] == letter else { return stop(.badSyntax) }
            index += 1
        }
        add(node.changed(to: kind))
        return true
    }

    private func readNumber(
        _ bytes: Span<UInt8>, _ index: inout Int, _ node: inout JSONNode
    ) -> Bool {
        guard let number = JSONNumber(bytes, at: index) else {
            // A number that the end of the input cut cannot be told from another one.
            let isCut = JSONNumber.reachesEnd(bytes, from: index)
            return stop(isCut ? .truncated : .badSyntax)
        }
        if number.end == bytes.count, open >= 0 { return stop(.truncated) }
        let range = index..<number.end
        index = number.end
        switch number.value(bytes, range) {
        case .integer(let value):
            node = node.changed(to: .integer)
            node.setBits(UInt64(bitPattern: value))
        case .unsigned(let value):
            node = node.changed(to: .unsigned)
            node.setBits(value)
        case .double(let value):
            node = node.changed(to: .double)
            node.setBits(value.bitPattern)
        case .big:
            node = node.changed(to: .bigNumber)
            let start = storage.stringByteCount
            storage.append(bytes.extracting(range))
            node.setText(start..<storage.stringByteCount)
            damages.insert(.bigNumber)
        }
        add(node)
        return true
    }

    /// Reads behind the opening quote up to and over the closing one.
    private func readString(
        _ bytes: Span<UInt8>, _ index: inout Int
    ) -> (range: Range<Int>, isWhole: Bool) {
        let start = storage.stringByteCount
        while index < bytes.count {
            var end = index
            while end < bytes.count, JSONText.isPlain(bytes[end]) { end += 1 }
            storage.append(bytes.extracting(index..<end))
            index = end
            guard index < bytes.count else { break }
            switch bytes[index] {
            case UInt8(ascii: "\""):
                index += 1
                return (start..<storage.stringByteCount, true)
            case UInt8(ascii: "\\"):
                guard readEscape(bytes, &index) else {
                    index = bytes.count
                    return (start..<storage.stringByteCount, false)
                }
            case 0x00..<0x20:
                damages.insert(.controlCharacter)
                storage.append(bytes[index])
                index += 1
            default: readCharacter(bytes, &index)
            }
        }
        return (start..<storage.stringByteCount, false)
    }

    private func readCharacter(_ bytes: Span<UInt8>, _ index: inout Int) {
        let step = UTF8Repair.next(bytes, index, bytes.count)
        if step.isWellFormed {
            storage.append(bytes.extracting(index..<(index + step.count)))
        } else {
            damages.insert(.invalidUTF8)
            UTF8Repair.replacement.forEach { storage.append($0) }
        }
        index += step.count
    }

    /// Reads one escape; false when the document ends inside it.
    private func readEscape(_ bytes: Span<UInt8>, _ index: inout Int) -> Bool {
        switch JSONText.escape(bytes, at: index) {
        case .cut: return false
        case .character(let scalar, let count):
            JSONText.forEachByte(of: scalar) { storage.append($0) }
            index += count
        case .loneSurrogate(let count):
            damages.insert(.loneSurrogate)
            UTF8Repair.replacement.forEach { storage.append($0) }
            index += count
        case .bad:
            damages.insert(.badEscape)
            storage.append(UInt8(ascii: "\\"))
            index += 1
        }
        return true
    }
}
