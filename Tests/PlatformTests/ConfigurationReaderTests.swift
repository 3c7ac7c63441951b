// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct ConfigurationReaderTests {
    private enum Compression: String, CaseIterable {
        case none, gzip, zstd
    }

    private let problems = ConfigurationProblems()

    private var sentences: [String] { problems.list.map(\.description) }

    private func reader(_ text: String) throws -> ConfigurationReader {
        let tree = ConfigurationLoader.parse(Array(text.utf8), file: "a.yaml", problems: problems)
        return ConfigurationReader(try #require(tree), problems)
    }

    @Test func goodValuesAreReadAndNothingIsReported() throws {
        var reader = try reader(
            """
            name: "5"
            on: true
            count: 7
            wait: 200ms
            size: 64MiB
            compression: zstd
            mode: fast
            paths: [a, "b c"]
            labels: {site: fra1}
            child: {x: 1}
            key: hunter2
            list: [{y: 1}, {y: 2}]
            """)
        #expect(reader.requiredString("name") == "5")
        #expect(reader.bool("on", default: false) == true)
        #expect(reader.integer("count", in: 1...10, default: 1) == 7)
        #expect(
            reader.duration("wait", in: .zero ... .seconds(1), default: .zero)
                == .milliseconds(200))
        #expect(reader.byteCount("size", in: 0...(1 << 30), default: 0) == 64 << 20)
        #expect(reader.choice("compression", default: Compression.gzip) == .zstd)
        #expect(reader.choice("mode", of: ["fast": 1, "slow": 2], default: 2) == 1)
        #expect(reader.strings("paths") == ["a", "b c"])
        #expect(reader.stringMap("labels") == ["site": "fra1"])
        #expect(reader.secret("key") == Secret(Array("hunter2".utf8)))
        let found = reader.child("child")
        var child = try #require(found)
        #expect(child.integer("x", in: 0...9) == 1)
        child.finish()
        var children = reader.children("list")
        #expect(children.count == 2)
        for index in children.indices {
            #expect(children[index].integer("y", in: 0...9) == index + 1)
            children[index].finish()
        }
        reader.finish()
        #expect(sentences == [])
    }

    @Test func aMissingKeyAndAnEmptyOneGiveTheDefault() throws {
        var reader = try reader("name:\nwait: ~\n")
        #expect(reader.string("name", default: "x") == "x")
        #expect(
            reader.duration("wait", in: .zero ... .seconds(9), default: .seconds(3))
                == .seconds(3))
        #expect(reader.integer("count", in: 1...2) == nil)
        #expect(reader.strings("paths", default: ["p"]) == ["p"])
        #expect(reader.child("child") == nil)
        #expect(reader.secret("key") == nil)
        reader.finish()
        #expect(sentences == [])
    }

    @Test func aWrongValueGivesTheDefaultAndASentence() throws {
        var reader = try reader(
            """
            name: {a: 1}
            on: yes
            count: 11
            number: 0x10
            wait: 10m
            size: 1.5GiB
            compression: gzpi
            mode: [fast]
            paths: one
            labels: [a]
            child: 5
            empty: ""
            """)
        #expect(reader.string("name", default: "x") == "x")
        #expect(reader.bool("on", default: true) == true)
        #expect(reader.integer("count", in: 1...10, default: 3) == 3)
        #expect(reader.integer("number", in: 1...10, default: 4) == 4)
        #expect(
            reader.duration("wait", in: .seconds(1) ... .seconds(300), default: .seconds(2))
                == .seconds(2))
        #expect(reader.byteCount("size", in: 1_024...(1 << 20), default: 5) == 5)
        #expect(reader.choice("compression", default: Compression.none) == .none)
        #expect(reader.choice("mode", of: ["fast": 1, "slow": 2], default: 2) == 2)
        #expect(reader.strings("paths") == [])
        #expect(reader.stringMap("labels") == [:])
        #expect(reader.child("child") == nil)
        #expect(reader.requiredString("empty") == "")
        #expect(reader.requiredString("endpoint") == "")
        reader.finish()
        #expect(
            sentences == [
                "a.yaml:1:1: endpoint: must be set",
                "a.yaml:1:7: name: must be a text, is a mapping",
                "a.yaml:2:5: on: must be true or false, is \"yes\"",
                "a.yaml:3:8: count: must be 1 to 10, is \"11\"",
                "a.yaml:4:9: number: must be 1 to 10, is \"0x10\"",
                "a.yaml:5:7: wait: must be 1s to 5m, is \"10m\"",
                "a.yaml:6:7: size: must be 1KiB to 1MiB, is \"1.5GiB\"; write a number and one of "
                    + "KiB, MiB, GiB, kB, MB, GB",
                "a.yaml:7:14: compression: must be none, gzip or zstd, is \"gzpi\"; did you mean "
                    + "\"gzip\"?",
                "a.yaml:8:7: mode: must be fast or slow, is a list",
                "a.yaml:9:8: paths: must be a list, is \"one\"; write [\"one\"]",
                "a.yaml:10:9: labels: must be a mapping of words to texts, is a list",
                "a.yaml:11:8: child: must be a mapping of keys to values, is \"5\"",
                "a.yaml:12:8: empty: must be a text that is not empty, is \"\"",
            ])
    }

    @Test func anUnknownKeyIsReportedWithTheOneThatWasMeantOrAllKnownOnes() throws {
        var reader = try reader("tiemout: 1s\ncolour: red\nid: x\n")
        _ = reader.string("id")
        _ = reader.duration("timeout", in: .zero ... .seconds(1))
        reader.allow("format")
        reader.finish()
        #expect(
            sentences == [
                "a.yaml:1:1: tiemout: unknown key \"tiemout\"; did you mean \"timeout\"?",
                "a.yaml:2:1: colour: unknown key \"colour\"; known keys: format, id, timeout",
            ])
    }

    @Test func whatIsNoMappingIsReportedOnce() throws {
        var reader = try reader("[1, 2]\n")
        reader.finish()
        #expect(sentences == ["a.yaml:1:1: must be a mapping of keys to values, is a list"])
    }

    @Test func aProblemAboutASecretDoesNotQuoteIt() {
        var node = ConfigurationNode(
            file: "a.yaml", line: 1, column: 2, keyPath: "k", content: .scalar("hunter2", .plain))
        node.isSecret = true
        let key = ConfigurationNode(
            file: "a.yaml", line: 1, column: 1, keyPath: "k", content: .scalar("k", .plain))
        let tree = ConfigurationNode(
            file: "a.yaml", line: 1, column: 1, keyPath: "", content: .mapping([(key, node)]))
        var reader = ConfigurationReader(tree, problems)
        _ = reader.bool("k")
        _ = reader.integer("k", in: 1...2)
        _ = reader.duration("k", in: .zero ... .seconds(1))
        _ = reader.byteCount("k", in: 1...2)
        _ = reader.choice("k", of: ["hunter1": 1])
        _ = reader.strings("k")
        _ = reader.stringMap("k")
        _ = reader.child("k")
        #expect(sentences.count == 8)
        #expect(!sentences.contains { $0.contains("hunter2") })
        #expect(!sentences.contains { $0.contains("did you mean") })
        var dumped = ""
        dump(tree, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        #expect(!"\(tree) \(String(reflecting: node))".contains("hunter2"))
    }

    @Test func tooManyProblemsAreCountedAndNotKept() {
        for line in 1...ConfigurationLimit.problemLimit + 3 {
            problems.add(file: "a", line: line, column: 1, "is bad")
        }
        #expect(problems.list.count == ConfigurationLimit.problemLimit)
        #expect(problems.omittedCount == 3)
        #expect(problems.list.first?.description == "a:1:1: is bad")
    }

    @Test func aMistakeThatIsNoticedTwiceIsOne() {
        for _ in 0..<3 { problems.add(file: "a", "is bad") }
        problems.add(file: "a", "is worse")
        #expect(problems.list.count == 2 && problems.omittedCount == 0)
    }
}
