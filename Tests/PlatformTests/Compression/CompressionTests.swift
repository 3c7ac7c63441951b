// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct CompressionTests {
    private static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    @Test func crc32cGivesTheCheckValue() {
        let bytes = Array("123456789".utf8)
        #expect(CRC32C.checksum(bytes) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8]()) == 0)
        let first = CRC32C.checksum(Array(bytes[0..<4]))
        #expect(CRC32C.checksum(Array(bytes[4...]), continuing: first) == 0xE306_9283)
    }

    @Test(arguments: [0, 1, 100, 65_535, 65_536, 300_000])
    func zstdGivesBackWhatItWasGiven(count: Int) throws {
        let encoder = ZstdEncoder()
        let decoder = ZstdDecoder()
        for bytes in [[UInt8](repeating: 65, count: count), Self.noise(count, seed: 7)] {
            var packed: [UInt8] = [1, 2, 3]
            encoder.compress(bytes.span, into: &packed)
            #expect(packed.prefix(3) == [1, 2, 3])
            var unpacked = [UInt8]()
            let frame = Array(packed.dropFirst(3))
            try decoder.decompress(frame.span, byteCount: count, into: &unpacked)
            #expect(unpacked == bytes)
        }
    }

    @Test func zstdRefusesDamageAndWrongCounts() {
        let bytes = Self.noise(1000, seed: 3)
        var packed = [UInt8]()
        ZstdEncoder().compress(bytes.span, into: &packed)
        let decoder = ZstdDecoder()
        var output: [UInt8] = [9]
        #expect(throws: CompressionError.wrongLength(expected: 1001, actual: 1000)) {
            try decoder.decompress(packed.span, byteCount: 1001, into: &output)
        }
        #expect(throws: CompressionError.self) {
            try decoder.decompress(packed.span, byteCount: 999, into: &output)
        }
        let cut = Array(packed.dropLast())
        #expect(throws: CompressionError.self) {
            try decoder.decompress(cut.span, byteCount: 1000, into: &output)
        }
        #expect(output == [9])
    }

    // The trailer of RFC 1952 is the checksum and the count, least significant byte first. That
    // the deflate stream between is sound is for `gzip -t` to say, in the end-to-end tests.
    @Test(arguments: [0, 1, 1000, 70_000, 1_000_000])
    func gzipWritesOneMemberWithItsLength(count: Int) {
        let bytes = Self.noise(count, seed: 5)
        var packed = [UInt8]()
        GzipEncoder().compress(bytes.span, into: &packed)
        #expect(packed.prefix(3) == [0x1F, 0x8B, 8])
        let length = packed.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(length == count)
        #expect(packed.count >= count && packed.count < count + count / 1000 + 400)
    }

    // Codes made for text would make noise longer; it is stored instead.
    @Test func gzipStoresWhatItsCodesDoNotFit() {
        let text = Array(String(repeating: "{\"user\":\"alice\"}\n", count: 10_000).utf8)
        let encoder = GzipEncoder()
        var packed = [UInt8]()
        encoder.compress(text.span, into: &packed)
        let noise = Self.noise(200_000, seed: 9)
        packed = []
        encoder.compress(noise.span, into: &packed)
        #expect(packed.count >= noise.count && packed.count < noise.count + 600)
    }

    @Test func gzipMakesTextSmaller() {
        let bytes = Array(String(repeating: "{\"user\":\"alice\"}\n", count: 10_000).utf8)
        var packed = [UInt8]()
        let encoder = GzipEncoder()
        encoder.compress(bytes.span, into: &packed)
        #expect(packed.count < bytes.count / 50)
        var again = [UInt8]()
        encoder.compress(bytes.span, into: &again)
        #expect(again == packed)
    }

    // MARK: Streams

    private static func pack(_ bytes: [UInt8], _ format: Decompressor.Format) -> [UInt8] {
        var packed = [UInt8]()
        switch format {
        case .gzip: GzipEncoder().compress(bytes.span, into: &packed)
        case .zstd: ZstdEncoder().compress(bytes.span, into: &packed)
        }
        return packed
    }

    /// Unpacks in pieces of the input and of the output.
    private static func unpack(
        _ packed: [UInt8], _ format: Decompressor.Format, piece: Int, room: Int
    ) throws -> (bytes: [UInt8], isWhole: Bool) {
        let decompressor = Decompressor(format)
        var output = [UInt8]()
        var start = 0
        var stop = 0
        var isWhole = false
        while true {
            let before = output.count
            let block = Array(packed[..<stop])
            let step = try decompressor.decompress(
                block.span, from: start, room: room, into: &output)
            #expect(output.count - before <= room)
            start += step.readCount
            isWhole = step.isFrameEnd
            if isWhole, start == packed.count { break }
            if step.readCount == 0, output.count == before, !isWhole {
                if stop == packed.count { break }
                stop = min(packed.count, stop + piece)
            }
        }
        return (output, isWhole)
    }

    @Test(arguments: Decompressor.Format.allCases, [1, 7, 4096])
    func aStreamIsReadInPiecesOfAnySize(format: Decompressor.Format, piece: Int) throws {
        for bytes in [[], [UInt8](repeating: 65, count: 9000), Self.noise(3000, seed: 5)] {
            let packed = Self.pack(bytes, format)
            #expect(Decompressor.Format(head: packed.span) == format)
            let result = try Self.unpack(packed, format, piece: piece, room: 512)
            #expect(result.bytes == bytes)
            #expect(result.isWhole)
        }
    }

    @Test(arguments: Decompressor.Format.allCases)
    func aStreamOfSeveralFramesIsOne(format: Decompressor.Format) throws {
        let packed = Self.pack([1, 2, 3], format) + Self.pack([4, 5], format)
        let result = try Self.unpack(packed, format, piece: 3, room: 100)
        #expect(result.bytes == [1, 2, 3, 4, 5])
    }

    @Test(arguments: Decompressor.Format.allCases)
    func aCutStreamGivesWhatIsThereAndNoEnd(format: Decompressor.Format) throws {
        let bytes = Self.noise(5000, seed: 9)
        let packed = Self.pack(bytes, format)
        let cut = Array(packed[..<(packed.count / 2)])
        let result = try Self.unpack(cut, format, piece: 64, room: 512)
        #expect(!result.isWhole)
        #expect(bytes.starts(with: result.bytes))
    }

    @Test(arguments: Decompressor.Format.allCases)
    func mutationOfAStreamNeverTrapsNorInventsAWholeOne(format: Decompressor.Format) {
        let bytes = Self.noise(400, seed: 11) + [UInt8](repeating: 66, count: 400)
        let packed = Self.pack(bytes, format)
        for place in packed.indices {
            var damaged = packed
            damaged[place] ^= 1 << UInt8(place % 8)
            let result = try? Self.unpack(damaged, format, piece: 4096, room: 1024)
            // A changed header may say something else about the same content.
            if let result, result.isWhole, format == .gzip { #expect(result.bytes == bytes) }
        }
    }
}
