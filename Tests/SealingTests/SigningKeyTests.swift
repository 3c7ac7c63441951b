// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sealing

struct SigningKeyTests {
    @Test func theKeyFileOfTheExamplesGivesTheirVerifierKey() throws {
        let facts = try JSONText("key.json")
        let key = try SigningKey(text: facts["key_file"] + "\n")
        #expect(key.verifierKey.text == facts["verifier_key"])
        #expect(key.name == "idp1.example.com")
        #expect(key.keyID == 0x329f_d991)
        let text = key.text.withBytes { String(decoding: Array(copying: $0), as: UTF8.self) }
        #expect(text == facts["key_file"])
        #expect(try VerifierKey(text: facts["verifier_key"]) == key.verifierKey)
    }

    @Test func aKeyIsNeverPrinted() throws {
        let key = try SealFixture.key()
        var shown = ""
        dump(key, to: &shown)
        #expect("\(key)" == "***")
        #expect(!shown.contains("AQAB"))
        #expect(!shown.contains("[0"))
    }

    @Test(arguments: [
        "", "sealtail-a", "a b", "a+b", "a\"b", "a\\b", "a\u{7F}", "ä", "a\nb",
        String(repeating: "a", count: 254),
    ])
    func namesThatNoKeyMayHaveAreRefused(_ name: String) {
        #expect(throws: SealingError.self) { try SigningKey.generate(name: name) }
    }

    @Test(arguments: ["a", "a/b", "idp1.example.com", "a/main/b", "!~", "sealtail"])
    func namesThatAKeyMayHaveAreTaken(_ name: String) throws {
        let key = try SigningKey.generate(name: name)
        #expect(try VerifierKey(text: key.verifierKey.text) == key.verifierKey)
        let stream = StreamName.make(name: name, epoch: StreamName.makeEpoch())
        #expect(StreamName.split(stream)?.name == name)
    }

    @Test(arguments: [
        "a/main/0123456789abcde", "a/main/0123456789ABCDEF", "/main/0123456789abcdef",
        "a/main/0123456789abcdef ", "a/side/0123456789abcdef", "a+/main/0123456789abcdef", "",
        "\u{212A}/main/0123456789abcdef",
    ])
    func otherTextsAreNoStreams(_ text: String) {
        #expect(StreamName.split(text) == nil)
    }

    @Test func keysThatWereNotCopiedWholeAreRefusedWithAWayOut() throws {
        let facts = try JSONText("key.json")
        let (file, verifier) = (facts["key_file"], facts["verifier_key"])
        for text in [
            String(file.dropLast()), String(file.dropFirst()), file + "A",
            file.replacing("329fd991", with: "329fd992"), file.replacing("idp1", with: "idp2"),
            file.replacing("+AQAB", with: "+AgAB"), "PRIVATE+KEY+a+b", "", verifier,
        ] {
            let error = #expect(throws: SealingError.self) { try SigningKey(text: text) }
            #expect(error?.code == .badKey)
            #expect(error?.description.contains("AQAB") == false)
        }
        for text in [
            String(verifier.dropLast()), verifier + "=", "a+" + verifier,
            verifier.replacing("329fd991", with: "329FD991"), "", file,
            verifier.replacing("+AQOh", with: "+AgOh"),
        ] {
            #expect(throws: SealingError.self) { try VerifierKey(text: text) }
        }
    }

    /// The power was lost while the first key was made, and no start would go on from there.
    @Test func anEmptyKeyFileIsMadeAnew() throws {
        let folder = try TemporaryFolder()
        let path = folder("signing.key")
        try folder.write("signing.key", "")
        try FileSystem.setPermissions(path, 0o600)
        let made = try SigningKey.loadOrCreate(path, name: "idp1.example.com")
        #expect(made.isNew && FileSystem.exists(path))
        #expect(try SigningKey.load(path).verifierKey == made.key.verifierKey)
        try folder.write("signing.key", "PRIVATE+")
        #expect(throws: SealingError.self) {
            try SigningKey.loadOrCreate(path, name: "idp1.example.com")
        }
    }

    @Test func aKeyFileIsMadeOnceAndReadAgain() throws {
        let folder = try TemporaryFolder()
        let path = folder("signing.key")
        let made = try SigningKey.loadOrCreate(path, name: "idp1.example.com")
        #expect(made.isNew)
        #expect(try FileSystem.status(path).permissions == 0o600)
        let read = try SigningKey.loadOrCreate(path, name: "idp1.example.com")
        #expect(!read.isNew)
        #expect(read.key.verifierKey == made.key.verifierKey)
        let other = #expect(throws: SealingError.self) {
            try SigningKey.loadOrCreate(path, name: "idp2.example.com")
        }
        #expect(other?.code == .otherName)
        let again = #expect(throws: SealingError.self) { try made.key.create(path) }
        #expect(again?.code == .exists)
        #expect(try SigningKey.load(path).verifierKey == made.key.verifierKey)
    }

    @Test func aKeyFileThatOthersCanReadIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder("signing.key")
        try SigningKey.generate(name: "a").create(path)
        for mode: UInt32 in [0o644, 0o640, 0o604, 0o660, 0o602] {
            try FileSystem.setPermissions(path, mode)
            let error = #expect(throws: SealingError.self) { try SigningKey.load(path) }
            #expect(error?.code == .permissions)
            #expect(error?.description.contains("chmod 600") == true)
        }
        try FileSystem.setPermissions(path, 0o400)
        #expect(throws: Never.self) { try SigningKey.load(path) }
    }

    @Test func aKeyFileThatIsNoneIsRefused() throws {
        let folder = try TemporaryFolder()
        let missing = #expect(throws: SealingError.self) {
            try SigningKey.load(folder("absent"))
        }
        #expect(missing?.code == .unreadable)
        #expect(missing?.description.contains("sealtail keygen") == true)
        let directory = #expect(throws: SealingError.self) { try SigningKey.load(folder.path) }
        #expect(directory?.code == .unreadable)
        for bytes in [[], [0xFF, 0xFE], [UInt8](repeating: 0x41, count: 10_000)] {
            try folder.write("bad", bytes)
            try FileSystem.setPermissions(folder("bad"), 0o600)
            let error = #expect(throws: SealingError.self) { try SigningKey.load(folder("bad")) }
            #expect(error?.code == .badKey)
            #expect(error?.description.hasPrefix(folder("bad")) == true)
        }
        let nowhere = #expect(throws: SealingError.self) {
            try SigningKey.generate(name: "a").create(folder("no/such/folder"))
        }
        #expect(nowhere?.code == .unreadable)
    }
}
