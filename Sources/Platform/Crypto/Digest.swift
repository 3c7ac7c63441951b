// SPDX-License-Identifier: Apache-2.0

/// Thirty-two bytes that came out of SHA-256 (or HMAC-SHA-256), kept without an allocation.
public struct Digest: Sendable, Hashable, CustomStringConvertible {
    /// How many bytes a digest has.
    public static let byteCount = 32
    /// Thirty-two zero bytes.
    public static let zero = Digest()

    // Byte 0 is the lowest byte of `first`, whatever the machine's byte order.
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0
    private var fourth: UInt64 = 0

    private init() {}

    /// Takes exactly thirty-two bytes; any other count is a mistake of the caller.
    public init(bytes: Span<UInt8>) {
        self.init(bytes: bytes, at: 0)
        if bytes.count != Digest.byteCount { bug("a digest of \(bytes.count) bytes") }
    }

    /// Takes the thirty-two bytes that begin at `offset`; they must all be there.
    public init(bytes: Span<UInt8>, at offset: Int) {
        first = ByteSearch.word(bytes, at: offset)
        second = ByteSearch.word(bytes, at: offset + 8)
        third = ByteSearch.word(bytes, at: offset + 16)
        fourth = ByteSearch.word(bytes, at: offset + 24)
    }

    /// Takes thirty-two bytes from an array; nil when it has another count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Digest.byteCount else { return nil }
        self.init(bytes: bytes.span)
    }

    /// Reads 64 lowercase hexadecimal digits; nil for anything else.
    public init?(hex: String) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// Lets `fill` write the thirty-two bytes straight into the digest.
    init(filledBy fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        // Safe because the stack buffer is exactly as long as a digest and starts out zeroed.
        self = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Digest.byteCount) {
            buffer in
            buffer.initialize(repeating: 0)
            guard let start = buffer.baseAddress else { bug("an empty stack buffer") }
            fill(start)
            return Digest(bytes: Span(_unsafeElements: UnsafeBufferPointer(buffer)))
        }
    }

    /// The byte at a place from 0 to 31.
    public subscript(byte index: Int) -> UInt8 {
        let word: UInt64
        switch index >> 3 {
        case 0: word = first
        case 1: word = second
        case 2: word = third
        case 3: word = fourth
        default: bug("byte \(index) of a digest")
        }
        return UInt8(truncatingIfNeeded: word >> UInt64((index & 7) * 8))
    }

    /// The thirty-two bytes.
    public var bytes: [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(Digest.byteCount)
        for index in 0..<Digest.byteCount { result.append(self[byte: index]) }
        return result
    }

    /// Sixty-four lowercase hexadecimal digits.
    public func hex() -> String {
        Hex.encode(bytes.span)
    }

    /// The digest in hexadecimal.
    public var description: String { hex() }

    /// The first eight bytes as a number, for spreading digests over a table.
    public var prefix: UInt64 { first }

    /// Calls `body` with the thirty-two bytes, without an allocation.
    public func withBytes<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        // Safe because the stack buffer has room for thirty-two bytes, all of which are written.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Digest.byteCount) { buffer in
            guard let start = buffer.baseAddress else { bug("an empty stack buffer") }
            store(to: start)
            return body(Span(_unsafeElements: UnsafeBufferPointer(buffer)))
        }
    }

    func store(to target: UnsafeMutablePointer<UInt8>) {
        // Safe because callers inside this module pass room for thirty-two bytes.
        let raw = UnsafeMutableRawPointer(target)
        raw.storeBytes(of: first.littleEndian, toByteOffset: 0, as: UInt64.self)
        raw.storeBytes(of: second.littleEndian, toByteOffset: 8, as: UInt64.self)
        raw.storeBytes(of: third.littleEndian, toByteOffset: 16, as: UInt64.self)
        raw.storeBytes(of: fourth.littleEndian, toByteOffset: 24, as: UInt64.self)
    }
}
