// SPDX-License-Identifier: Apache-2.0
import Platform

/// The way to a value in a JSON document, as `target[type=User].id`.
///
/// Names are parted by points. `[2]` goes into the third element of an array, `[]` into all of
/// them, `[type=User]` and `[type=User|'App User']` into the first object whose member is one of
/// these words. A path that begins with a bracket goes into a document that is an array.
struct MemberPath: Sendable {
    enum Element: Sendable, Hashable {
        case name(String)
        case index(Int)
        case all
        case having(String, [String])
    }

    /// The most elements of a path.
    static let elementLimit = 16

    var elements: [Element] = []

    /// Reads a path; a text says what is wrong with it.
    init(_ text: String) throws(MemberPathError) {
        var rest = Array(text.utf8)[...]
        while let byte = rest.first {
            if byte == UInt8(ascii: "[") {
                rest = rest.dropFirst()
                elements.append(try MemberPath.selector(&rest))
                if rest.first == UInt8(ascii: ".") { rest = rest.dropFirst() }
            } else {
                let name = rest.prefix { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "[") }
                rest = rest.dropFirst(name.count)
                if rest.first == UInt8(ascii: ".") { rest = rest.dropFirst() }
                elements.append(.name(String(decoding: name, as: UTF8.self)))
            }
        }
        guard let first = elements.first, first != .name("") else {
            throw MemberPathError(reason: "must name a member")
        }
        guard elements.count <= MemberPath.elementLimit else {
            throw MemberPathError(
                reason: "must have no more than \(MemberPath.elementLimit) parts")
        }
        for (left, right) in zip(elements, elements.dropFirst()) {
            if case .name = left { continue }
            guard case .name = right else {
                throw MemberPathError(reason: "must name a member between two brackets")
            }
        }
    }

    /// Reads what stands behind `[`, the closing bracket included.
    private static func selector(
        _ rest: inout ArraySlice<UInt8>
    ) throws(MemberPathError) -> Element {
        var words: [[UInt8]] = [[]]
        var key: [UInt8]?
        var isQuoted = false
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "'") {
                isQuoted.toggle()
            } else if isQuoted {
                words[words.count - 1].append(byte)
            } else if byte == UInt8(ascii: "]") {
                return try element(key, words)
            } else if byte == UInt8(ascii: "="), key == nil {
                key = words[0]
                words = [[]]
            } else if byte == UInt8(ascii: "|"), key != nil {
                words.append([])
            } else {
                words[words.count - 1].append(byte)
            }
        }
        throw MemberPathError(reason: "must close its [ with a ]")
    }

    private static func element(
        _ key: [UInt8]?, _ words: [[UInt8]]
    ) throws(MemberPathError) -> Element {
        let texts = words.map { String(decoding: $0, as: UTF8.self) }
        guard let key else {
            if texts[0].isEmpty { return .all }
            guard let number = Int(texts[0]), number >= 0, number < 1 << 16 else {
                throw MemberPathError(
                    reason: "must have a number, member=word or nothing between [ and ]")
            }
            return .index(number)
        }
        guard !key.isEmpty, texts.allSatisfy({ !$0.isEmpty }) else {
            throw MemberPathError(reason: "must have a name and a word around =")
        }
        return .having(String(decoding: key, as: UTF8.self), texts)
    }
}

/// A path that cannot be read.
struct MemberPathError: Error {
    let reason: String
}
