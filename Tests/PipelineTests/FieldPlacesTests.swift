// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import Sealing
import Sinks
import Testing

/// The places that the encoder takes down must be those that a walk over the body finds.
struct FieldPlacesTests {
    private static let root: String = {
        var folder = FileSystem.folder(of: #filePath)
        while !FileSystem.exists(folder + "/parsers/keycloak.yaml"), folder.count > 1 {
            folder = FileSystem.folder(of: folder)
        }
        return folder
    }()

    /// All records of a parser's fixtures, parsed and encoded as one batch.
    private func encoded(_ name: String, in library: ParserLibrary) throws -> EncodedBatch {
        let path = FieldPlacesTests.root + "/Tests/Fixtures/parsers/\(name).fixture"
        let file = FixtureFile(
            String(decoding: try FileSystem.read(path, byteLimit: 1 << 26), as: UTF8.self))
        var bytes: [UInt8] = []
        var records: [Record] = []
        for block in file.blocks {
            let offset = bytes.count
            bytes += block.bytes
            records.append(
                Record(
                    start: UInt32(offset), count: UInt32(bytes.count - offset),
                    offset: UInt64(offset)))
        }
        bytes += [UInt8](repeating: 0, count: RecordBatch.paddingByteCount)
        let key = Secret([UInt8](repeating: 0x2A, count: PrivacyPolicy.keyByteCount))
        var parser = RecordParser(
            program: try #require(library.program(named: name)),
            context: ParseContext(timezone: .utc, privacy: PrivacyPolicy(key: key)))
        var encoder = BodyEncoder(agentName: "idp1.example.com", tenants: false)
        let batch = RecordBatch(
            input: name, source: "fixture", path: nil, observed: Timestamp(microseconds: 0),
            bytes: bytes, records: records, positions: [])
        // The second time the encoder's room has been used before.
        _ = encoder.encode(parser.parse(batch))
        return encoder.encode(parser.parse(batch))
    }

    private func sealed() throws -> SealedBatch {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: [FieldPlacesTests.root + "/parsers"], problems: problems)
        #expect(problems.isEmpty)
        let batches = try library.names.map { try encoded($0, in: library) }
        var sealer = Sealer(
            key: try SigningKey.generate(name: "idp1.example.com"), epoch: "00112233445566aa",
            sinks: [(id: "siem", filter: nil)])
        // What is merged moves its places; a few batches show it as well as all.
        return SealedBatch.merge([sealer.seal(batches.suffix(4)), sealer.seal(batches)])
    }

    @Test func aDocumentMadeFromPlacesIsTheOneMadeFromTheBytes() throws {
        let batch = try sealed()
        #expect(batch.events.count > 500)
        #expect(batch.places.eventCount == batch.events.count)
        var bare = batch
        bare.places = FieldPlaces()
        var ecs = DocumentRendering.ecs()
        var ocsf = DocumentRendering.ocsf()
        for index in batch.events.indices {
            var fast = ByteWriter()
            var slow = ByteWriter()
            let areMade =
                ecs.append(batch, event: index, to: &fast)
                && ecs.append(bare, event: index, to: &slow)
                && ocsf.append(batch, event: index, to: &fast)
                && ocsf.append(bare, event: index, to: &slow)
            #expect(areMade && !batch.places.range(of: index).isEmpty)
            #expect(fast.makeString() == slow.makeString())
        }
    }

    @Test func batchesWithoutPlacesMakeABatchWithout() throws {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(
            directories: [FieldPlacesTests.root + "/parsers"], only: ["canaille"],
            problems: problems)
        let known = try encoded("canaille", in: library)
        var unknown = known
        unknown.places = FieldPlaces()
        var sealer = Sealer(
            key: try SigningKey.generate(name: "idp1.example.com"), epoch: "00112233445566aa",
            sinks: [(id: "siem", filter: nil)])
        let batch = sealer.seal([known, unknown])
        #expect(batch.places.eventCount == 0)
        #expect(batch.places.range(of: 3).isEmpty)
        let later = sealer.seal([known])
        #expect(SealedBatch.merge([later, sealer.seal([unknown])]).places.eventCount == 0)
    }
}
