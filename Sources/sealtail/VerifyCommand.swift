// SPDX-License-Identifier: Apache-2.0
import Pipeline
import Platform
import Sealing
import Sinks

/// Checks sealed events with verifier keys and says what was altered, missing, forked or added.
enum VerifyCommand {
    /// The bytes that are read at a time.
    private static let blockByteCount = 256 * 1024
    /// The most bytes of a file of verifier keys.
    private static let keyFileByteLimit = 1024 * 1024

    static func run(_ options: Options) throws -> ExitCode {
        guard let text = options.value("vkey"), !options.operands.isEmpty else {
            throw UsageError("--vkey and a file are needed; - is standard input")
        }
        let sink = options.value("sink")
        if let sink, !isSinkID(sink) {
            throw UsageError("--sink takes the id of a sink, a-z, 0-9 and _, not \(sink)")
        }
        let keys = try keys(text)
        let filter = try options.value("config").flatMap { path in
            guard let sink else {
                throw UsageError("--config is looked into for the filter of --sink ID")
            }
            return try self.filter(of: sink, path)
        }
        return try verify(
            options.operands, keys, sink: sink, filter, json: options.has("json"))
    }

    /// The filter of a sink; nil when it has none. Mistakes elsewhere in the file do not matter.
    private static func filter(of sink: String, _ path: String) throws -> SinkFilter? {
        let problems = ConfigurationProblems()
        guard let configuration = ConfigurationFile.read(path, problems) else {
            throw Mistakes(problems.list)
        }
        guard let found = configuration.sinks.first(where: { $0.id == sink }) else {
            let ids = configuration.sinks.map(\.id).joined(separator: ", ")
            throw CommandFailure(
                "\(path): no sink is called \(sink); there are \(ids)", .configuration)
        }
        return configuration.filters[found.id]
    }

    private static func verify(
        _ paths: [String], _ keys: [VerifierKey], sink: String?, _ filter: SinkFilter?, json: Bool
    ) throws(SystemError) -> ExitCode {
        let (ecs, ocsf) = (DocumentComparer.ecs(), DocumentComparer.ocsf())
        var verifier = SealVerifier(keys: keys, sink: sink, filter: filter) {
            form, signedBytes, document in
            let comparer = form == .ocsf ? ocsf : ecs
            let result = comparer.compare(
                document: document.span, signedBytes: signedBytes.span)
            switch result {
            case .notCompared: return nil
            case .compared(let differences): return differences.map(\.description)
            }
        }
        for path in paths {
            let file = path == "-" ? File(borrowing: 0, path: "-") : try File(path)
            if paths.count > 1 { verifier.beginFile(path) }
            var block: [UInt8] = []
            while true {
                block.removeAll(keepingCapacity: true)
                guard try file.appendNext(to: &block, count: blockByteCount) > 0 else { break }
                verifier.feed(block.span)
            }
        }
        let report = verifier.finish()
        emit(json ? report.json : report.text)
        return report.isClean ? .ok : .badData
    }

    /// A verifier key, or those in a file, one a line; `#` begins a remark.
    private static func keys(_ text: String) throws -> [VerifierKey] {
        let failure: SealingError
        do {
            return [try VerifierKey(text: text)]
        } catch {
            failure = error
        }
        guard FileSystem.exists(text) else {
            throw UsageError("--vkey \(text) is neither a file nor a key: \(failure)")
        }
        let bytes = try FileSystem.read(text, byteLimit: keyFileByteLimit)
        var keys: [VerifierKey] = []
        for (index, line) in bytes.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() {
            let line = String(decoding: line, as: UTF8.self)
            if line.allSatisfy(\.isWhitespace) || line.hasPrefix("#") { continue }
            do {
                keys.append(try VerifierKey(text: line))
            } catch {
                throw UsageError("\(text):\(index + 1): \(error)")
            }
        }
        guard !keys.isEmpty else {
            throw UsageError("\(text) holds no verifier key; name the .vkey of keygen")
        }
        return keys
    }

    private static func isSinkID(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
