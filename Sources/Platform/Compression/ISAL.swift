// SPDX-License-Identifier: Apache-2.0
import CISAL

/// The checksum of RFC 3720 (Castagnoli), as stored beside everything on disk.
public enum CRC32C {
    // The library counts in a C int.
    private static let pieceByteLimit = 1 << 30

    /// The checksum of some bytes; with the checksum of what came before, of both together.
    public static func checksum(_ bytes: Span<UInt8>, continuing: UInt32 = 0) -> UInt32 {
        var state = ~continuing
        // Safe because ISA-L reads exactly the bytes of the buffer, during the call.
        bytes.withUnsafeBufferPointer { buffer in
            var start = 0
            while start < buffer.count {
                let count = min(pieceByteLimit, buffer.count - start)
                // Safe because the piece lies in the buffer; the library only reads it, although
                // its declaration does not say const.
                state = crc32_iscsi(
                    UnsafeMutablePointer(mutating: buffer.baseAddress?.advanced(by: start)),
                    Int32(count), state)
                start += count
            }
        }
        return ~state
    }
}

/// Compresses request bodies, for one thread; its memory is used again.
public final class GzipEncoder {
    // A longer body becomes several gzip members, which RFC 1952 reads as one file.
    private static let memberByteLimit = 1 << 30

    // Safe because init makes it and deinit frees it; the class is not shared between threads.
    private let stream: OpaquePointer

    /// Makes an encoder; level 0 is the fastest, 1 the usual one.
    public init(level: Int = 1) {
        // Safe because the object is checked here and freed only in deinit.
        guard let stream = sealtail_gzip_open(Int32(max(0, min(1, level)))) else {
            bug("no memory for gzip")
        }
        self.stream = stream
    }

    deinit {
        // Safe because nobody else holds the stream.
        sealtail_gzip_close(stream)
    }

    /// Appends a whole gzip file that holds the bytes.
    public func compress(_ bytes: Span<UInt8>, into output: inout [UInt8]) {
        var start = 0
        repeat {
            let count = min(GzipEncoder.memberByteLimit, bytes.count - start)
            compress(bytes, start..<(start + count), into: &output)
            start += count
        } while start < bytes.count
    }

    private func compress(_ bytes: Span<UInt8>, _ range: Range<Int>, into output: inout [UInt8]) {
        let bound = sealtail_gzip_bound(range.count)
        output.append(addingCapacity: bound) { free in
            free.withUnsafeMutableBufferPointer { buffer, used in
                // Safe because `bound` bytes are free behind what is used.
                let room = buffer.baseAddress.map { $0 + used }
                let count = bytes.extracting(range).withUnsafeBufferPointer {
                    sealtail_gzip_compress(stream, $0.baseAddress, $0.count, room, bound)
                }
                if count == 0 { bug("gzip did not compress") }
                used += count
            }
        }
    }
}

/// Reads gzip files piece by piece, for one thread. See `Decompressor`.
final class GzipDecoder {
    // Safe because init makes it and deinit frees it; the class is not shared between threads.
    private let stream: OpaquePointer
    private var isAtStart = true

    init() {
        // Safe because the object is checked here and freed only in deinit.
        guard let stream = sealtail_gunzip_open() else { bug("no memory for gzip") }
        self.stream = stream
    }

    deinit {
        // Safe because nobody else holds the stream.
        sealtail_gunzip_close(stream)
    }

    /// Reads some of `bytes[start...]` and writes at most `room` bytes; says how much of both.
    func decompress(
        _ bytes: Span<UInt8>, from start: Int, room: Int, into output: inout [UInt8]
    ) throws(CompressionError) -> Decompressor.Step {
        if isAtStart { sealtail_gunzip_reset(stream) }
        isAtStart = false
        var used = 0
        var result: Int32 = 0
        let rest = bytes.extracting(start..<bytes.count)
        output.append(addingCapacity: room) { free in
            free.withUnsafeMutableBufferPointer { buffer, written in
                var made = 0
                // Safe because `room` bytes are free behind what is written, and the library
                // reads and writes no more than it is told.
                let target = buffer.baseAddress.map { $0 + written }
                result = rest.withUnsafeBufferPointer {
                    sealtail_gunzip_step(
                        stream, $0.baseAddress, $0.count, &used, target, room, &made)
                }
                written += made
            }
        }
        guard result >= 0 else { throw .damaged("gzip error \(result)") }
        isAtStart = result == 1
        return Decompressor.Step(readCount: used, isFrameEnd: result == 1)
    }
}
