// SPDX-License-Identifier: Apache-2.0
import Platform

/// How an event came: by itself, or carried in a document of another model.
public enum CarriedForm: String, Sendable {
    /// The event itself; the signed bytes are made again by RFC 8785.
    case canonical
    /// An ECS document with the signed bytes in `event.original`.
    case ecs
    /// An OCSF event with the signed bytes in `unmapped.signed_event`.
    case ocsf
}

/// Finds the signed bytes and the proof in one line of an export.
///
/// One reader serves one verifier; what it found stays until the next line.
struct SignedEventReader: ~Copyable {
    private var outer = StrictDocument()
    private var body = StrictDocument()
    private var line: [UInt8] = []
    private var canonical = ByteWriter(capacity: 4096)

    /// How the event came.
    private(set) var form = CarriedForm.canonical
    /// The bytes that were signed, if any were.
    private(set) var signedBytes: [UInt8] = []
    /// What the event claims to be.
    private(set) var claim = Claim()

    /// What stands in `integrity`.
    struct Claim {
        var stream: [UInt8]?
        var sequence: UInt64?
        var proof: [UInt8]?
    }

    /// The event was read, whether it is valid or not.
    private var hasBody = false

    /// Exports of Elasticsearch and Splunk wrap what they return, in less than so many texts.
    private static let wrapLimit = 3

    /// Forgets the line before, for one that is not read.
    mutating func forget() {
        claim = Claim()
        hasBody = false
    }

    /// Reads a line. The claim is as complete as could be read, even when this throws.
    mutating func read(_ text: Span<UInt8>) throws(Objection) {
        forget()
        line = Array(copying: text)
        let (root, integrity) = try unwrap()
        try readIntegrity(integrity)
        if form == .canonical {
            canonical.removeAll()
            let line = line
            guard outer.write(root, leavingOut: integrity, line.span, to: &canonical) else {
                throw Objection("a number is not spelled as an integer within ±(2^53 − 1)")
            }
            signedBytes = canonical.makeArray()
        } else {
            let signed = signedBytes
            do {
                try body.read(signed.span)
            } catch {
                throw Objection(
                    "the signed bytes are refused: \(error.reason) at byte \(error.offset)")
            }
        }
        hasBody = true
    }

    /// The id of the event, if it could be read.
    var id: String? { hasBody ? text(nil, "id") : nil }

    /// The action of the event, if it could be read.
    var action: String? { hasBody ? text(nil, "action") : nil }

    /// The action when it is one of the agent's own; nil for all others.
    var agentAction: String? {
        let tree = form == .canonical ? outer : body
        let bytes = form == .canonical ? line : signedBytes
        let owner = form == .canonical ? root : 0
        guard let node = tree.member("action", of: owner, bytes.span), tree.kind(node) == .string
        else { return nil }
        // Telling by two letters saves making a text of every event's action.
        let start = Int(tree.nodes[node].start) + 1
        guard start + 1 < bytes.count else { return nil }
        switch (bytes[start], bytes[start + 1]) {
        case (UInt8(ascii: "A"), UInt8(ascii: "g")), (UInt8(ascii: "C"), UInt8(ascii: "h")),
            (UInt8(ascii: "\\"), _):
            return tree.text(node, bytes.span)
        default: return nil
        }
    }

    /// The text of a member of the event, `agent.checkpoint`; nil where it has none.
    func text(_ group: StaticString?, _ key: StaticString) -> String? {
        form == .canonical
            ? SignedEventReader.text(outer, root, line.span, group, key)
            : SignedEventReader.text(body, 0, signedBytes.span, group, key)
    }

    /// The members of a set of the event, `agent.filtered`; empty where it has none.
    func texts(_ group: StaticString, _ key: StaticString) -> [String] {
        form == .canonical
            ? SignedEventReader.texts(outer, root, line.span, group, key)
            : SignedEventReader.texts(body, 0, signedBytes.span, group, key)
    }

    /// The document, without what the receiver wraps it in.
    var document: [UInt8] {
        root == 0 ? line : Array(line[outer.nodes[root].range])
    }

    private var root = 0

    // MARK: Forms

    private mutating func unwrap() throws(Objection) -> (root: Int, integrity: Int?) {
        for depth in 1... {
            let text = line
            do {
                try outer.read(text.span)
            } catch {
                throw Objection("the line is refused: \(error.reason) at byte \(error.offset)")
            }
            guard outer.kind(0) == .object else { throw Objection("the line is no object") }
            root = 0
            if let source = outer.member("_source", of: 0, line.span),
                outer.kind(source) == .object
            {
                root = source
            }
            guard let inner = innerLine() else { break }
            // What was found holds for the text that was read, and for no other.
            guard depth < SignedEventReader.wrapLimit else {
                throw Objection("the event is wrapped too often")
            }
            line = inner
        }
        if let event = outer.member("event", of: root, line.span),
            let bytes = outer.string(
                outer.member("original", of: event, line.span), line.span)
        {
            form = .ecs
            signedBytes = bytes
            return (root, outer.member("integrity", of: root, line.span))
        }
        if let unmapped = outer.member("unmapped", of: root, line.span),
            let bytes = outer.string(
                outer.member("signed_event", of: unmapped, line.span), line.span)
        {
            form = .ocsf
            signedBytes = bytes
            return (root, outer.member("integrity", of: unmapped, line.span))
        }
        form = .canonical
        return (root, outer.member("integrity", of: root, line.span))
    }

    /// The event of a Splunk HEC body or of Splunk's own export, both of which carry it as a text.
    private func innerLine() -> [UInt8]? {
        if let event = outer.string(outer.member("event", of: root, line.span), line.span) {
            return event
        }
        guard let result = outer.member("result", of: root, line.span) else { return nil }
        return outer.string(outer.member("_raw", of: result, line.span), line.span)
    }

    private mutating func readIntegrity(_ node: Int?) throws(Objection) {
        guard let node, outer.kind(node) == .object else {
            throw Objection("there is no integrity")
        }
        claim.stream = outer.string(outer.member("stream", of: node, line.span), line.span)
        claim.sequence = outer.integer(outer.member("seq", of: node, line.span), line.span)
        claim.proof = outer.string(outer.member("proof", of: node, line.span), line.span)
        guard outer.childCount(of: node) == 3 else {
            throw Objection("integrity has other members than stream, seq and proof")
        }
        guard claim.stream != nil, claim.sequence != nil, claim.proof != nil else {
            throw Objection("integrity lacks a text stream, an integer seq or a text proof")
        }
    }

    private static func text(
        _ tree: borrowing StrictDocument, _ root: Int, _ bytes: Span<UInt8>,
        _ group: StaticString?, _ key: StaticString
    ) -> String? {
        var owner = root
        if let group {
            guard let found = tree.member(group, of: root, bytes) else { return nil }
            owner = found
        }
        return tree.text(tree.member(key, of: owner, bytes), bytes)
    }

    private static func texts(
        _ tree: borrowing StrictDocument, _ root: Int, _ bytes: Span<UInt8>,
        _ group: StaticString, _ key: StaticString
    ) -> [String] {
        guard let owner = tree.member(group, of: root, bytes),
            let list = tree.member(key, of: owner, bytes), tree.kind(list) == .array
        else { return [] }
        return tree.children(of: list).compactMap { tree.text($0, bytes) }
    }
}

extension [UInt8] {
    /// Appends a copy of the bytes of a span.
    mutating func append(copying bytes: Span<UInt8>) {
        reserveCapacity(count + bytes.count)
        append(contentsOf: Array(copying: bytes))
    }
}
