// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Inputs

struct InputConfigurationTests {
    private func scalar(_ text: String) -> ConfigurationNode.Content { .scalar(text, .plain) }

    private func node(_ content: ConfigurationNode.Content, _ path: String) -> ConfigurationNode {
        ConfigurationNode(
            file: "agent.yaml", line: 1, column: 1, keyPath: path, content: content)
    }

    private func list(_ texts: [String], _ path: String) -> ConfigurationNode {
        node(.sequence(texts.enumerated().map { node(scalar($1), "\(path)[\($0)]") }), path)
    }

    private func input(_ entries: [(String, ConfigurationNode)], _ index: Int = 0)
        -> ConfigurationNode
    {
        let path = "inputs[\(index)]"
        return node(.mapping(entries.map { (key: node(scalar($0), path), value: $1) }), path)
    }

    /// An input from words; a value with commas is a list.
    private func input(_ words: [String: String], _ index: Int = 0) -> ConfigurationNode {
        let path = "inputs[\(index)]"
        let lists: Set<String> = ["paths", "exclude"]
        return input(
            words.sorted { $0.key < $1.key }.map { key, value in
                let keyPath = path + "." + key
                let parts = value.split(separator: ",").map(String.init)
                return (
                    key,
                    lists.contains(key) ? list(parts, keyPath) : node(scalar(value), keyPath)
                )
            }, index)
    }

    private func read(_ inputs: ConfigurationNode...) -> ([InputConfiguration], [String]) {
        let problems = ConfigurationProblems()
        let key = node(scalar("inputs"), "inputs")
        var reader = ConfigurationReader(
            node(.mapping([(key: key, value: node(.sequence(inputs), "inputs"))]), ""), problems)
        let list = InputConfiguration.list(reading: &reader)
        return (list, problems.list.map { "\($0.keyPath): \($0.sentence)" })
    }

    @Test func everyKeyIsRead() {
        let (list, problems) = read(
            input([
                "id": "idp_1", "type": "file", "paths": "/var/log/a.log,/var/log/b*.log",
                "exclude": "*.gz", "parser": "keycloak", "framing": "raw",
                "timezone": "Europe/Berlin", "start_at": "end", "tenant": "payments",
                "max_record_bytes": "64KiB",
            ]))
        #expect(problems == [])
        #expect(list.map(\.id) == ["idp_1"])
        #expect(list.first?.kind == .file)
        #expect(list.first?.paths == ["/var/log/a.log", "/var/log/b*.log"])
        #expect(list.first?.exclude == ["*.gz"])
        #expect(list.first?.parser == "keycloak")
        #expect(list.first?.framing == .raw)
        #expect(list.first?.timezone == "Europe/Berlin")
        #expect(list.first?.startAt == .end)
        #expect(list.first?.tenant == "payments")
        #expect(list.first?.recordByteLimit == 65536)
    }

    @Test func whatIsLeftOutHasADefault() {
        let (list, problems) = read(input(["id": "a", "type": "file", "paths": "/x/*"]))
        #expect(problems == [])
        #expect(list.first?.parser == "auto")
        #expect(list.first?.framing == .auto)
        #expect(list.first?.startAt == .beginning)
        #expect(list.first?.recordByteLimit == 1 << 20)
        #expect(list.first?.timezone == nil)
        #expect(list.first?.labels == [:])
    }

    @Test func labelsAreWordsAndTexts() {
        let labels = node(
            .mapping([(key: node(scalar("site"), "l"), value: node(scalar("fra1"), "l.site"))]), "l"
        )
        let id = node(scalar("a"), "inputs[0].id")
        let type = node(scalar("stdin"), "inputs[0].type")
        let (list, problems) = read(input([("id", id), ("type", type), ("labels", labels)]))
        #expect(problems == [])
        #expect(list.first?.labels == ["site": "fra1"])
    }

    @Test(arguments: [
        (["id": "A-b", "type": "stdin"], "inputs[0].id: must be 1 to 64 of a-z, 0-9 and _"),
        (["type": "stdin"], "inputs[0].id: must be set"),
        (["id": "a", "paths": "/x"], "inputs[0].type: must be set to file, stdin, journal"),
        (
            ["id": "a", "type": "journal", "parser": "x", "paths": "/x"],
            "inputs[0].paths: has no meaning for type journal"
        ),
        (["id": "a", "type": "flie", "paths": "/x"], "did you mean \"file\"?"),
        (["id": "a", "type": "file"], "inputs[0].paths: must name at least one file"),
        (["id": "a", "type": "file", "paths": "x.log"], "inputs[0].paths[0]: must be an absolute"),
        (["id": "a", "type": "file", "paths": "/x/"], "inputs[0].paths[0]: must name files"),
        (
            ["id": "a", "type": "file", "paths": "/ok,/x/**/y"],
            "inputs[0].paths[1]: must not hold **"
        ),
        (
            ["id": "a", "type": "stdin", "paths": "/x"],
            "inputs[0].paths: has no meaning for type stdin"
        ),
        (
            ["id": "a", "type": "stdin", "framing": "dcoker"], "did you mean \"docker\"?"
        ),
        (
            ["id": "a", "type": "stdin", "max_record_bytes": "5"],
            "max_record_bytes: must be 1KiB to 16MiB"
        ),
        (["id": "a", "type": "stdin", "parsre": "x"], "did you mean \"parser\"?"),
        (["id": "a", "type": "file", "paths": "/x", "start_at": "middle"], "start_at: must be"),
    ])
    func eachMistakeIsReportedWithItsPlace(words: [String: String], expected: String) {
        let (_, problems) = read(input(words))
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(expected) == true, "\(problems)")
    }

    @Test func idsAreUnique() {
        let (_, problems) = read(
            input(["id": "a", "type": "file", "paths": "/x"], 0),
            input(["id": "a", "type": "file", "paths": "/y"], 1))
        #expect(problems == ["inputs[1].id: must be another one: \"a\" is taken"])
    }

    @Test func standardInputIsReadOnce() {
        let (_, problems) = read(
            input(["id": "a", "type": "stdin"], 0), input(["id": "b", "type": "stdin"], 1))
        #expect(problems == ["inputs[1].type: stdin can be read by one input only; leave one out"])
    }
}
