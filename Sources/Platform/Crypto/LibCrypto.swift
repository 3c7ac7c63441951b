// SPDX-License-Identifier: Apache-2.0
import CCrypto

/// SHA-256 (FIPS 180-4): of a whole message at once, or under way. A copy of what is under way
/// goes on by itself, so what many messages begin with is hashed once.
///
/// These are libcrypto's plain functions: the way through its providers costs forty
/// nanoseconds more for each digest, and a line of a log needs five.
public struct SHA256: Sendable {
    private var context = SHA256_CTX()

    /// Begins a digest.
    @inline(__always)
    public init() {
        // Safe because the call fills the context, which outlives it.
        check(SHA256_Init(&context))
    }

    /// Adds some bytes.
    @inline(__always)
    public mutating func update(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { buffer in
            // Safe because the buffer is alive during the call.
            check(SHA256_Update(&context, buffer.baseAddress, buffer.count))
        }
    }

    /// Adds one byte.
    @inline(__always)
    public mutating func update(_ byte: UInt8) {
        var byte = byte
        // Safe because the byte outlives the call.
        check(SHA256_Update(&context, &byte, 1))
    }

    /// Adds a digest.
    @inline(__always)
    public mutating func update(_ digest: Digest) {
        digest.withBytes { update($0) }
    }

    /// The digest of all that was added.
    @inline(__always)
    public func finish() -> Digest {
        var context = context
        // Safe because SHA-256 writes exactly the thirty-two bytes of a digest.
        return Digest(filledBy: { check(SHA256_Final($0, &context)) })
    }

    private func check(_ result: Int32) {
        if result != 1 { bug("libcrypto failed to hash") }
    }
}

extension SHA256 {
    /// The digest of some bytes.
    public static func digest(_ bytes: Span<UInt8>) -> Digest {
        var state = SHA256()
        state.update(bytes)
        return state.finish()
    }

    /// The hash of a Merkle leaf, RFC 9162 §2.1.1: a byte 0, the bytes.
    public static func leaf(_ bytes: Span<UInt8>) -> Digest {
        var state = SHA256()
        state.update(0)
        state.update(bytes)
        return state.finish()
    }

    /// The hash of a Merkle node, RFC 9162 §2.1.1: a byte 1, the left digest, the right digest.
    public static func node(_ left: Digest, _ right: Digest) -> Digest {
        var state = SHA256()
        // Safe because the stack buffer has room for the 65 bytes that are written and hashed.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 + 2 * Digest.byteCount) {
            buffer in
            guard let start = buffer.baseAddress else { bug("an empty stack buffer") }
            start.initialize(to: 1)
            left.store(to: start + 1)
            right.store(to: start + 1 + Digest.byteCount)
            // Safe because all 65 bytes are written by now.
            state.update(Span(_unsafeElements: UnsafeBufferPointer(buffer)))
        }
        return state.finish()
    }

    /// The digest of an array.
    public static func digest(_ bytes: [UInt8]) -> Digest {
        digest(bytes.span)
    }
}

/// HMAC with SHA-256 (RFC 2104): the key is hashed once, each message goes on from there.
public struct HMACSHA256: Sendable {
    private static let blockByteCount = 64

    private var inner = SHA256()
    private var outer = SHA256()

    /// Prepares a key, which must not be empty.
    public init(key: Secret) {
        self.init(key: key.withBytes { Array(copying: $0) })
    }

    /// Prepares a key, which must not be empty.
    public init(key: [UInt8]) {
        if key.isEmpty { bug("HMAC with an empty key") }
        var block = key
        if key.count > HMACSHA256.blockByteCount { block = SHA256.digest(key).bytes }
        block += [UInt8](repeating: 0, count: HMACSHA256.blockByteCount - block.count)
        for index in block.indices { block[index] ^= 0x36 }
        inner.update(block.span)
        for index in block.indices { block[index] ^= 0x36 ^ 0x5C }
        outer.update(block.span)
        Secret.wipe(&block)
    }

    /// The tag of one message.
    public func tag(_ message: Span<UInt8>) -> Digest {
        var state = begin()
        state.update(message)
        return finish(state)
    }

    /// The tag of a message in two pieces, as a label and a value.
    public func tag(_ first: Span<UInt8>, _ second: Span<UInt8>) -> Digest {
        var state = begin()
        state.update(first)
        state.update(second)
        return finish(state)
    }

    /// Starts a tag over several pieces: add them, then give the state to `finish`.
    public func begin() -> SHA256 { inner }

    /// Ends a tag that `begin` started.
    public func finish(_ message: SHA256) -> Digest {
        var state = outer
        state.update(message.finish())
        return state.finish()
    }
}

/// AES-256-GCM with one key (NIST SP 800-38D): what it seals cannot be read or changed without it.
///
/// No nonce may be used twice with one key; the callers number what they seal.
public struct AES256GCM: Sendable {
    /// The bytes of a key.
    public static let keyByteCount = 32
    /// The bytes of a nonce.
    public static let nonceByteCount = 12
    /// How many bytes longer a box is than its content.
    public static let tagByteCount = 16

    private let key: Secret

    /// Takes a key of thirty-two bytes; any other count is a mistake of the caller.
    public init(key: Secret) {
        if key.byteCount != AES256GCM.keyByteCount { bug("an AES key of \(key.byteCount) bytes") }
        self.key = key
    }

    /// Appends the box of `content`: as many bytes, and the tag.
    public func seal(
        _ content: Span<UInt8>, nonce: Span<UInt8>, additional: Span<UInt8>,
        into box: inout [UInt8]
    ) {
        let start = box.count
        box += [UInt8](repeating: 0, count: content.count + AES256GCM.tagByteCount)
        let isSealed = withContext(nonce, encrypting: true) { context in
            content.withUnsafeBufferPointer { content in
                additional.withUnsafeBufferPointer { additional in
                    box.withUnsafeMutableBufferPointer { box in
                        // Safe because `box` has room for content and tag behind `start`, and
                        // GCM writes exactly as many bytes as it reads.
                        guard let base = box.baseAddress else { return false }
                        let tag = base + start + content.count
                        var count: Int32 = 0
                        return EVP_EncryptUpdate(
                            context, nil, &count, additional.baseAddress, Int32(additional.count))
                            == 1
                            && EVP_EncryptUpdate(
                                context, base + start, &count, content.baseAddress,
                                Int32(content.count)) == 1
                            && EVP_EncryptFinal_ex(context, tag, &count) == 1
                            && EVP_CIPHER_CTX_ctrl(
                                context, EVP_CTRL_AEAD_GET_TAG, Int32(AES256GCM.tagByteCount), tag)
                                == 1
                    }
                }
            }
        }
        if !isSealed { bug("libcrypto failed to encrypt") }
    }

    /// Appends the content of a box; false, and nothing is appended, when it is not authentic.
    public func open(
        _ box: Span<UInt8>, nonce: Span<UInt8>, additional: Span<UInt8>,
        into content: inout [UInt8]
    ) -> Bool {
        let count = box.count - AES256GCM.tagByteCount
        guard count >= 0, count <= Int(Int32.max) else { return false }
        let start = content.count
        content += [UInt8](repeating: 0, count: count)
        var tag = [UInt8](copying: box.extracting(count..<box.count))
        let isAuthentic = withContext(nonce, encrypting: false) { context in
            box.withUnsafeBufferPointer { box in
                additional.withUnsafeBufferPointer { additional in
                    content.withUnsafeMutableBufferPointer { content in
                        // Safe because `content` has room for `count` bytes behind `start`, and
                        // the tag is sixteen bytes that outlive the calls.
                        guard let base = content.baseAddress else { return count == 0 }
                        var written: Int32 = 0
                        var rest = [UInt8](repeating: 0, count: AES256GCM.tagByteCount)
                        return EVP_DecryptUpdate(
                            context, nil, &written, additional.baseAddress,
                            Int32(additional.count)) == 1
                            && EVP_DecryptUpdate(
                                context, base + start, &written, box.baseAddress, Int32(count))
                                == 1
                            && EVP_CIPHER_CTX_ctrl(
                                context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1
                            && EVP_DecryptFinal_ex(context, &rest, &written) == 1
                    }
                }
            }
        }
        if !isAuthentic { content.removeLast(count) }
        return isAuthentic
    }

    private func withContext(
        _ nonce: Span<UInt8>, encrypting: Bool, _ body: (OpaquePointer) -> Bool
    ) -> Bool {
        if nonce.count != AES256GCM.nonceByteCount { bug("a nonce of \(nonce.count) bytes") }
        // Safe because the context is checked here, used in this call only and freed at its end.
        guard let context = EVP_CIPHER_CTX_new() else { bug("libcrypto has no memory") }
        defer { EVP_CIPHER_CTX_free(context) }
        let isReady = key.withBytes { key in
            key.withUnsafeBufferPointer { key in
                nonce.withUnsafeBufferPointer { nonce in
                    // Safe because key and nonce have the lengths that the cipher reads.
                    EVP_CipherInit_ex(
                        context, EVP_aes_256_gcm(), nil, key.baseAddress, nonce.baseAddress,
                        encrypting ? 1 : 0) == 1
                }
            }
        }
        if !isReady { bug("libcrypto has no AES-256-GCM") }
        return body(context)
    }
}

/// Bytes that nobody can guess.
public enum RandomBytes {
    /// As many random bytes as asked for, from libcrypto's generator.
    public static func make(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // Safe because the array has exactly `count` bytes.
        guard RAND_bytes(&bytes, Int32(count)) == 1 else { bug("libcrypto has no random bytes") }
        return bytes
    }
}

extension [UInt8] {
    /// Copies the bytes of a span.
    public init(copying bytes: Span<UInt8>) {
        // Safe because the buffer is only read, during the call.
        self = bytes.withUnsafeBufferPointer { [UInt8]($0) }
    }
}
