// SPDX-License-Identifier: Apache-2.0
import Parsing
import Pipeline
import Platform

/// `sealtail fingerprint [--kind token] -`: a value from standard input, as events carry it.
enum FingerprintCommand {
    /// The most bytes of a value; a token is rarely longer than a few kilobytes.
    private static let valueByteLimit = 1024 * 1024
    private static let keyByteLimit = 1024

    static func run(_ options: Options) throws -> ExitCode {
        // A value among the arguments would stay in the shell's history.
        guard options.operands == ["-"] else {
            throw UsageError("the value is read from standard input, for which a - stands")
        }
        let word = options.value("kind") ?? FingerprintKind.token.rawValue
        guard let kind = FingerprintKind(rawValue: word) else {
            let known = FingerprintKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("--kind must be one of \(known), is \(word)")
        }
        let problems = ConfigurationProblems()
        guard let configuration = ConfigurationFile.read(options.configurationPath, problems) else {
            throw Mistakes(problems.list)
        }
        return try print(kind, try key(configuration))
    }

    private static func print(_ kind: FingerprintKind, _ key: Secret) throws -> ExitCode {
        var value: [UInt8] = []
        defer { Secret.wipe(&value) }
        let input = File(borrowing: 0, path: "-")
        while value.count <= valueByteLimit {
            guard try input.appendNext(to: &value, count: 64 * 1024) > 0 else { break }
        }
        while let last = value.last, last == 0x0A || last == 0x0D { value.removeLast() }
        guard !value.isEmpty, value.count <= valueByteLimit else {
            throw CommandFailure("standard input must hold one value, 1 byte to 1 MiB", .badData)
        }
        var fingerprinter = Fingerprinter(policy: PrivacyPolicy(key: key))
        var text = ByteWriter()
        fingerprinter.append(kind, of: value.span, to: &text)
        emit(text.makeString() + "\n")
        return .ok
    }

    /// The key of the agent; it is never made here, because a new one would match no event.
    private static func key(_ configuration: AgentConfiguration) throws -> Secret {
        if let key = configuration.privacy.key { return key }
        let path = configuration.keyFolder + "/privacy.key"
        let text = Secret(try FileSystem.read(path, byteLimit: keyByteLimit))
        guard let key = PrivacyConfiguration.decode(text) else {
            throw CommandFailure("\(path) holds no key; restore it from its backup", .badData)
        }
        return key
    }
}
