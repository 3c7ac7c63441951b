// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// A key whose bytes count up from `first`.
func testKey(_ first: UInt8) -> EncryptionKey? {
    EncryptionKey(Secret((0..<32).map { first &+ $0 }))
}

func testRing(_ first: UInt8, previous: [UInt8] = []) throws -> EncryptionKeyRing {
    EncryptionKeyRing(
        current: try #require(testKey(first)), previous: previous.compactMap { testKey($0) })
}

extension LedgerConfiguration {
    func encrypted(_ ring: EncryptionKeyRing?) -> LedgerConfiguration {
        var configuration = self
        configuration.encryption = ring
        return configuration
    }
}

struct EncryptionTests {
    // Made with the Python package cryptography.
    @Test func knownBoxesAreMadeAndOpened() throws {
        let cipher = AES256GCM(key: Secret(Array(0..<32)))
        let nonce = [UInt8](100..<112)
        for (content, label, expected) in [
            (
                "fifteen bytes..", "label",
                "2e72b8121c8c38be5c1b2b8da94b4482d73e8f1b5f2a6562ea21994264b949"
            ),
            ("", "", "609bd50f6ad76df665f048ba8c5fd706"),
        ] {
            let bytes = Array(content.utf8)
            let additional = Array(label.utf8)
            var box: [UInt8] = []
            cipher.seal(bytes.span, nonce: nonce.span, additional: additional.span, into: &box)
            #expect(Hex.encode(box) == expected)
            var opened: [UInt8] = [7]
            #expect(
                cipher.open(box.span, nonce: nonce.span, additional: additional.span, into: &opened)
            )
            #expect(opened == [7] + bytes)
        }
        #expect(testKey(0)?.name == "20c90f0d")
        let line = try #require(
            Hex.decode(
                "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
                    + "b79b2f8e8be15af0a1ff734deb0ab052ed1b7d776448b0a8241a17fc909838"))
        let key = try #require(testKey(0))
        let expected = Array("{\"sink\":\"siem\"}".utf8)
        #expect(EncryptedLine.open(line, label: "siem", key: key) == expected)
        #expect(EncryptedLine.open(line, label: "other", key: key) == nil)
    }

    @Test func aChangedBoxIsNotOpened() {
        let cipher = AES256GCM(key: Secret(Array(0..<32)))
        let nonce = [UInt8](repeating: 3, count: 12)
        let content = [UInt8](0..<20)
        let additional = [UInt8](0..<5)
        var box: [UInt8] = []
        cipher.seal(content.span, nonce: nonce.span, additional: additional.span, into: &box)
        for place in box.indices {
            var changed = box
            changed[place] ^= 1
            var opened: [UInt8] = []
            #expect(
                !cipher.open(
                    changed.span, nonce: nonce.span, additional: additional.span, into: &opened))
            #expect(opened.isEmpty)
        }
        var opened: [UInt8] = []
        let cut = Array(box.dropLast())
        #expect(
            !cipher.open(cut.span, nonce: nonce.span, additional: additional.span, into: &opened))
        #expect(
            !cipher.open(box.span, nonce: nonce.span, additional: nonce.span, into: &opened))
    }

    @Test func keysAreReadAsHexadecimalAndAsBase64AndNothingElse() throws {
        let bytes = [UInt8](0..<32)
        let key = try #require(testKey(0))
        for text in [Hex.encode(bytes), Hex.encode(bytes) + "\n", Base64.encode(bytes)] {
            #expect(EncryptionKey(text: Secret(Array(text.utf8))) == key)
        }
        for text in ["", "short", Hex.encode(bytes.dropLast() + []), "zz" + Hex.encode(bytes)] {
            #expect(EncryptionKey(text: Secret(Array(text.utf8))) == nil)
        }
    }

    @Test func nothingInTheFilesCanBeRead() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 1)
        let configuration = LedgerConfiguration.small().encrypted(try testRing(1))
        let (ledger, _) = try openLedger(disk, configuration)
        for index in 0..<20 { try ledger.append(maker.make(count: 5, offset: UInt64(index))) }
        // Damage is set aside as it lies.
        let path = "ledger/" + SegmentName.name(of: 2)
        try ledger.close()
        var bytes = try #require(disk[path])
        bytes[bytes.count / 2] ^= 1
        disk[path] = bytes
        let (second, recovered) = try openLedger(disk, configuration)
        #expect(recovered.nextSequence == 100)
        #expect(recovered.positions == [filePosition(offset: 19)])
        #expect(try second.sequence().count < 100)
        #expect(disk.paths.contains { $0.hasSuffix(".bad") })
        let needles = [maker.stream, "keycloak", "{\"n\":"].map { Array($0.utf8) }
        for path in disk.paths where !path.hasSuffix("cursors") {
            let content = try #require(disk[path])
            for needle in needles {
                #expect(ByteSearch.first(needle.span, in: content.span, 0..<content.count) == nil)
            }
        }
    }

    @Test func noNonceComesTwiceWithOneSalt() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 2)
        let configuration = LedgerConfiguration.small().encrypted(try testRing(1))
        for _ in 0..<3 {
            let (ledger, _) = try openLedger(disk, configuration)
            for _ in 0..<10 { try ledger.append(maker.make(count: 5)) }
            disk.failOnce(.synchronize, .inputOutput)
            let batch = maker.make(count: 2)
            #expect(throws: LedgerError.self) { try ledger.append(batch) }
            disk.heal()
            try ledger.append(batch)
        }
        var seen: Set<[UInt8]> = []
        for path in disk.paths where path.hasSuffix(".seg") {
            let bytes = try #require(disk[path])
            let reader = SegmentReader(
                file: try disk.open(path, isWritable: false),
                number: try #require(SegmentName.number(of: FileSystem.name(of: path))))
            var offset = 0
            while case .frame(let header, let payload) = try reader.step(
                at: offset, limit: bytes.count)
            {
                #expect(header.keyID == configuration.encryption?.current.id)
                let nonceAndSalt = bytes[offset + 48..<offset + 60] + payload[8..<40]
                #expect(seen.insert(Array(nonceAndSalt)).inserted)
                offset += header.frameByteCount
            }
        }
        #expect(seen.count > 30)
    }

    @Test func aMissingKeyIsASentenceAndChangesNothing() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 3)
        let old = LedgerConfiguration.small().encrypted(try testRing(1))
        let (ledger, _) = try openLedger(disk, old)
        for _ in 0..<20 { try ledger.append(maker.make(count: 5)) }
        let files = disk.paths.map { ($0, disk[$0]) }
        for ring in [nil, try testRing(2)] {
            let error = #expect(throws: LedgerError.self) {
                try openLedger(disk, .small().encrypted(ring))
            }
            #expect(error?.code == "key_missing" && error?.exitCode == .configuration)
            let name = try #require(testKey(1)).name
            #expect(
                error?.description.contains("encrypted with the key \(name), which") == true)
            #expect(error?.description.contains("ledger.encryption.previous_keys") == true)
        }
        #expect(disk.paths == files.map(\.0) && disk.paths.allSatisfy { disk[$0] != nil })
        for (path, bytes) in files { #expect(disk[path] == bytes, "\(path)") }
    }

    @Test func aNewKeyBeginsWithANewSegmentAndTheOldOneReadsOn() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 4)
        func segments(_ ring: EncryptionKeyRing?) throws -> Ledger {
            let (ledger, recovered) = try openLedger(disk, .small().encrypted(ring))
            #expect(recovered.nextSequence == maker.next)
            for index in 0..<8 { try ledger.append(maker.make(count: 5, offset: UInt64(index))) }
            return ledger
        }
        // In clear first, then two keys, then in clear again.
        _ = try segments(nil)
        _ = try segments(try testRing(1))
        _ = try segments(try testRing(2, previous: [1]))
        let last = try segments(try testRing(3, previous: [1, 2]))
        #expect(try last.sequence() == Array(0..<160))
        // When no sink needs them any more, old keys may go.
        let end = try #require(try last.frames().last).next
        for sink in ["siem", "archive"] { try last.advance(sink, to: SinkCursor(place: end)) }
        try last.close()
        _ = try openLedger(disk, .small().encrypted(try testRing(3)))
        // But not while one does.
        let error = #expect(throws: LedgerError.self) {
            try openLedger(disk.copy(), .small().encrypted(try testRing(4)))
        }
        #expect(error?.code == "key_missing")
    }

    @Test func aDamagedHeaderOfASegmentCostsNoOtherFrame() throws {
        let disk = MemoryDisk()
        var maker = BatchMaker(seed: 5)
        let configuration = LedgerConfiguration.small().encrypted(try testRing(1))
        let (ledger, _) = try openLedger(disk, configuration)
        for _ in 0..<4 { try ledger.append(maker.make(count: 5)) }
        try ledger.close()
        let path = "ledger/" + SegmentName.name(of: 1)
        var bytes = try #require(disk[path])
        for place in 64..<120 { bytes[place] = 0 }
        disk[path] = bytes
        let (second, _) = try openLedger(disk, configuration)
        #expect(try second.sequence() == Array(0..<20))
    }

    @Test func theExampleOfThePageIsReadWithItsKey() throws {
        let frame = try #require(try encryptedExample())
        guard case .header(let header) = reading(frame) else {
            Issue.record("no header")
            return
        }
        let payload = Array(frame[64...])
        #expect(header.matches(payload: payload.span) && header.number == 1)
        let batch = try BatchFormat.decode(header, payload: payload, keys: try testRing(0))
        #expect(batch.sinks == ["siem"] && batch.events.count == 1)
        #expect(throws: FrameProblem.locked(header.keyID)) {
            try BatchFormat.decode(header, payload: payload)
        }
        // The same salt and number give the same bytes.
        var output = ByteWriter()
        BatchFormat.encode(batch, compressor: nil, into: &output)
        BatchFormat.finish(
            &output, codec: .raw, segment: 1, streamID: FrameHeader.streamID(batch.stream),
            first: 0, count: 1, number: 1,
            cipher: SegmentCipher(try #require(testKey(0)), salt: Array(32..<64)))
        #expect(output.makeArray() == frame)
    }
}
