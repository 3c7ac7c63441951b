// SPDX-License-Identifier: Apache-2.0

/// Files that wait for their turn, first come first served.
struct TailQueue {
    private var list: [FileTail] = []
    private var start = 0

    var count: Int { list.count - start }
    var isEmpty: Bool { count == 0 }

    /// Whether one of them has bytes that were not looked at.
    var hasUnread: Bool { list[start...].contains(where: \.hasUnread) }

    mutating func append(_ tail: FileTail) {
        list.append(tail)
    }

    mutating func removeFirst() -> FileTail? {
        guard start < list.count else { return nil }
        let tail = list[start]
        start += 1
        if start > 64, start * 2 > list.count {
            list.removeFirst(start)
            start = 0
        }
        return tail
    }
}
