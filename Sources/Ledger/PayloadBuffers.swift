// SPDX-License-Identifier: Apache-2.0
import Platform

/// Memory for payloads that is used again: fresh pages from the kernel cost more than reading.
final class PayloadBuffers: Sendable {
    /// The most buffers that are kept.
    static let countLimit = 4
    /// The greatest buffer that is kept.
    static let byteLimit = 8 << 20

    private let buffers = Monitor<[[UInt8]]>([])

    /// An empty array, with room if one was given back.
    func take() -> [UInt8] {
        var buffer = buffers.withLock { $0.popLast() } ?? []
        buffer.removeAll(keepingCapacity: true)
        return buffer
    }

    /// Keeps the memory of an array that nobody reads any more.
    func give(_ buffer: consuming [UInt8]) {
        guard buffer.capacity <= PayloadBuffers.byteLimit else { return }
        let buffer = buffer
        buffers.withLock { buffers in
            if buffers.count < PayloadBuffers.countLimit { buffers.append(buffer) }
        }
    }
}
