// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// What running the mapping again over the signed bytes says about a document.
public enum DocumentComparison: Sendable, Equatable {
    /// It says nothing, and why.
    case notCompared(String)
    /// Every member that is not what the mapping makes of the signed bytes; none when all is well.
    case compared([DocumentDifference])
}

/// One member of a document that the signed bytes do not vouch for.
public struct DocumentDifference: Sendable, Equatable, CustomStringConvertible {
    /// What is wrong with it.
    public enum Kind: String, Sendable {
        /// Its value is another one.
        case altered
        /// It ought to be there.
        case missing
        /// The mapping makes no such member: somebody or something added it.
        case added
    }

    /// The dotted path of the member.
    public let path: String
    /// What is wrong with it.
    public let kind: Kind

    /// Names a member and what is wrong with it.
    public init(path: String, kind: Kind) {
        self.path = path
        self.kind = kind
    }

    /// For example `user.name: altered` or `event.ingested: added, unsigned`.
    public var description: String {
        kind == .added ? "\(path): added, unsigned" : "\(path): \(kind.rawValue)"
    }
}

/// Runs the mapping to a model again, to find what was changed behind it. One serves one thread.
public final class DocumentComparer {
    private let model: DocumentModel
    private var rendering: DocumentRendering
    private var output = ByteWriter(capacity: 4096)

    private init(_ model: DocumentModel, _ rendering: consuming DocumentRendering) {
        self.model = model
        self.rendering = rendering
    }

    /// Makes a comparer of ECS documents, whose signed bytes are the text of `event.original`.
    public static func ecs() -> DocumentComparer {
        DocumentComparer(.ecs(), .ecs())
    }

    /// Makes a comparer of OCSF events, whose signed bytes are the text of `unmapped.signed_event`.
    public static func ocsf() -> DocumentComparer { DocumentComparer(.ocsf, .ocsf()) }

    /// Compares a document with what the mapping makes of the signed bytes that it carries.
    ///
    /// Changes of form that receivers make are no differences: the order of members and of sets, a
    /// set of one written as its only element, fewer digits of a second, dots instead of objects.
    /// `data_stream` says where the document went and is left out. Whether the signed bytes are
    /// genuine, and with them the integrity, is not asked here.
    ///
    /// - Parameters:
    ///   - document: the document as one JSON object, without anything the receiver wraps it in.
    ///   - signedBytes: the text of the member that carries them.
    public func compare(
        document: Span<UInt8>, signedBytes: Span<UInt8>
    ) -> DocumentComparison {
        let found: JSONDocument
        do throws(JSONError) {
            found = try JSONDocument(reading: document)
        } catch {
            return .notCompared("the document is no JSON: \(error)")
        }
        var actual = FlatDocument()
        actual.add(found, path: "")
        if let version = actual.values[model.versionPath], version != .string(model.version) {
            return .notCompared("the document was made by a mapping that is not known here")
        }
        output.removeAll()
        let leaf = SHA256.leaf(signedBytes)
        guard rendering.append(body: signedBytes, leaf: leaf, to: &output),
            let made = output.withBytes({ (bytes: Span<UInt8>) -> JSONDocument? in
                try? JSONDocument(reading: bytes)
            })
        else {
            return .notCompared("the signed bytes are not in a form that is known here")
        }
        var expected = FlatDocument()
        expected.add(made, path: "")
        // The seal itself vouches for the integrity, of which the number is a copy.
        let integrity = ["stream", "seq", "proof"].map { "\(model.integrityPath).\($0)" }
        expected.values[model.sequencePath] = actual.values[integrity[1]]
        return .compared(
            actual.differences(from: expected, except: model.unsignedPaths.union(integrity)))
    }
}

/// A document as paths and values.
private struct FlatDocument {
    var values: [String: JSONDocument] = [:]
    // Paths that came more than once: whatever they say, somebody reads the wrong one.
    private var repeated: Set<String> = []

    mutating func add(_ document: JSONDocument, path: String) {
        if case .object(let members) = document, !members.isEmpty || path.isEmpty {
            for member in members {
                add(member.value, path: path.isEmpty ? member.key : "\(path).\(member.key)")
            }
            return
        }
        if values.updateValue(document, forKey: path) != nil { repeated.insert(path) }
    }

    func differences(
        from expected: FlatDocument, except excepted: Set<String>
    ) -> [DocumentDifference] {
        var found: [DocumentDifference] = []
        for path in Set(values.keys).union(expected.values.keys).sorted()
        where !excepted.contains(path) || repeated.contains(path) {
            guard let value = values[path] else {
                found.append(DocumentDifference(path: path, kind: .missing))
                continue
            }
            guard let wanted = expected.values[path] else {
                found.append(DocumentDifference(path: path, kind: .added))
                continue
            }
            if repeated.contains(path) || !FlatDocument.says(value, wanted) {
                found.append(DocumentDifference(path: path, kind: .altered))
            }
        }
        return found
    }

    private static func says(_ value: JSONDocument, _ wanted: JSONDocument) -> Bool {
        if value == wanted { return true }
        switch (value, wanted) {
        case (.array(let left), .array(let right)):
            return tally(left) == tally(right)
        case (.array(let left), _):
            return left.count == 1 && says(left[0], wanted)
        case (_, .array(let right)):
            return right.count == 1 && says(value, right[0])
        case (.string(let left), .string(let right)):
            guard let leftTime = moment(left), let rightTime = moment(right) else { return false }
            return leftTime == rightTime
        default:
            return false
        }
    }

    /// How often each value is there, whatever the order of members.
    private static func tally(_ values: [JSONDocument]) -> [JSONDocument: Int] {
        var counts: [JSONDocument: Int] = [:]
        for value in values { counts[inOrder(value), default: 0] += 1 }
        return counts
    }

    private static func inOrder(_ value: JSONDocument) -> JSONDocument {
        guard case .object(let members) = value else { return value }
        return .object(
            members.map { JSONDocument.Member(key: $0.key, value: inOrder($0.value)) }
                .sorted { $0.key < $1.key })
    }

    /// A time in UTC without the zeros at the end of its fraction; nil for any other text.
    private static func moment(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        let pattern = Array("0000-00-00T00:00:00".utf8)
        guard bytes.count > pattern.count, bytes.last == UInt8(ascii: "Z") else { return nil }
        for (byte, wanted) in zip(bytes, pattern) {
            let isDigit = byte >= 0x30 && byte <= 0x39
            guard wanted == 0x30 ? isDigit : byte == wanted else { return nil }
        }
        var rest = bytes[pattern.count..<bytes.count - 1]
        if rest.isEmpty { return String(decoding: bytes[..<pattern.count], as: UTF8.self) }
        guard rest.first == UInt8(ascii: "."), rest.count > 1,
            rest.dropFirst().allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
        else { return nil }
        while rest.last == 0x30 { rest.removeLast() }
        if rest.last == UInt8(ascii: ".") { rest.removeLast() }
        return String(decoding: bytes[..<pattern.count] + rest, as: UTF8.self)
    }
}
