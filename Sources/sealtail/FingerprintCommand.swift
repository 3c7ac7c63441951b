// SPDX-License-Identifier: Apache-2.0
import Parsing
import Pipeline
import Platform

/// `sealtail fingerprint [--kind token] -`: a value from standard input, as events carry it.
enum FingerprintCommand {
    private static let usage =
        "usage: sealtail fingerprint [--kind token|session|user|email|ip] [--config FILE] -"
    /// The most bytes of a value; a token is rarely longer than a few kilobytes.
    private static let valueByteLimit = 1024 * 1024
    private static let keyByteLimit = 1024

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try Options(arguments, values: ["kind", "config"])
            // A value among the arguments would stay in the shell's history.
            guard options.positional == ["-"] else {
                talk("the value is read from standard input, for which a - stands\n\(usage)")
                return ExitCode.usage
            }
            let word = options.value("kind") ?? FingerprintKind.token.rawValue
            guard let kind = FingerprintKind(rawValue: word) else {
                let known = FingerprintKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw UsageError("--kind must be one of \(known), is \(word)")
            }
            let path = options.value("config") ?? ConfigurationFile.defaultPath
            let problems = ConfigurationProblems()
            guard let configuration = ConfigurationFile.load(path, problems) else {
                for problem in problems.list { talk("\(problem)") }
                return ExitCode.configuration
            }
            return print(kind, try key(configuration))
        } catch let error as SystemError {
            talk("sealtail fingerprint: \(error)")
            return error.isPermission ? ExitCode.permission : ExitCode.noInput
        } catch {
            talk("sealtail fingerprint: \(error)")
            return ExitCode.usage
        }
    }

    private static func print(_ kind: FingerprintKind, _ key: Secret) -> Int32 {
        var value: [UInt8] = []
        defer { Secret.wipe(&value) }
        do {
            let input = File(borrowing: 0, path: "-")
            while value.count <= valueByteLimit {
                guard try input.appendNext(to: &value, count: 64 * 1024) > 0 else { break }
            }
        } catch {
            talk("sealtail fingerprint: \(error)")
            return ExitCode.inputOutput
        }
        while let last = value.last, last == 0x0A || last == 0x0D { value.removeLast() }
        guard !value.isEmpty, value.count <= valueByteLimit else {
            talk("sealtail fingerprint: standard input must hold one value, 1 byte to 1 MiB")
            return ExitCode.badData
        }
        var fingerprinter = Fingerprinter(policy: PrivacyPolicy(key: key))
        var text = ByteWriter()
        fingerprinter.append(kind, of: value.span, to: &text)
        emit(text.makeString() + "\n")
        return ExitCode.ok
    }

    /// The key of the agent; it is never made here, because a new one would match no event.
    private static func key(_ configuration: AgentConfiguration) throws -> Secret {
        if let key = configuration.privacy.key { return key }
        let path = configuration.keyFolder + "/privacy.key"
        let text = Secret(try FileSystem.read(path, byteLimit: keyByteLimit))
        guard let key = PrivacyConfiguration.decode(text) else {
            throw UsageError("\(path) holds no key; restore it from its backup")
        }
        return key
    }
}
