// SPDX-License-Identifier: Apache-2.0
import Platform

/// Reads what a server answers to a bulk request, item by item.
///
/// `{"took":1,"errors":false,"items":[{"create":{"_id":"…","status":201}}, …]}`: the items stand in
/// the order of the request, and each has a status of its own, whatever the status of the whole.
final class BulkReply {
    /// What became of one item.
    enum Item: Equatable {
        /// Stored, now or before.
        case stored
        /// Not now, but later.
        case busy
        /// Somebody has to act before anything is taken: the place or the rights are not there.
        case barred(DeliveryCode)
        /// Never.
        case refused
    }

    private let reader = JSONReader()
    private static let itemsKey = JSONKey("items")
    private static let statusKey = JSONKey("status")
    private static let errorKey = JSONKey("error")
    private static let typeKey = JSONKey("type")
    private static let reasonKey = JSONKey("reason")

    /// Calls `each` for every item in order and says how many there were; nil for no bulk reply.
    ///
    /// `reason` may be called inside `each` only; it gives the server's words about that item.
    func read(
        _ body: [UInt8],
        _ each: (_ index: Int, _ item: Item, _ reason: () -> String) -> Void
    ) -> Int? {
        guard reader.read(body.span) else { return nil }
        let tree = reader.tree
        guard tree.count > 0, tree[0].kind == .object,
            let items = tree.member(BulkReply.itemsKey, of: 0), tree[items].kind == .array
        else { return nil }
        return tree.withContents { nodes, texts -> Int? in
            let end = nodes[items].next
            var index = 0
            var at = items + 1
            while at < end {
                // An item is an object with one member, named after the action.
                let result = at + 1
                let next = nodes[at].next
                guard nodes[at].kind == .object, result < next, nodes[result].kind == .object,
                    let status = BulkReply.status(nodes, texts, of: result)
                else { return nil }
                var item = BulkReply.item(status)
                if item == .refused, isAboutPlace(tree, result) { item = .barred(.place) }
                each(index, item) { reason(tree, result, status) }
                index += 1
                at = next
            }
            return index
        }
    }

    /// The status of a result; nil when it has none that is an integer.
    @inline(__always)
    private static func status(
        _ nodes: Span<JSONNode>, _ texts: Span<UInt8>, of result: Int
    ) -> Int64? {
        let end = nodes[result].next
        let hash = statusKey.hash
        let name = statusKey.bytes
        var at = result + 1
        while at < end {
            let node = nodes[at]
            if node.keyHash == hash, ByteSearch.equal(texts, node.keyRange, name.span) {
                return node.integer
            }
            at = node.next
        }
        return nil
    }

    /// Whether an answer says in the usual way that all of `count` items were stored.
    ///
    /// It looks at nothing but what it needs: `"errors":false` near the beginning and `count` times
    /// a status of 200 or 201. False means nothing: then `read` tells.
    static func isPlainSuccess(_ body: [UInt8], count: Int) -> Bool {
        let bytes = body.span
        let head = 0..<min(body.count, headByteLimit)
        guard body.first == UInt8(ascii: "{"), body.suffix(2).elementsEqual("]}".utf8),
            ByteSearch.first(noErrors, in: bytes, head) != nil
        else { return false }
        let scanner = BodyScanner(at: 0, end: body.count)
        var found = 0
        var at = 0
        var stride = 0
        while true {
            // Items are nearly always of one length, so the next one is where it is expected.
            if stride > 0, scanner.word(bytes, at + stride) == statusWord {
                at += stride
            } else {
                guard let next = ByteSearch.first(statusName, in: bytes, (at + 1)..<body.count)
                else { return found == count }
                stride = found > 0 ? next - at : 0
                at = next
            }
            // `"status":200` or `"status":201`, and no further digit.
            let code = scanner.word(bytes, at + 8)
            guard code & 0xFEFF_FFFF == storedCode,
                code >> 32 & 0xFF == 0x7D || code >> 32 & 0xFF == 0x2C
            else { return false }
            found += 1
        }
    }

    private static let headByteLimit = 128
    private static let noErrors = Array("\"errors\":false".utf8)
    private static let statusName = Array("\"status\"".utf8)
    private static let statusWord: UInt64 = 0x2273_7574_6174_7322
    // `:200`, least significant byte first; the lowest bit of the last digit is masked.
    private static let storedCode: UInt64 = 0x3030_323A

    private static func item(_ status: Int64) -> Item {
        switch status {
        // A conflict on create means that an event of this id is there already.
        case 200...299, 409: .stored
        case 401, 403: .barred(.authorization)
        case 404: .barred(.place)
        case 408, 425, 429: .busy
        case 400...499: .refused
        default: .busy
        }
    }

    /// Whether a refusal speaks of the index or of the cluster, although its status is that of a
    /// bad event: the index is closed, or a new one would be one shard too many.
    private func isAboutPlace(_ tree: JSONTree, _ result: Int) -> Bool {
        guard let error = tree.member(BulkReply.errorKey, of: result),
            tree[error].kind == .object,
            let type = tree.member(BulkReply.typeKey, of: error).flatMap({ tree.string(of: $0) })
        else { return false }
        switch type {
        case "index_closed_exception":
            return true
        case "validation_exception", "illegal_argument_exception":
            // Only at the beginning: what comes later may be quoted from an event.
            let reason = tree.member(BulkReply.reasonKey, of: error)
            return reason.flatMap { tree.string(of: $0) }?
                .hasPrefix("Validation Failed: 1: this action would add [") == true
        default:
            return false
        }
    }

    private func reason(_ tree: JSONTree, _ result: Int, _ status: Int64) -> String {
        guard let error = tree.member(BulkReply.errorKey, of: result) else {
            return "status \(status)"
        }
        if let text = tree.string(of: error) { return "status \(status): \(text)" }
        guard tree[error].kind == .object else { return "status \(status)" }
        let words = [BulkReply.typeKey, BulkReply.reasonKey].compactMap { key in
            tree.member(key, of: error).flatMap { tree.string(of: $0) }
        }
        return words.isEmpty
            ? "status \(status)" : "status \(status): " + words.joined(separator: ": ")
    }
}
