// SPDX-License-Identifier: Apache-2.0

/// Reads a compressed stream piece by piece in bounded memory, for one thread.
///
/// Several gzip members or zstd frames behind each other are one stream, as `gzip` and `zstd` see
/// it.
public final class Decompressor {
    /// The formats that log rotation writes.
    public enum Format: Sendable, Hashable, CaseIterable {
        case gzip, zstd

        /// Recognises a format by the first bytes; nil for everything else.
        public init?(head: Span<UInt8>) {
            for format in Format.allCases {
                let magic = format.magic
                guard head.count >= magic.count else { continue }
                if magic.indices.allSatisfy({ head[$0] == magic[$0] }) {
                    self = format
                    return
                }
            }
            return nil
        }

        private var magic: [UInt8] {
            switch self {
            case .gzip: [0x1F, 0x8B]
            case .zstd: [0x28, 0xB5, 0x2F, 0xFD]
            }
        }
    }

    /// What one call came to.
    public struct Step: Sendable, Hashable {
        /// How many bytes of the input were read.
        public var readCount: Int
        /// True when a whole member or frame ended here, with the right checksum.
        public var isFrameEnd: Bool
    }

    private enum Engine {
        case gzip(GzipDecoder)
        case zstd(ZstdStreamDecoder)
    }

    private let engine: Engine

    /// Expects the beginning of a stream.
    public init(_ format: Format) {
        switch format {
        case .gzip: engine = .gzip(GzipDecoder())
        case .zstd: engine = .zstd(ZstdStreamDecoder())
        }
    }

    /// Reads some of `bytes[start...]` and appends at most `room` bytes to the output.
    ///
    /// A call that neither reads nor writes anything wants more input. Throws when the bytes are
    /// no stream of the format; what was appended before is still right.
    public func decompress(
        _ bytes: Span<UInt8>, from start: Int, room: Int, into output: inout [UInt8]
    ) throws(CompressionError) -> Step {
        switch engine {
        case .gzip(let decoder):
            try decoder.decompress(bytes, from: start, room: room, into: &output)
        case .zstd(let decoder):
            try decoder.decompress(bytes, from: start, room: room, into: &output)
        }
    }
}
