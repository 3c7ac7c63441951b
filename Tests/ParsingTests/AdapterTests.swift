// SPDX-License-Identifier: Apache-2.0
import Events
import Parsing
import Platform
import TestSupport
import Testing

/// What every shipped parser must hold, whatever its product.
struct AdapterTests {
    /// Values as a log may hold them by mistake or by malice; what must never come out is `mark`.
    private static let mark = "XSECRETX"
    private static let poisons = [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.\(mark)",
        "Bearer \(mark)0123456789",
        "https://app.example.com/cb?code=\(mark)&state=x",
        "TGT-1-\(mark)abcdefghij-cas1",
        "ory_at_\(mark)abcdefghij",
        "x password=\(mark) y",
        "Cookie: SESSION=\(mark)",
        "client_secret=\(mark)&a=b",
    ]

    private static let placeCount =
        ProcessFacts.environment("FUZZ_SECONDS") == nil ? 60 : Int.max

    /// The places of a record that hold a value: what stands in quotes, or behind `=`, `:` or `|`.
    private func values(of record: [UInt8]) -> [Range<Int>] {
        var places: [Range<Int>] = []
        var start: Int?
        for (index, byte) in record.enumerated() {
            let isEdge = "\"'=|, ;()[]{}".utf8.contains(byte)
            if isEdge {
                if let begin = start, index - begin > 2 { places.append(begin..<index) }
                start = index + 1
            }
        }
        if let begin = start, record.count - begin > 2 { places.append(begin..<record.count) }
        return places
    }

    private func bodies(_ events: EventBatch) -> [String] {
        var encoder = CanonicalEncoder()
        return events.events.map { event in
            var output = ByteWriter()
            encoder.encode(
                event, in: events, id: Array("00112233445566778899aabbccddeeff".utf8),
                to: &output)
            return output.makeString()
        }
    }

    @Test(arguments: Shipped.names)
    func noSecretComesOutWhereverItStands(_ name: String) throws {
        var parser = RecordParser(
            program: try Shipped.program(name), context: Shipped.context(keepsRaw: true))
        let blocks = try Shipped.fixtures(name).blocks.map(\.bytes)
        let places = blocks.flatMap { bytes in values(of: bytes).map { (bytes, $0) } }
        // As many as a fast suite has time for, from all over the fixtures; an odd step lets every
        // secret meet every kind of value.
        let step = (places.count / AdapterTests.placeCount) | 1
        var turn = 0
        for index in stride(from: 0, to: places.count, by: step) {
            let (bytes, place) = places[index]
            // What holds a blank is one value only where quotes keep it together.
            let isQuoted =
                place.lowerBound > 0 && place.upperBound < bytes.count
                && bytes[place.lowerBound - 1] == UInt8(ascii: "\"")
                && bytes[place.upperBound] == UInt8(ascii: "\"")
            let poisons = AdapterTests.poisons.filter { isQuoted || !$0.contains(" ") }
            let poison = poisons[turn % poisons.count]
            turn += 1
            let record =
                bytes[..<place.lowerBound] + Array(poison.utf8)
                + bytes[place.upperBound...]
            for body in bodies(parser.parse(Shipped.batch([Array(record)]))) {
                #expect(
                    !body.contains(AdapterTests.mark),
                    "\(String(decoding: record, as: UTF8.self)) gives \(body)")
            }
        }
        #expect(turn > 0)
    }

    /// Whatever an attacker writes, no pattern reaches a limit of the library, and few are tried.
    @Test(arguments: Shipped.names)
    func hostileRecordsStayWithinTheLimits(_ name: String) throws {
        var parser = RecordParser(program: try Shipped.program(name), context: Shipped.context())
        let records = try Shipped.fixtures(name).blocks.map(\.bytes)
        let longest = try #require(records.max { $0.count < $1.count })
        for record in HostileRecords.make(from: longest, byteCount: 16 << 10) {
            _ = parser.parse(Shipped.batch([record]))
            let start = String(decoding: record.prefix(100), as: UTF8.self)
            #expect(!parser.effort.isLimitHit, "\(start)")
            #expect(parser.effort.matchCount <= AdapterTests.matchCountLimit, "\(start)")
        }
    }
    /// The most patterns that one hostile record may cost.
    private static let matchCountLimit = 200

    /// A user name with another record in it makes no second event and no other event.
    @Test(arguments: Shipped.names)
    func aRecordInsideAValueIsNoEvent(_ name: String) throws {
        var parser = RecordParser(program: try Shipped.program(name), context: Shipped.context())
        for block in try Shipped.fixtures(name).blocks {
            let count = parser.parse(Shipped.batch([block.bytes])).events.count
            guard block.bytes.first == UInt8(ascii: "{"), count > 0 else { continue }
            let forged = String(decoding: block.bytes, as: UTF8.self)
            var writer = ByteWriter()
            writer.append(jsonString: "x\n" + forged)
            // A member of no meaning in front, as an attacker's value would stand.
            let record = "{\"zz_forged\":" + writer.makeString() + ","
            let bytes = Array(record.utf8) + block.bytes.dropFirst()
            #expect(
                parser.parse(Shipped.batch([bytes])).events.count == count, "\(forged)")
        }
    }

    /// JSON says nothing by the order of its members, so a parser reads nothing from it.
    @Test(arguments: Shipped.names)
    func theOrderOfMembersDoesNotMatter(_ name: String) throws {
        var parser = RecordParser(program: try Shipped.program(name), context: Shipped.context())
        for block in try Shipped.fixtures(name).blocks {
            guard block.bytes.first == UInt8(ascii: "{"),
                let document = try? StrictJSON.read(block.bytes, .standard)
            else { continue }
            let usual = parser.parse(Shipped.batch([block.bytes]))
            // Of two members of one name the first counts.
            if usual.damageLabel?.contains("duplicate_key") == true { continue }
            var turned = ByteWriter()
            document.write(turned: true, to: &turned)
            let other = parser.parse(Shipped.batch([turned.makeArray()]))
            #expect(
                usual.events.indices.map { usual.fields($0) }
                    == other.events.indices.map { other.fields($0) }, "\(block.record)")
        }
    }

    /// Who acted and from where says nothing about what happened: with other names and addresses
    /// the same records make the same events.
    @Test(arguments: Shipped.names)
    func otherNamesAndAddressesMakeTheSameEvents(_ name: String) throws {
        var parser = RecordParser(program: try Shipped.program(name), context: Shipped.context())
        for block in try Shipped.fixtures(name).blocks {
            let usual = parser.parse(Shipped.batch([block.bytes]))
            guard usual.events.count == 1 else { continue }
            let fields = usual.fields()
            for (field, word) in [
                ("actor.name", "zora_vance"), ("actor.email", "zora@example.org"),
                ("source.ip", "198.51.100.77"),
            ] {
                guard let value = fields[field], Self.isOwn(value, in: fields),
                    // Around an address of IPv6 stand brackets.
                    !value.contains(":"),
                    // A name with a tenant stays with it.
                    let other = field == "actor.name"
                        ? word + value.drop { $0 != "@" } : Optional(word),
                    let renamed = Self.replacing(value, by: other, in: block.bytes)
                else { continue }
                let events = parser.parse(Shipped.batch([renamed]))
                #expect(
                    events.events.map(\.action) == usual.events.map(\.action), "\(block.record)")
                guard events.events.count == 1 else { continue }
                #expect(events.fields()[field] == other, "\(field) of \(block.record)")
            }
        }
    }

    /// Whether a value stands for one person or place, and is no word of the product.
    private static func isOwn(_ value: String, in fields: [String: String]) -> Bool {
        let words = ["admin", "administrator", "anonymous", "root", "system", "unknown"]
        return value.utf8.count > 3 && !words.contains(value.lowercased())
            && fields.values.count { $0.contains(value) } == 1
    }

    /// Puts another word in all places of one; nil where it does not stand by itself.
    private static func replacing(
        _ word: String, by other: String, in bytes: [UInt8]
    ) -> [UInt8]? {
        let needle = Array(word.utf8)
        var result: [UInt8] = []
        var index = 0
        var count = 0
        while index < bytes.count {
            guard bytes[index...].starts(with: needle) else {
                result.append(bytes[index])
                index += 1
                continue
            }
            let around = [bytes[..<index].last, bytes[(index + needle.count)...].first]
            guard around.allSatisfy({ !isWord($0) }) else { return nil }
            result += Array(other.utf8)
            index += needle.count
            count += 1
        }
        return count > 0 ? result : nil
    }

    private static func isWord(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return byte > 0x7F || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || "._-@:%+$*#~\\".utf8.contains(byte)
    }

    /// What the page of coverage says of records that are left out is true of some record.
    @Test(arguments: Shipped.names)
    func everyExplainedReasonHasAFixture(_ name: String) throws {
        let definition = try #require(Shipped.library.definition(named: name))
        let lines = Set(try Shipped.fixtures(name).blocks.flatMap(\.expected))
        for reason in definition.coverage.ignored.keys {
            #expect(lines.contains("ignored: " + reason), "\(reason)")
        }
    }

    /// Each word of a product that a parser turns into an event stands in a record of its fixture.
    @Test(arguments: Shipped.names)
    func everyMappedWordHasAFixture(_ name: String) throws {
        let definition = try #require(Shipped.library.definition(named: name))
        let named = try Shipped.fixtures(name).blocks.filter { block in
            block.expected.contains { $0.hasPrefix("{") }
        }
        let text = named.map { $0.record + " " + $0.expected.joined(separator: " ") }
            .joined(separator: "\n")
        let missing = definition.mappedWords.filter { word in
            let own = word.drop { $0 != "=" }.dropFirst()
            return !text.utf8.contains(own)
        }
        #expect(missing.isEmpty, "\(missing.count): \(missing.sorted().joined(separator: ", "))")
    }

    @Test func theExampleOfTheDocumentationIsTrue() throws {
        let page = String(
            decoding: try FileSystem.read(
                Shipped.root + "/docs/formats/parser.md", byteLimit: 1 << 20), as: UTF8.self)
        let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "```yaml"))
        let end = try #require(lines[start...].firstIndex(of: "```"))
        let yaml = lines[(start + 1)..<end].joined(separator: "\n")
        let record = try #require(lines[end...].first { $0.hasPrefix("`2026-11-20") })
        let text = record.dropFirst().prefix { $0 != "`" }
        let problems = ConfigurationProblems()
        let definition = ParserDefinition.read(
            Array(yaml.utf8), file: "doorman.yaml", problems: problems)
        let program = definition.flatMap { ParserCompiler.compile($0, problems: problems) }
        #expect(problems.isEmpty, "\(problems.list)")
        var parser = RecordParser(program: try #require(program), context: Shipped.context())
        let events = parser.parse(Shipped.batch([Array(text.utf8)]))
        #expect(events.events.map(\.action) == [.loginFailed])
        #expect(events.fields()["actor.name"] == "mina")
        #expect(events.fields()["source.ip"] == "192.0.2.1")
        #expect(events.fields()["error.code"] == "invalid_user_credentials")
    }
}

extension String.UTF8View {
    fileprivate func contains(_ part: Substring) -> Bool {
        let bytes = Array(self)
        return ByteSearch.first(Array(part.utf8), in: bytes.span, 0..<bytes.count) != nil
    }
}

extension JSONDocument {
    /// Writes the document, with the members of every object from behind when it is to be turned.
    fileprivate func write(turned: Bool, to output: inout ByteWriter) {
        switch self {
        case .object(let members):
            output.append("{")
            for (index, member) in (turned ? members.reversed() : members).enumerated() {
                if index > 0 { output.append(",") }
                output.append(jsonString: member.key)
                output.append(":")
                member.value.write(turned: turned, to: &output)
            }
            output.append("}")
        case .array(let elements):
            output.append("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(",") }
                element.write(turned: turned, to: &output)
            }
            output.append("]")
        case .string(let text): output.append(jsonString: text)
        case .integer(let number): output.append(decimal: number)
        case .number(let text): output.append(text)
        case .bool(let truth): output.append(truth ? "true" : "false")
        case .null: output.append("null")
        }
    }
}
