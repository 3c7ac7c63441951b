// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Bytes that are never printed: a password, a token, a key.
///
/// Every description is `***`. The bytes live in memory of their own, which is wiped when the
/// last reference goes. Copies that the caller made before or makes from `withBytes` are not.
public final class Secret: Sendable {
    // Safe because the bytes are written in init only, before the object is shared, and wiped in
    // deinit only, after the last reference.
    nonisolated(unsafe) private let storage: UnsafeMutableBufferPointer<UInt8>

    /// Copies the bytes.
    public init(_ bytes: [UInt8]) {
        // Safe because the buffer is as long as the array and owned by this object.
        storage = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = storage.initialize(from: bytes)
    }

    /// Copies the bytes and wipes the array they came from, unless another variable shares it.
    public convenience init(wiping bytes: inout [UInt8]) {
        self.init(bytes)
        Secret.wipe(&bytes)
    }

    deinit {
        // Safe because explicit_bzero(3) is told the length that was allocated.
        if let start = storage.baseAddress { explicit_bzero(start, storage.count) }
        storage.deallocate()
    }

    /// How many bytes there are.
    public var byteCount: Int { storage.count }

    /// Lends the bytes to the closure, which must not keep a copy.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe because the object, and with it the buffer, outlives the call.
        try body(UnsafeBufferPointer(storage).span)
    }

    /// Overwrites the array with zeros in a way the optimiser must keep, and empties it.
    ///
    /// The memory is wiped only when no other variable shares it.
    public static func wipe(_ bytes: inout [UInt8]) {
        // Safe because explicit_bzero(3) is told the length of the buffer it is given.
        bytes.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { explicit_bzero(start, buffer.count) }
        }
        bytes.removeAll()
    }
}

extension Secret: Equatable {
    /// Compares in a time that depends on the lengths only, not on where the bytes differ.
    public static func == (left: Secret, right: Secret) -> Bool {
        guard left.byteCount == right.byteCount else { return false }
        return left.withBytes { a in
            right.withBytes { b in
                var difference: UInt8 = 0
                for index in a.indices { difference |= a[index] ^ b[index] }
                return difference == 0
            }
        }
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `***`.
    public var description: String { "***" }

    /// Always `***`.
    public var debugDescription: String { "***" }

    /// A mirror without members.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
