// SPDX-License-Identifier: Apache-2.0
import Platform
import Sealing

/// Makes a signing key and its verifier key, and prints the verifier key.
enum KeygenCommand {
    static func run(_ options: Options) throws -> ExitCode {
        try options.refuseOperands()
        guard let name = options.value("name"), let folder = options.value("out") else {
            throw UsageError("--name and --out are needed")
        }
        let path = folder + "/" + fileName(for: name)
        let key = try SigningKey.generate(name: name)
        if !FileSystem.exists(folder) {
            try FileSystem.createFolders(folder, permissions: 0o700)
        }
        try key.create(path + ".key")
        try writeVerifierKey(key.verifierKey, path)
        talk("\(path).key signs and must stay secret; \(path).vkey may be given to anyone:")
        emit(key.verifierKey.text + "\n")
        return .ok
    }

    private static func writeVerifierKey(_ key: VerifierKey, _ path: String) throws {
        do {
            let file = try File(
                path + ".vkey", .write, [.createNew, .noFollow], permissions: 0o644)
            try file.writeNext(Array((key.text + "\n").utf8).span)
            try file.synchronize()
        } catch {
            // Half a pair would look like a whole one, so the secret half goes too.
            try? FileSystem.remove(path + ".key")
            throw error
        }
    }

    /// The name as the name of a file: a name may hold slashes and dots, a file must not be led
    /// out of its folder by them.
    static func fileName(for name: String) -> String {
        var result = ""
        for (index, byte) in name.utf8.enumerated() {
            let isSafe: Bool
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                isSafe = true
            case UInt8(ascii: "-"), UInt8(ascii: "."): isSafe = index > 0
            default: isSafe = false
            }
            result.unicodeScalars.append(isSafe ? Unicode.Scalar(byte) : "_")
        }
        // File systems take 255 bytes, of which the endings need a few.
        return String(result.prefix(200))
    }
}
