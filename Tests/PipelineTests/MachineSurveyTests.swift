// SPDX-License-Identifier: Apache-2.0
import Parsing
@testable import Platform
import TestSupport
import Testing

@testable import Pipeline

struct MachineSurveyTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for name in ["proc", "etc", "var", "var/log", "var/log/doorman", "parsers"] {
            try folder.createFolder(name)
        }
        try folder.write("etc/passwd", "sealtail:x:990:990:::\n")
        try folder.write("etc/group", "sealtail:x:990:\ndoor:x:991:\nroot:x:0:\n")
        try folder.write(
            "parsers/doorman.yaml",
            """
            format: 1
            name: doorman
            provider: {vendor: Example, product: doorman}
            verified: {sample: [a line]}
            coverage: {log: a file, successes_need: 'level: debug'}
            found_at:
              processes: [doorman-server]
              arguments: [doorman.jar]
              files: ['/var/log/doorman/*.log']
              standard_output: true
            recognise: {lines: ['^door ']}
            formats: [{name: only, steps: [{pattern: '^door (?<a>.*)$'}]}]
            events: [LoginSucceeded]

            """)
    }

    private func survey() throws -> MachineSurvey {
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(directories: [folder("parsers")], problems: problems)
        #expect(problems.isEmpty, "\(problems.list)")
        return MachineSurvey(library, root: folder.path)
    }

    private func run(_ number: Int, _ name: String, _ arguments: [String], group: String = "/")
        throws
    {
        let place = "proc/\(number)"
        try folder.createFolder(place)
        try folder.write(place + "/comm", String(name.prefix(15)) + "\n")
        try folder.write(place + "/cmdline", arguments.joined(separator: "\0") + "\0")
        try folder.write(place + "/cgroup", "0::\(group)\n")
    }

    @Test func namesAndInterpretersAreToldFromThoseWhoOnlyNameTheProduct() throws {
        try run(1, "doorman-server-x", ["/usr/sbin/doorman-server"])
        try run(2, "java", ["/usr/bin/java", "-jar", "/srv/doorman.jar"])
        try run(3, "less", ["less", "/srv/doorman.jar.txt"])
        try run(4, "doorman", ["doorman"])
        let found = try #require(try survey().findings.first)
        #expect(found.processes.map(\.identifier) == [1, 2])
        #expect(found.product == "Example doorman" && found.coverage.successesNeed != nil)
    }

    @Test func aLogIsTakenForTheProductWhoseLinesItHas() throws {
        try folder.write("var/log/doorman/a.log", "door opened\nother\n")
        try folder.write("var/log/doorman/b.log", "nothing that is known\n")
        try folder.write("var/log/doorman/c.log", "")
        let alone = try #require(try survey().findings.first)
        #expect(alone.logs.map(\.path) == [folder("var/log/doorman/a.log")])
        #expect(alone.logs.map(\.content) == [.recognised(percent: 50)])
        // An empty log counts where the product runs: its first line will come.
        try run(1, "doorman-server", ["doorman-server"])
        let running = try #require(try survey().findings.first)
        #expect(running.logs.map(\.content) == [.recognised(percent: 50), .empty])
    }

    @Test func theJournalIsReadWhereNoFileIs() throws {
        try run(1, "doorman-server", ["doorman-server"], group: "/system.slice/door.service")
        let digits = String(repeating: "0123456789abcdef", count: 4)
        try run(
            2, "doorman-server", ["doorman-server"],
            group: "/system.slice/containerd.service/docker-\(digits).scope")
        #expect(try survey().findings.first?.units == ["door.service"])
        try folder.write("var/log/doorman/a.log", "door opened\n")
        #expect(try survey().findings.first?.units == [])
    }

    @Test func whatTheServiceMayNotReadComesWithACommand() throws {
        let account = Account(name: "sealtail", userID: 990, groupIDs: [990])
        try folder.write("var/log/doorman/a b.log", "x")
        var status = try FileSystem.status(folder("var/log/doorman/a b.log"))
        status.groupID = 991
        status.permissions = 0o640
        var obstacle = AccessObstacle(
            path: folder("var/log/doorman/a b.log"), right: .read, status: status)
        let remedy = ReadingRemedy(for: account, root: folder.path)
        #expect(remedy.commands(for: obstacle.path, [obstacle]) == "usermod -aG door sealtail")
        #expect(remedy.commands(for: obstacle.path, []) == nil)
        // The group root is nobody's to join, and a group without the right is of no use.
        obstacle.status.groupID = 0
        let commands = try #require(remedy.commands(for: obstacle.path, [obstacle]))
        #expect(
            commands.hasPrefix("setfacl -m u:sealtail:r '\(folder.path)/var/log/doorman/a b.log' "))
        #expect(commands.contains("setfacl -d -m u:sealtail:r \(folder.path)/var/log/doorman"))
    }

    @Test func anyNameBecomesTheYAMLScalarAndThePatternThatMeanIt() throws {
        let names = [
            "plain.log", "a: b #c.log", "\"q\" 'r'.log", "${HOME} $x $$.log", "*?[a]\\.log",
            "tab\tline\nfeed.log", "é\u{202E}\u{1F600}.log", "- x", "{}[],&*!|>%@`",
        ]
        for name in names {
            let text = "- \(YAMLText.quoted(name))\n"
            let problems = ConfigurationProblems()
            let node = ConfigurationLoader.load(
                Array(text.utf8), file: "x", environment: ConfigurationEnvironment([:]),
                problems: problems)
            #expect(node?.elements?.first?.scalar == name && problems.isEmpty, "\(text)")
            #expect(text.utf8.allSatisfy { $0 == 0x0A || (0x20..<0x7F).contains($0) })
            try folder.write("var/log/doorman/" + name, "x")
            let path = folder("var/log/doorman/" + name)
            #expect(FileSystem.matches(GlobText.escaped(path)) == [path])
        }
    }

    @Test func aPodsLogIsFollowedIntoTheNextPod() {
        let folder = "/host/var/log/containers/"
        #expect(
            GlobText.pattern(for: folder + "sso-0_idp_keycloak-0a1b.log", root: "/host")
                == folder + "*_idp_keycloak-*.log")
        #expect(GlobText.pattern(for: folder + "odd.log", root: "/host") == folder + "odd.log")
    }
}
