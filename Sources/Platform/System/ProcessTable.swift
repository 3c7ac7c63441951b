// SPDX-License-Identifier: Apache-2.0

/// A process that runs on the machine.
public struct RunningProcess: Sendable, Hashable {
    /// Its number.
    public var identifier: Int
    /// The name of its program, without folders.
    public var program: String
    /// What the kernel calls it: its first 15 bytes, and no script's own name.
    public var kernelName: String
    /// Its command line, with a space between the arguments.
    public var commandLine: String

    /// The longest name that the kernel keeps of a program.
    private static let kernelNameByteLimit = 15

    /// Whether the program has this name.
    public func isCalled(_ name: String) -> Bool {
        program == name
            || kernelName.utf8.elementsEqual(name.utf8.prefix(RunningProcess.kernelNameByteLimit))
    }
}

/// The processes of a machine, as proc(5) shows them.
public struct ProcessTable {
    private let folder: String

    /// The most processes that are looked at.
    public static let processLimit = 20_000
    /// The most open files of a process that are looked at.
    public static let openFileLimit = 4_000
    private static let textByteLimit = 64 << 10

    /// Reads the processes of a machine.
    ///
    /// - Parameter root: where the root folder of the machine is mounted.
    public init(root: String = "") {
        folder = root + "/proc"
    }

    /// All processes with a command line, by number; threads of the kernel have none.
    public func processes() -> [RunningProcess] {
        let names = (try? FileSystem.names(in: folder)) ?? []
        return names.compactMap { Int($0) }.sorted().prefix(ProcessTable.processLimit)
            .compactMap(process)
    }

    private func process(_ identifier: Int) -> RunningProcess? {
        let bytes = text(identifier, "cmdline")
        let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard let first = arguments.first else { return nil }
        // A program may write a sentence over its command line; its name is the first word.
        let word = first.split(separator: " ").first.map(String.init) ?? first
        return RunningProcess(
            identifier: identifier, program: FileSystem.name(of: word),
            kernelName: String(
                decoding: text(identifier, "comm").prefix { $0 != 0x0A }, as: UTF8.self),
            commandLine: arguments.joined(separator: " "))
    }

    /// The regular names that a process holds open for writing; none when it may not be asked.
    public func writtenFiles(of process: RunningProcess) -> [String] {
        let place = "\(folder)/\(process.identifier)"
        let numbers = (try? FileSystem.names(in: place + "/fd")) ?? []
        return numbers.prefix(ProcessTable.openFileLimit).compactMap { number in
            guard let target = try? FileSystem.linkTarget(place + "/fd/" + number),
                target.hasPrefix("/"), !target.hasPrefix("/dev/"), !target.hasSuffix(" (deleted)"),
                isWritten(text(process.identifier, "fdinfo/" + number))
            else { return nil }
            return target
        }
    }

    /// Whether the flags of an open file, in octal digits, say that it is written.
    private func isWritten(_ facts: [UInt8]) -> Bool {
        for line in facts.split(separator: 0x0A) {
            let words = String(decoding: line, as: UTF8.self).split { $0 == " " || $0 == "\t" }
            guard words.first == "flags:", words.count == 2 else { continue }
            return (Int(words[1], radix: 8) ?? 0) & 3 != 0
        }
        return false
    }

    /// The service of systemd that a process belongs to; nil for one in a container or a session.
    public func service(of process: RunningProcess) -> String? {
        guard container(of: process) == nil else { return nil }
        let name = groups(of: process).flatMap { $0.split(separator: "/") }.last {
            $0.hasSuffix(".service")
        }
        return name.map(String.init)
    }

    /// The 64 digits by which a container runtime knows the container of a process.
    public func container(of process: RunningProcess) -> String? {
        for part in groups(of: process).flatMap({ $0.split(separator: "/") }).reversed() {
            for word in part.split(whereSeparator: { !$0.isHexDigit }) where word.count == 64 {
                return String(word)
            }
        }
        return nil
    }

    private func groups(of process: RunningProcess) -> [String] {
        String(decoding: text(process.identifier, "cgroup"), as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }

    private func text(_ identifier: Int, _ name: String) -> [UInt8] {
        // A process that has ended meanwhile, or that may not be looked at, says nothing.
        let file = try? File("\(folder)/\(identifier)/\(name)", .read, .nonBlocking)
        return (try? file?.read(count: ProcessTable.textByteLimit, at: 0)) ?? []
    }
}
