// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Testing

/// A folder that goes away with the test.
private final class Folder {
    let path: String

    init() throws {
        let text = RandomName.next()
        path = "/tmp/sealtail-configuration-\(getpid())-\(text)"
        try FileSystem.createFolder(path, permissions: 0o700)
    }

    func write(_ name: String, _ text: String, permissions: UInt32 = 0o600) throws {
        try write(name, Array(text.utf8), permissions: permissions)
    }

    func write(_ name: String, _ bytes: [UInt8], permissions: UInt32 = 0o600) throws {
        let file = path + "/" + name
        try FileSystem.createFolders(FileSystem.folder(of: file), permissions: 0o700)
        try FileSystem.write(file, bytes.span, permissions: permissions)
    }

    deinit {
        for name in ["conf.d", ""] {
            let folder = name.isEmpty ? path : path + "/" + name
            for name in (try? FileSystem.names(in: folder)) ?? [] {
                try? FileSystem.remove(folder + "/" + name)
            }
            try? FileSystem.removeFolder(folder)
        }
    }

    private enum RandomName {
        static func next() -> String { String(UInt64.random(in: 0...UInt64.max), radix: 36) }
    }
}

@Suite struct ConfigurationLoaderTests {
    private let problems = ConfigurationProblems()

    private var sentences: [String] { problems.list.map(\.description) }

    private func load(_ text: String, _ variables: [String: String] = [:]) -> ConfigurationNode? {
        ConfigurationLoader.load(
            Array(text.utf8), file: "a.yaml", environment: ConfigurationEnvironment(variables),
            problems: problems)
    }

    private func fixture(_ name: String) throws -> String {
        let tests = FileSystem.folder(of: FileSystem.folder(of: #filePath))
        let bytes = try FileSystem.read(tests + "/Fixtures/config/" + name, byteLimit: 1 << 20)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func aWholeFileIsRead() throws {
        let folder = try Folder()
        try folder.write("es.key", "k:{},#\n")
        let parts = try fixture("whole.yaml").split(
            separator: "FOLDER", omittingEmptySubsequences: false)
        let tree = try #require(load(parts.joined(separator: folder.path)))
        #expect(sentences == [])
        let sink = try #require(tree["sinks"]?.elements?.first)
        #expect(sink["endpoint"]?.scalar == "https://es.example.com:9200")
        #expect(sink["auth"]?["api_key"]?.scalar == "k:{},#")
        #expect(sink["auth"]?["api_key"]?.isSecret == true)
        #expect(sink["auth"]?["realm"]?.scalar == "a, b")
        #expect(sink["auth"]?["realm"]?.isSecret == false)
        #expect(sink["note"]?.scalar == "costs 5$ and $5")
        let input = try #require(tree["inputs"]?.elements?.first)
        #expect(input["paths"]?.elements?.map(\.scalar) == ["/var/log/keycloak/*.log"])
        #expect(input["labels"]?["rack.row"]?.scalar == "7")
        #expect(!tree.description.contains("k:{},#"))
    }

    @Test func everyMistakeIsReportedAtOnce() throws {
        let tree = ConfigurationLoader.load(
            Array(try fixture("mistakes.yaml").utf8), file: "mistakes.yaml",
            environment: ConfigurationEnvironment([:]), problems: problems)
        var root = ConfigurationReader(try #require(tree), problems)
        let found = root.child("agent")
        var agent = try #require(found)
        _ = agent.requiredString("name")
        _ = agent.string("listen")
        agent.finish()
        for var input in root.children("inputs") {
            _ = input.requiredString("id")
            _ = input.choice("type", of: ["file": 1, "journal": 2])
            _ = input.byteCount("max_record_bytes", in: 1_024...(16 << 20))
            _ = input.stringMap("labels")
            _ = input.strings("paths")
            input.finish()
        }
        for var sink in root.children("sinks") {
            _ = sink.string("id")
            _ = sink.duration("timeout", in: .seconds(1) ... .seconds(300))
            _ = sink.integer("in_flight", in: 1...64)
            _ = sink.bool("compression")
            _ = sink.secret("auth")
            sink.finish()
        }
        root.finish()
        let expected = try fixture("mistakes.expected").split(separator: "\n").map(String.init)
        #expect(sentences.count == expected.count)
        for (found, expected) in zip(sentences, expected) { #expect(found == expected) }
    }

    // MARK: - Merging

    @Test func fragmentsAreMergedInTheOrderOfTheirNames() throws {
        let folder = try Folder()
        try folder.write("agent.yaml", "agent: {name: a, log: {level: info}}\nsinks: [{id: one}]\n")
        try folder.write("conf.d/20.yaml", "sinks:\n  - id: three\nagent: {name: c}\n")
        try folder.write(
            "conf.d/10.yaml", "agent: {name: b, log: {format: json}}\nsinks: [{id: two}]")
        try folder.write("conf.d/.30.yaml", "agent: {name: hidden}\n")
        try folder.write("conf.d/40.yaml.bak", "agent: {name: backup}\n")
        try folder.write("conf.d/50.yaml", "# nothing\n")
        let tree = ConfigurationLoader.load(
            folder.path + "/agent.yaml", environment: ConfigurationEnvironment([:]),
            problems: problems)
        #expect(sentences == [])
        let ids = tree?["sinks"]?.elements?.map { $0["id"]?.scalar }
        #expect(ids == ["one", "two", "three"])
        #expect(tree?["agent"]?["name"]?.scalar == "c")
        #expect(tree?["agent"]?["log"]?["level"]?.scalar == "info")
        #expect(tree?["agent"]?["log"]?["format"]?.scalar == "json")
        let third = tree?["sinks"]?.elements?.last?["id"]
        #expect(third?.file == folder.path + "/conf.d/20.yaml")
        #expect((third?.line, third?.column) == (2, 9))
    }

    @Test func aValueOfAnotherKindInALaterFileIsAProblem() throws {
        let folder = try Folder()
        try folder.write("agent.yaml", "sinks: [{id: one}]\n")
        try folder.write("conf.d/10.yaml", "sinks: {id: two}\n")
        try folder.write("conf.d/20.yml", "sinks: []\n")
        _ = ConfigurationLoader.load(
            folder.path + "/agent.yaml", environment: ConfigurationEnvironment([:]),
            problems: problems)
        #expect(
            sentences == [
                "\(folder.path)/conf.d/10.yaml:1:8: sinks: is a mapping, but "
                    + "\(folder.path)/agent.yaml:1 has a list there; write the same kind",
                "\(folder.path)/conf.d/20.yml: is not read; end the name in .yaml, or remove it",
            ])
    }

    @Test func everyBrokenFileIsReportedAndNothingIsLoaded() throws {
        let folder = try Folder()
        try folder.write("conf.d/10.yaml", "a: [\n")
        let tree = ConfigurationLoader.load(
            folder.path + "/agent.yaml", environment: ConfigurationEnvironment([:]),
            problems: problems)
        #expect(tree == nil)
        #expect(sentences.count == 2)
        #expect(
            sentences.first
                == "\(folder.path)/agent.yaml: does not exist; create it or correct the path")
        #expect(sentences.last?.hasPrefix("\(folder.path)/conf.d/10.yaml:2:1: is not") == true)
    }

    @Test func aFolderInPlaceOfAFileIsRefused() throws {
        let folder = try Folder()
        _ = ConfigurationLoader.load(
            folder.path, environment: ConfigurationEnvironment([:]), problems: problems)
        #expect(sentences == ["\(folder.path): is not a file; name a file"])
    }

    // MARK: - Substitution

    @Test func variablesAreFilledInAndNotLookedAtAgain() {
        let tree = load(
            "a: x${A}y${A}\nb: ${EMPTY:-d}\nc: ${EMPTY}\nd: ${NONE:-a:-b}\ne: $$${A}$$\n"
                + "'${A}': key\ng: ${NONE:-}\n",
            ["A": "${B} $$", "B": "no", "EMPTY": ""])
        #expect(sentences == [])
        #expect(tree?["a"]?.scalar == "x${B} $$y${B} $$")
        #expect(tree?["b"]?.scalar == "d")
        #expect(tree?["c"]?.scalar == "")
        #expect(tree?["d"]?.scalar == "a:-b")
        #expect(tree?["e"]?.scalar == "$${B} $$$")
        #expect(tree?["${A}"]?.scalar == "key")
        #expect(tree?["g"]?.scalar == "")
    }

    @Test func aFilledInValueCannotBecomeStructure() {
        let tree = load("a: ${A}\nb: [${A}]\n", ["A": "x\nsinks: [1]"])
        #expect(sentences == [])
        #expect(tree?["a"]?.scalar == "x\nsinks: [1]")
        #expect(tree?["b"]?.elements?.count == 1)
        #expect(tree?["sinks"] == nil)
    }

    @Test func placesStayRightBehindAReferenceInBrackets() {
        _ = load("a: {x: ${A:-é[,]}, y: ${NONE}}\n")
        #expect(
            sentences == [
                "a.yaml:1:23: a.y: needs the environment variable NONE, which is not set; set it "
                    + "or write ${NONE:-default}"
            ])
    }

    @Test(arguments: [
        ("${", "has a ${ without its }; write $${ for the text ${"),
        (
            "${}",
            "has \"${}\", which is no name of a variable; use letters, digits and _, and write "
                + "$${ for the text ${"
        ),
        (
            "${1A}",
            "has \"${1A}\", which is no name of a variable; use letters, digits and _, and write "
                + "$${ for the text ${"
        ),
        (
            "${A:?no}",
            "has \"${A:?no}\"; write ${NAME}, ${NAME:-default}, ${file:/path} or "
                + "${credential:name}, and $${ for the text ${"
        ),
        (
            "${file:key}",
            "needs a file by its whole path, which begins with /; write ${file:/path}"
        ),
        (
            "${file:/nonexistent/k}",
            "needs the secret file \"/nonexistent/k\", which does not exist; create it or correct "
                + "the path"
        ),
        (
            "${credential:../x}",
            "has a credential without a plain name; write ${credential:name}"
        ),
        ("${file:/tmp}", "needs the secret file \"/tmp\", which is not a file; name a file"),
    ])
    func aReferenceThatLeadsNowhereIsAProblem(text: String, sentence: String) {
        _ = load("k: '\(text)'\n", ["A": "x"])
        #expect(sentences == ["a.yaml:1:4: k: " + sentence])
    }

    @Test func filesAndCredentialsLoseOneNewlineAndAreSecret() throws {
        let folder = try Folder()
        try folder.write("one", "s3cret\n\n")
        try folder.write("two", "s3cret", permissions: 0o440)
        try folder.write("crlf", "s3cret\r\n")
        let tree = load(
            "a: ${file:\(folder.path)/one}\nb: Bearer ${credential:two}\nc: ${credential:crlf}\n",
            ["CREDENTIALS_DIRECTORY": folder.path])
        #expect(sentences == [])
        #expect(tree?["a"]?.scalar == "s3cret\n")
        #expect(tree?["b"]?.scalar == "Bearer s3cret")
        #expect(tree?["c"]?.scalar == "s3cret\r")
        #expect(tree?["b"]?.isSecret == true)
        #expect(tree.map { "\($0)" }?.contains("s3cret") == false)
    }

    @Test func aSecretFileThatIsOpenToAllOrNoTextIsAProblem() throws {
        let folder = try Folder()
        try folder.write("open", "x", permissions: 0o604)
        try folder.write("bytes", [0xFF, 0xFE])
        try folder.write("nul", [0x61, 0x00])
        try folder.write("empty", "\n")
        try folder.write(
            "long", String(repeating: "x", count: ConfigurationLimit.secretByteLimit + 1))
        let names = ["open", "bytes", "nul", "empty", "long"]
        _ = load(names.map { "\($0): ${file:\(folder.path)/\($0)}\n" }.joined())
        let reasons = [
            "everybody can use; run chmod o= on it (in Kubernetes set defaultMode: 0440)",
            "is not UTF-8 text; store the secret in hexadecimal or Base64",
            "is not UTF-8 text; store the secret in hexadecimal or Base64",
            "is empty; fill it",
            "is longer than 64KiB, which is the limit; make it shorter",
        ]
        #expect(sentences.count == reasons.count)
        for (sentence, reason) in zip(sentences, reasons) {
            #expect(sentence.hasSuffix("\", which " + reason))
        }
    }

    @Test func anOverriddenValueIsNotAskedFor() throws {
        let folder = try Folder()
        try folder.write("agent.yaml", "a: ${NONE}\n")
        try folder.write("conf.d/1.yaml", "a: set\n")
        let tree = ConfigurationLoader.load(
            folder.path + "/agent.yaml", environment: ConfigurationEnvironment([:]),
            problems: problems)
        #expect(sentences == [])
        #expect(tree?["a"]?.scalar == "set")
    }

    @Test func aCredentialThatOnlySystemdHandsOutIsNoMistakeOfTheFile() {
        let text = "a: ${credential:key}\nb: {c: \"${CREDENTIALS_DIRECTORY}/key\"}\n"
        let tree = load(text)
        #expect(problems.list.map(\.keyPath) == ["a", "b.c"])
        #expect(problems.mistakes == [] && !problems.isEmpty)
        #expect(tree?["b"]?.holdsBroken == true && tree?.holdsBroken == true)
        _ = load("a: ${credential:}\n")
        #expect(problems.mistakes.count == 1)
    }

    @Test func aCredentialThatAUnitLacksIsAMistake() {
        _ = load("a: ${credential:key}\n", ["INVOCATION_ID": "1"])
        _ = load("b: ${credential:key}\n", ["CREDENTIALS_DIRECTORY": "/nowhere"])
        #expect(problems.mistakes.map(\.keyPath) == ["a", "b"])
    }

    @Test func theMaskingCharactersAreRefused() {
        #expect(load("a: é\u{10FF7B}\n") == nil)
        #expect(
            sentences == [
                "a.yaml:1:5: holds a character of the private range U+10FF00; remove it"
            ])
        #expect(load("b: \u{10FFFD}\u{10FEFF}\u{10FF80}\n")?["b"]?.scalar != nil)
    }

    @Test func everyPrefixOfAFileIsReadWithoutATrap() throws {
        let bytes = Array(try fixture("whole.yaml").utf8) + Array(try fixture("mistakes.yaml").utf8)
        for end in stride(from: 0, through: bytes.count, by: 1) {
            _ = ConfigurationLoader.load(
                Array(bytes[..<end]), file: "a.yaml", environment: ConfigurationEnvironment([:]),
                problems: ConfigurationProblems())
        }
    }
}
