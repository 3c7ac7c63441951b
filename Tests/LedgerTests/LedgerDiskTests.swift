// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Ledger

/// A folder on the real disk that goes away at the end of a test.
private final class Folder {
    let path: String

    init() throws {
        path = "/tmp/sealtail-ledger-" + Hex.encode(RandomBytes.make(8))
        try FileSystem.createFolder(path, permissions: 0o700)
    }

    deinit {
        for pattern in ["/state/ledger/quarantine/*", "/state/ledger/*", "/state/*"] {
            for file in FileSystem.matches(path + pattern) { try? FileSystem.remove(file) }
        }
        for folder in ["/state/ledger/quarantine", "/state/ledger", "/state", ""] {
            try? FileSystem.removeFolder(path + folder)
        }
    }
}

struct LedgerDiskTests {
    @Test func aRealDiskKeepsWhatWasAppended() throws {
        let folder = try Folder()
        let state = folder.path + "/state"
        var maker = BatchMaker(seed: 1)
        var configuration = LedgerConfiguration.small(segment: 1 << 16)
        configuration.codec = .zstd
        do {
            let (ledger, _) = try Ledger.open(
                directory: state, configuration: configuration, sinks: ["siem"])
            for index in 0..<30 { try ledger.append(maker.make(count: 64, offset: UInt64(index))) }
            let next = try #require(try ledger.frames().dropLast().last).next
            try ledger.advance("siem", to: SinkCursor(place: next))
            try ledger.close()
        }
        #expect(try FileSystem.status(state).permissions == 0o700)
        #expect(try FileSystem.status(state + "/ledger").permissions == 0o700)
        for file in FileSystem.matches(state + "/ledger/*") {
            #expect(try FileSystem.status(file).permissions == 0o600)
        }
        let (ledger, recovered) = try Ledger.open(
            directory: state, configuration: configuration, sinks: ["siem"])
        #expect(recovered.nextSequence == 30 * 64)
        #expect(recovered.positions == [filePosition(offset: 29)])
        #expect(try ledger.sequence() == Array(0..<30 * 64))
        let cursor = try #require(ledger.cursor(of: "siem"))
        #expect(try ledger.sequence(from: cursor.place).count == 64)
    }

    @Test func aSecondAgentIsRefused() throws {
        let folder = try Folder()
        let state = folder.path + "/state"
        let first = try Ledger.open(directory: state, configuration: .small(), sinks: [])
        let error = #expect(throws: LedgerError.self) {
            try Ledger.open(directory: state, configuration: .small(), sinks: [])
        }
        #expect(error?.code == "locked")
        _ = first
    }

    @Test func aFolderThatOthersMayWriteIsRefused() throws {
        let folder = try Folder()
        let state = folder.path + "/state"
        try FileSystem.createFolder(state, permissions: 0o720)
        let error = #expect(throws: LedgerError.self) {
            try Ledger.open(directory: state, configuration: .small(), sinks: [])
        }
        #expect(
            error?.description == "\(state): others may write here (mode 720); run: chmod go-w "
                + state)
        try FileSystem.setPermissions(state, 0o700)
        _ = try Ledger.open(directory: state, configuration: .small(), sinks: [])
        try FileSystem.setPermissions(state + "/ledger", 0o702)
        #expect(throws: LedgerError.self) {
            try Ledger.open(directory: state, configuration: .small(), sinks: [])
        }
    }

    @Test func anInspectionSeesSegmentsCursorsAndDamage() throws {
        let folder = try Folder()
        let state = folder.path + "/state"
        var maker = BatchMaker(seed: 2)
        let (ledger, _) = try Ledger.open(
            directory: state, configuration: .small(), sinks: ["siem"])
        for _ in 0..<20 { try ledger.append(maker.make(count: 5)) }
        // The agent still runs.
        var inspection = try LedgerInspection(directory: state)
        var eventCount = 0
        for number in inspection.segments {
            let report = try inspection.inspect(number, checking: true)
            #expect(report.problems.isEmpty && report.damage.isEmpty && report.created != nil)
            eventCount += report.eventCount
        }
        #expect(eventCount == 100)
        #expect(try inspection.cursors().cursors.map(\.sink) == ["siem"])
        let frames = try ledger.frames()
        try ledger.close()
        // A body that somebody changed together with the checksums is found by its leaf.
        let path = state + "/ledger/" + SegmentName.name(of: 1)
        var bytes = try FileSystem.read(path, byteLimit: 1 << 20)
        let start = Int(frames[0].place.offset)
        var changed = frames[0].batch
        changed.bodies[changed.bodies.count - 3] ^= 1
        bytes.replaceSubrange(start..<Int(frames[0].next.offset), with: frameBytes(changed))
        bytes[Int(frames[1].place.offset) + 70] ^= 1
        try File(path, .write).write(bytes.span, at: 0)
        inspection = try LedgerInspection(directory: state + "/ledger")
        let report = try inspection.inspect(1, checking: true)
        #expect(report.problems == ["byte \(start): event 4: body and leaf differ"])
        #expect(report.damage.map(\.offset) == [Int(frames[1].place.offset)])
        #expect(report.damage.first?.eventCount == 5)
    }
}

struct LedgerConfigurationTests {
    private func node(_ pairs: [(String, String)]) -> ConfigurationNode {
        func scalar(_ text: String, _ column: Int, _ path: String) -> ConfigurationNode {
            ConfigurationNode(
                file: "agent.yaml", line: 7, column: column, keyPath: path,
                content: .scalar(text, .plain))
        }
        return ConfigurationNode(
            file: "agent.yaml", line: 6, column: 1, keyPath: "ledger",
            content: .mapping(
                pairs.map { key, value in
                    (key: scalar(key, 3, "ledger"), value: scalar(value, 9, "ledger." + key))
                }))
    }

    private func read(_ pairs: [(String, String)]) -> (LedgerConfiguration, [String]) {
        let problems = ConfigurationProblems()
        var reader = ConfigurationReader(node(pairs), problems)
        let configuration = LedgerConfiguration(reading: &reader)
        return (configuration, problems.list.map(\.description))
    }

    @Test func theDefaultsNeedNoKey() {
        let (configuration, problems) = read([])
        #expect(problems.isEmpty && configuration == LedgerConfiguration())
        #expect(configuration.byteLimit == 10 << 30 && configuration.whenFull == .block)
    }

    @Test func everyKeyIsRead() {
        let (configuration, problems) = read([
            ("max_size", "128MiB"), ("retain", "0s"), ("when_full", "block"), ("sync", "200ms"),
        ])
        #expect(problems.isEmpty)
        #expect(configuration.byteLimit == 128 << 20 && configuration.retention == .zero)
        #expect(configuration.commitInterval == .milliseconds(200))
        #expect(configuration.segmentByteCount == 16 << 20)
    }

    @Test func everyMistakeHasAPlace() {
        let (_, problems) = read([
            ("max_size", "1KiB"), ("retain", "soon"), ("when_full", "drop_oldest"),
            ("sync", "1h"), ("max_sise", "1GiB"), ("encryption", "on"),
        ])
        #expect(problems.count == 5)
        #expect(problems.allSatisfy { $0.hasPrefix("agent.yaml:7:") })
        #expect(problems.contains { $0.contains("ledger.encryption: must be a mapping") })
        #expect(problems.contains { $0.contains("did you mean \"max_size\"?") })
    }
}
