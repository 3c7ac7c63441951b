// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct ConfigurationYAMLTests {
    private func parse(_ text: String) -> (tree: ConfigurationNode?, problems: [String]) {
        let problems = ConfigurationProblems()
        let tree = ConfigurationLoader.parse(Array(text.utf8), file: "f.yaml", problems: problems)
        return (tree, problems.list.map(\.description))
    }

    @Test func everyNodeKnowsItsPlaceAndItsPath() throws {
        let (tree, problems) = parse("a:\n  - x: 1\n    \"b.c\": [é, {k: v}]\n")
        #expect(problems.isEmpty)
        let first = try #require(tree?["a"]?.elements?.first)
        #expect((first.line, first.column) == (2, 5))
        #expect(first.keyPath == "a[0]")
        let list = try #require(first["b.c"])
        #expect(list.keyPath == "a[0].\"b.c\"")
        let inner = try #require(list.elements?.last?["k"])
        #expect((inner.line, inner.column) == (3, 20))
        #expect(inner.keyPath == "a[0].\"b.c\"[1].k")
        #expect(tree?["a"]?.file == "f.yaml")
    }

    @Test func onlyPlainNullsAreNull() throws {
        let (tree, problems) = parse("a:\nb: ~\nc: null\nd: \"null\"\ne: ''\nnull: 1\n~: 2\n")
        #expect(problems.isEmpty)
        for key in ["a", "b", "c"] { #expect(tree?[key]?.isNull == true) }
        #expect(tree?["d"]?.scalar == "null")
        #expect(tree?["e"]?.scalar == "")
        #expect(tree?["null"]?.scalar == "1")
        #expect(tree?["~"]?.scalar == "2")
    }

    @Test func anEmptyFileIsAnEmptyValue() {
        for text in ["", "\n", "# only a comment\n", "---\n"] {
            let (tree, problems) = parse(text)
            #expect(tree?.isNull == true)
            #expect(problems.isEmpty)
        }
    }

    @Test func dollarsStayAsTheyAreInPlainYAML() {
        let (tree, problems) = parse("pattern: '^\\$\\{(.*)\\}$$ ${X}'\n")
        #expect(problems.isEmpty)
        #expect(tree?["pattern"]?.scalar == "^\\$\\{(.*)\\}$$ ${X}")
    }

    @Test(arguments: [
        (
            "a: 1\n b: 2\n",
            "f.yaml:2:3: is not valid YAML: mapping values are not allowed in this "
                + "context; check the indentation, and put quotes around a text that holds \": \""
        ),
        (
            "a:\n\tb: 1\n",
            "f.yaml:2:1: is not valid YAML: found character that cannot start any "
                + "token while scanning for the next token; indent with spaces, not with tabs"
        ),
        (
            "a: [1, 2\nb: 3\n",
            "f.yaml:2:2: is not valid YAML: did not find expected ',' or ']' "
                + "while parsing a flow sequence that begins in line 1; check indentation, "
                + "brackets and quotes"
        ),
        (
            "a: *.gz\n",
            "f.yaml:1:5: is not valid YAML: did not find expected alphabetic or numeric "
                + "character while scanning an alias; put quotes around a text that begins with * "
                + "or &"
        ),
        (
            "a: @x\n",
            "f.yaml:1:4: is not valid YAML: found character that cannot start any token "
                + "while scanning for the next token; put quotes around a text that begins with "
                + "this character"
        ),
        (
            "a: \"x\n",
            "f.yaml:2:1: is not valid YAML: found unexpected end of stream while "
                + "scanning a quoted scalar that begins in line 1; check indentation, brackets and "
                + "quotes"
        ),
        (
            "ab: x\u{1}\n",
            "f.yaml:1:6: is not valid YAML: control characters are not allowed; "
                + "save the file as UTF-8 text"
        ),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: begins a second document; put one document in a file"),
    ])
    func aSyntaxErrorHasAPlaceAndAWayOut(text: String, problem: String) {
        let (tree, problems) = parse(text)
        #expect(tree == nil)
        #expect(problems == [problem])
    }

    @Test func bytesThatAreNoUTF8HaveAPlace() {
        let problems = ConfigurationProblems()
        let bytes = Array("a: 1\nbé: ".utf8) + [0xFF, 0x0A]
        #expect(ConfigurationLoader.parse(bytes, file: "f.yaml", problems: problems) == nil)
        #expect(
            problems.list.map(\.description) == [
                "f.yaml:2:5: is not valid YAML: invalid leading UTF-8 octet; save the file as "
                    + "UTF-8 text"
            ])
    }

    @Test func aDuplicateKeyKeepsTheFirstAndReadingGoesOn() {
        let (tree, problems) = parse("a: {x: 1, y: 2, x: 3}\nb: 1\na: 2\n")
        #expect(tree?["a"]?["x"]?.scalar == "1")
        #expect(
            problems == [
                "f.yaml:1:17: a.x: duplicate key: it is already set in line 1",
                "f.yaml:3:1: a: duplicate key: it is already set in line 1",
            ])
    }

    @Test func aKeyThatIsNoWordIsAProblem() {
        let (tree, problems) = parse("a:\n  ? [1, 2]\n  : 3\n  b: 4\n")
        #expect(tree?["a"]?["b"]?.scalar == "4")
        #expect(
            problems == [
                "f.yaml:2:5: a: has a key that is a list or a mapping; use a word"
            ])
    }

    @Test func aBombOfAliasesIsRefusedWithoutGrowing() {
        var text = "a0: &a0 [x, x]\n"
        for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        let (tree, problems) = parse(text)
        #expect(tree?["a40"]?.elements?.count == 2)
        #expect(problems.count == 41 + 80)
    }

    @Test func depthIsLimitedAndTheLimitIsNamed() {
        let limit = ConfigurationLimit.depthLimit
        let fits = String(repeating: "[", count: limit) + "x" + String(repeating: "]", count: limit)
        #expect(parse(fits).problems.isEmpty)
        let (tree, problems) = parse("[" + fits + "]")
        #expect(tree == nil)
        #expect(problems.count == 1)
        #expect(problems.first?.hasSuffix("is nested too deeply: 64 levels are allowed") == true)
        // Far deeper than any stack could take if the limit did not hold.
        #expect(parse(String(repeating: "[", count: 500_000)).tree == nil)
    }

    @Test func aByteOrderMarkAndWindowsLinesAreNoPartOfTheValues() {
        let (tree, problems) = parse("\u{FEFF}a: 1\r\nb: x\r\n")
        #expect(problems.isEmpty)
        #expect(tree?["a"]?.scalar == "1")
        #expect(tree?["b"]?.scalar == "x")
        #expect(tree?["b"]?.line == 2)
    }

    @Test func aKeyPathIsCutSoThatPathsStaySmall() throws {
        let key = String(repeating: "k", count: 300)
        let (tree, problems) = parse("\(key): {\(key): {\(key): [x]}}\n")
        #expect(problems.isEmpty)
        let list = try #require(tree?[key]?[key]?[key])
        #expect(list.keyPath == key + "…")
        #expect(list.elements?.first?.keyPath == key + "…")
    }

    @Test func theNumberOfValuesIsLimited() {
        let count = ConfigurationLimit.nodeLimit
        let (tree, problems) = parse("[" + String(repeating: "x,", count: count) + "]")
        #expect(tree == nil)
        #expect(
            problems == [
                "f.yaml:1:400000: [199999]: is one value too many: 200000 are allowed in a file"
            ])
    }

    @Test func theSizeOfAFileIsLimited() {
        let text = "# " + String(repeating: "x", count: ConfigurationLimit.fileByteLimit)
        let (tree, problems) = parse(text)
        #expect(tree == nil)
        #expect(problems == ["f.yaml: is 4194306 bytes long, 4MiB are allowed; split it"])
    }
}
