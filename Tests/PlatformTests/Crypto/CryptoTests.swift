// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct CryptoTests {
    @Test func sha256GivesThePublishedDigests() {
        #expect(
            SHA256.digest([UInt8]()).hex()
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        // The second digest shows that the context is clean again.
        #expect(
            SHA256.digest(Array("abc".utf8)).hex()
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func leavesAndNodesAreHashedWithTheirPrefix() {
        let body = Array("body".utf8)
        #expect(SHA256.leaf(body) == SHA256.digest([0] + body))
        let left = SHA256.digest([1])
        let right = SHA256.digest([2])
        #expect(SHA256.node(left, right) == SHA256.digest([1] + left.bytes + right.bytes))
        #expect(SHA256.node(left, right) != SHA256.node(right, left))
        var state = SHA256()
        state.update(UInt8(1))
        let beginning = state
        state.update(left)
        state.update(right.bytes.span)
        #expect(state.finish() == SHA256.node(left, right))
        #expect(beginning.finish() == SHA256.digest([1]))
    }

    @Test func aDigestKeepsItsBytesInOrder() {
        let bytes = (0..<32).map { UInt8($0 * 7 & 255) }
        let digest = Digest(bytes: bytes.span)
        #expect(digest.bytes == bytes)
        #expect((0..<32).map { digest[byte: $0] } == bytes)
        #expect(Digest(hex: digest.hex()) == digest)
        #expect(Digest(hex: "00") == nil)
        #expect(Digest(array: [9] + bytes, at: 1) == digest)
        #expect(Digest.zero.bytes == [UInt8](repeating: 0, count: 32))
        #expect(digest.withBytes { Array(copying: $0) } == bytes)
        var writer = ByteWriter()
        writer.append(digest)
        #expect(writer.makeArray() == bytes)
    }

    @Test func hmacGivesTheTagsOfRFC4231() {
        let first = HMACSHA256(key: [UInt8](repeating: 0x0B, count: 20))
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        #expect(first.tag(Array("Hi There".utf8)).hex() == expected)
        // The key schedule survives a message, and pieces join.
        #expect(first.tag(Array("Hi ".utf8), Array("There".utf8)).hex() == expected)
        let second = HMACSHA256(key: Array("Jefe".utf8))
        #expect(
            second.tag(Array("what do ya want for nothing?".utf8).span).hex()
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let long = HMACSHA256(key: [UInt8](repeating: 0xAA, count: 131))
        #expect(
            long.tag(Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)).hex()
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test func ed25519GivesTheSignaturesOfRFC8032() throws {
        let seed = try #require(
            Hex.decode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"))
        let key = try Ed25519SigningKey(seed: seed)
        #expect(
            Hex.encode(key.publicKey.bytes)
                == "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
        let message: [UInt8] = [0xAF, 0x82]
        #expect(
            Hex.encode(key.sign(message.span))
                == "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
    }

    @Test func noBitOfAMessageOrSignatureCanBeFlipped() throws {
        let key = Ed25519SigningKey.generate()
        let publicKey = try Ed25519PublicKey(bytes: key.publicKey.bytes)
        let message = Array("group".utf8)
        let signature = key.sign(message.span)
        #expect(publicKey.verify(signature, message))
        for bit in 0..<(message.count * 8) {
            var altered = message
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!publicKey.verify(signature, altered))
        }
        for bit in 0..<(signature.count * 8) {
            var altered = signature
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!publicKey.verify(altered, message))
        }
        #expect(!publicKey.verify(Array(signature.dropLast()), message))
        #expect(!Ed25519SigningKey.generate().publicKey.verify(signature, message))
    }

    @Test func keysOfAWrongLengthOrFromNoPointAreRefused() {
        #expect(throws: CryptoError.wrongLength(expected: 32, actual: 31)) {
            try Ed25519SigningKey(seed: [UInt8](repeating: 1, count: 31))
        }
        #expect(throws: CryptoError.badPublicKey) {
            try Ed25519PublicKey(bytes: [UInt8](repeating: 0, count: 32))
        }
    }

    @Test func aSigningKeyIsNotPrinted() {
        let key = Ed25519SigningKey.generate()
        var dumped = ""
        dump(key, to: &dumped)
        #expect("\(key)" == "***")
        #expect(String(reflecting: key) == "***")
        #expect(!dumped.contains("seed"))
    }

    @Test func randomBytesDiffer() {
        #expect(RandomBytes.make(16) != RandomBytes.make(16))
        #expect(RandomBytes.make(0).isEmpty)
    }
}
