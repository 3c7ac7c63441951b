// SPDX-License-Identifier: Apache-2.0
import CZstd

/// Compressed bytes that cannot be read.
public enum CompressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are not one whole frame of the format; the reason is the library's.
    case damaged(String)
    /// The frame holds another number of bytes than was said to be in it.
    case wrongLength(expected: Int, actual: Int)

    /// A bounded word for metrics.
    public var code: String {
        switch self {
        case .damaged: "damaged"
        case .wrongLength: "wrong_length"
        }
    }

    /// One sentence that says what is wrong.
    public var description: String {
        switch self {
        case .damaged(let reason):
            "the compressed bytes are damaged: \(reason); restore them from a copy"
        case .wrongLength(let expected, let actual):
            "the compressed bytes hold \(actual) bytes where \(expected) were stored; "
                + "restore them from a copy"
        }
    }
}

/// Compresses for the disk, for one thread; its memory is used again.
public final class ZstdEncoder {
    // Safe because init makes it and deinit frees it; the class is not shared between threads.
    private let context: OpaquePointer
    private let level: Int32

    /// Makes an encoder; levels go from 19, the smallest result, over 1 to -7, the least work.
    public init(level: Int = 1) {
        // Safe because the object is checked here and freed only in deinit.
        guard let context = ZSTD_createCCtx() else { bug("no memory for zstd") }
        self.context = context
        self.level = Int32(max(-7, min(19, level)))
    }

    deinit {
        // Safe because nobody else holds the context.
        ZSTD_freeCCtx(context)
    }

    /// Appends one frame that holds the bytes and says how many they are.
    public func compress(_ bytes: Span<UInt8>, into output: inout [UInt8]) {
        let bound = ZSTD_compressBound(bytes.count)
        output.append(addingCapacity: bound) { free in
            free.withUnsafeMutableBufferPointer { buffer, used in
                // Safe because `bound` bytes are free behind what is used.
                let room = buffer.baseAddress.map { UnsafeMutableRawPointer($0 + used) }
                let count = bytes.withUnsafeBytes {
                    ZSTD_compressCCtx(context, room, bound, $0.baseAddress, $0.count, level)
                }
                if ZSTD_isError(count) != 0 { bug("zstd did not compress") }
                used += count
            }
        }
    }
}

/// Reads what `ZstdEncoder` wrote, for one thread.
public final class ZstdDecoder {
    // Safe because init makes it and deinit frees it; the class is not shared between threads.
    private let context: OpaquePointer

    /// Makes a decoder.
    public init() {
        // Safe because the object is checked here and freed only in deinit.
        guard let context = ZSTD_createDCtx() else { bug("no memory for zstd") }
        self.context = context
    }

    deinit {
        // Safe because nobody else holds the context.
        ZSTD_freeDCtx(context)
    }

    /// Appends the `byteCount` bytes that one frame must hold, never more.
    ///
    /// The count comes from the caller, who has bounded it; the frame's own claim is not trusted.
    /// After an error the output is as it was.
    public func decompress(
        _ bytes: Span<UInt8>, byteCount: Int, into output: inout [UInt8]
    ) throws(CompressionError) {
        var result = 0
        output.append(addingCapacity: byteCount) { free in
            free.withUnsafeMutableBufferPointer { buffer, used in
                // Safe because `byteCount` bytes are free behind what is used.
                let room = buffer.baseAddress.map { UnsafeMutableRawPointer($0 + used) }
                result = bytes.withUnsafeBytes {
                    ZSTD_decompressDCtx(context, room, byteCount, $0.baseAddress, $0.count)
                }
                if ZSTD_isError(result) == 0, result == byteCount { used += result }
            }
        }
        guard ZSTD_isError(result) == 0 else {
            // Safe because the name is a constant of the library.
            throw .damaged(String(cString: ZSTD_getErrorName(result)))
        }
        guard result == byteCount else {
            throw .wrongLength(expected: byteCount, actual: result)
        }
    }
}

/// Reads zstd files piece by piece, for one thread. See `Decompressor`.
final class ZstdStreamDecoder {
    // What `zstd -19` asks for. A frame that wants a longer window is refused.
    private static let windowLogLimit: Int32 = 23

    // Safe because init makes it and deinit frees it; the class is not shared between threads.
    private let context: OpaquePointer

    init() {
        // Safe because the object is checked here and freed only in deinit.
        guard let context = ZSTD_createDCtx() else { bug("no memory for zstd") }
        self.context = context
        _ = ZSTD_DCtx_setParameter(
            context, ZSTD_d_windowLogMax, ZstdStreamDecoder.windowLogLimit)
    }

    deinit {
        // Safe because nobody else holds the context.
        ZSTD_freeDCtx(context)
    }

    /// Reads some of `bytes[start...]` and writes at most `room` bytes; says how much of both.
    func decompress(
        _ bytes: Span<UInt8>, from start: Int, room: Int, into output: inout [UInt8]
    ) throws(CompressionError) -> Decompressor.Step {
        var used = 0
        var result = 0
        let rest = bytes.extracting(start..<bytes.count)
        output.append(addingCapacity: room) { free in
            free.withUnsafeMutableBufferPointer { buffer, written in
                // Safe because `room` bytes are free behind what is written, and the library
                // reads and writes no more than the two structures say.
                let target = buffer.baseAddress.map { UnsafeMutableRawPointer($0 + written) }
                var out = ZSTD_outBuffer(dst: target, size: room, pos: 0)
                rest.withUnsafeBytes { source in
                    var input = ZSTD_inBuffer(
                        src: source.baseAddress, size: source.count, pos: 0)
                    result = ZSTD_decompressStream(context, &out, &input)
                    used = input.pos
                }
                written += out.pos
            }
        }
        guard ZSTD_isError(result) == 0 else {
            // Safe because the name is a constant of the library.
            throw .damaged(String(cString: ZSTD_getErrorName(result)))
        }
        return Decompressor.Step(readCount: used, isFrameEnd: result == 0)
    }
}
