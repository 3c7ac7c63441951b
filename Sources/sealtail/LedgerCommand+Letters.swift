// SPDX-License-Identifier: Apache-2.0
import Ledger
import Platform
import Sinks

extension LedgerCommand {
    private static let pieceByteCount = 1 << 20
    /// The longest line of a dead letter that is read.
    private static let lineByteLimit = 16 << 20

    /// Writes the lines of dead letters as they would rest without encryption.
    ///
    /// Without a file it takes those of the state directory.
    static func letters(_ options: Options, _ place: Place) -> ExitCode {
        var paths = Array(options.operands.dropFirst())
        if paths.isEmpty { paths = FileSystem.matches(place.folder + "/dead_letter/*.ndjson") }
        var result = ExitCode.ok
        for path in paths {
            do throws(SystemError) {
                result = max(result, try letters(of: path, place.keys))
            } catch {
                talk("sealtail ledger: \(error)")
                result = max(result, error.exitCode)
            }
        }
        return result
    }

    private static func letters(
        of path: String, _ keys: EncryptionKeyRing?
    ) throws(SystemError) -> ExitCode {
        let file = try File(path)
        var result = ExitCode.ok
        var rest: [UInt8] = []
        var offset = 0
        var number = 0
        while true {
            let count = try file.append(to: &rest, count: pieceByteCount, at: offset)
            offset += count
            var start = 0
            while let end = ByteSearch.first(
                UInt8(ascii: "\n"), in: rest.span, start..<rest.count)
            {
                number += 1
                result = max(result, write(Array(rest[start..<end]), path, number, keys))
                start = end + 1
            }
            rest.removeFirst(start)
            guard count > 0, rest.count <= lineByteLimit else { break }
        }
        if !rest.isEmpty {
            talk("\(path):\(number + 1): the line does not end")
            result = max(result, ExitCode.badData)
        }
        return result
    }

    private static func write(
        _ line: [UInt8], _ path: String, _ number: Int, _ keys: EncryptionKeyRing?
    ) -> ExitCode {
        switch DeadLetter.clear(line, keys: keys) {
        case .clear(let bytes):
            emit(String(decoding: bytes, as: UTF8.self) + "\n")
            return .ok
        case .locked(let name):
            talk("\(path):\(number): needs the key \(name); give it with --config or --key")
            return .configuration
        case .damaged:
            talk("\(path):\(number): the line is damaged")
            return .badData
        }
    }
}
