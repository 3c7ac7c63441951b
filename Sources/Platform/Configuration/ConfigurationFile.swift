// SPDX-License-Identifier: Apache-2.0

/// A file that a configuration consists of or refers to.
struct ConfigurationFile {
    /// Why a file was not read, as a clause that goes on after its path.
    struct Refusal: Error {
        let reason: String

        init(_ reason: String) {
            self.reason = reason
        }

        init(_ error: SystemError) {
            if error.isNotFound {
                reason = "does not exist; create it or correct the path"
            } else if error.isPermission {
                reason = "may not be read by this user; grant it the right to read"
            } else {
                reason = "cannot be read (\(error.code)); name another file"
            }
        }
    }

    var bytes: [UInt8]
    var permissions: UInt32

    /// Reads the bytes of a regular file and its permissions, both from one open file, so that
    /// they belong together even when the name is replaced meanwhile.
    init(_ path: String, byteLimit: Int) throws(Refusal) {
        // Non-blocking, because open(2) of a FIFO would otherwise wait for a writer.
        let (file, status) = try ConfigurationFile.call { () throws(SystemError) in
            let file = try File(path, .read, .nonBlocking)
            return (file, try file.status())
        }
        guard status.kind == .regular else { throw Refusal("is not a file; name a file") }
        permissions = status.permissions
        bytes = []
        // One byte more than allowed is asked for, because a file may grow after its status.
        bytes.reserveCapacity(min(status.byteCount, byteLimit) + 1)
        while bytes.count <= byteLimit {
            let room = byteLimit + 1 - bytes.count
            var count = 0
            do throws(SystemError) {
                count = try file.append(to: &bytes, count: room, at: bytes.count)
            } catch {
                throw Refusal(error)
            }
            if count == 0 { return }
        }
        let limit = ConfigurationText.describe(byteCount: byteLimit)
        throw Refusal("is longer than \(limit), which is the limit; make it shorter")
    }

    /// The visible names in a folder, sorted; none when there is no such folder.
    static func names(in folder: String) throws(Refusal) -> [String] {
        guard FileSystem.exists(folder) else { return [] }
        let names = try call { () throws(SystemError) in try FileSystem.names(in: folder) }
        return names.filter { !$0.hasPrefix(".") }
    }

    private static func call<Result>(
        _ body: () throws(SystemError) -> Result
    ) throws(Refusal) -> Result {
        do {
            return try body()
        } catch {
            throw Refusal(error)
        }
    }
}
