// SPDX-License-Identifier: Apache-2.0
import Platform

/// What a key file may look like.
public enum KeyFileLimit {
    /// The most bytes of a key file.
    public static let byteCount = 4096
    /// The permission bits of a key file.
    public static let permissions: UInt32 = 0o600
}

extension SigningKey {
    /// Reads a key file.
    ///
    /// Throws when it cannot be read, is no plain file, may be read by others than its owner, or
    /// holds no key.
    public static func load(_ path: String) throws(SealingError) -> SigningKey {
        var bytes: [UInt8] = []
        defer { Secret.wipe(&bytes) }
        let (file, status) = try reading(path) { () throws(SystemError) in
            // A pipe in place of the file must not make the agent wait for ever.
            let file = try File(path, .read, .nonBlocking)
            return (file, try file.status())
        }
        try check(status, path)
        _ = try reading(path) { () throws(SystemError) in
            try file.append(to: &bytes, count: KeyFileLimit.byteCount, at: 0)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SealingError(.badKey, "\(path): the key file is not text; name the right one")
        }
        do {
            return try SigningKey(text: text)
        } catch {
            throw SealingError(error.code, "\(path): \(error)")
        }
    }

    /// Reads the key file of an agent, or makes a key and the file where there is none.
    ///
    /// Throws as `load` does, and when the key has another name than the agent.
    public static func loadOrCreate(
        _ path: String, name: String
    ) throws(SealingError) -> (key: SigningKey, isNew: Bool) {
        if isUnfinished(path) { try? FileSystem.remove(path) }
        guard FileSystem.exists(path) else {
            let key = try generate(name: name)
            try key.create(path)
            return (key, true)
        }
        let key = try load(path)
        guard key.name == name else {
            throw SealingError(
                .otherName,
                "\(path): the key belongs to the agent \(key.name), this one is called \(name); "
                    + "set agent.name to \(key.name), or move the key away to begin anew")
        }
        return (key, false)
    }

    /// True for an empty file: the power was lost while the key was made. Nothing was sealed with
    /// it, for `create` ends when the key is durable.
    private static func isUnfinished(_ path: String) -> Bool {
        guard let status = try? FileSystem.linkStatus(path) else { return false }
        return status.kind == .regular && status.byteCount == 0
    }

    /// Writes a new key file that only its owner can read, safe against power loss.
    ///
    /// Throws when anything has that name already; nothing is ever overwritten.
    public func create(_ path: String) throws(SealingError) {
        let text = text
        var bytes = text.withBytes { span in
            var copy: [UInt8] = []
            copy.reserveCapacity(span.count + 1)
            for index in span.indices { copy.append(span[index]) }
            return copy
        }
        defer { Secret.wipe(&bytes) }
        bytes.append(UInt8(ascii: "\n"))
        do {
            let file = try File(
                path, .write, [.createNew, .noFollow], permissions: KeyFileLimit.permissions)
            try file.setPermissions(KeyFileLimit.permissions)
            try file.write(bytes.span, at: 0)
            try file.synchronize()
            try FileSystem.synchronizeFolder(FileSystem.folder(of: path))
        } catch {
            if error.isAlreadyThere {
                throw SealingError(
                    .exists,
                    "\(path) is there already and keys are never overwritten; "
                        + "move it away or choose another name")
            }
            throw SealingError(
                .unreadable,
                "\(error); make the folder writable for this user, or choose another")
        }
    }

    private static func check(_ status: FileStatus, _ path: String) throws(SealingError) {
        guard status.kind == .regular else {
            throw SealingError(.unreadable, "\(path) is no plain file; name the key file itself")
        }
        guard status.permissions & 0o077 == 0 else {
            let mode = String(status.permissions & 0o777, radix: 8)
            throw SealingError(
                .permissions,
                "\(path) has mode \(mode), so others than its owner can use the key; "
                    + "run chmod 600 on it, and make a new key if it may have been copied")
        }
        guard status.byteCount < KeyFileLimit.byteCount else {
            throw SealingError(.badKey, "\(path) is too long for a key file; name the right one")
        }
    }

    private static func reading<Value>(
        _ path: String, _ body: () throws(SystemError) -> Value
    ) throws(SealingError) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            let advice =
                error.isNotFound
                ? "make a key with sealtail keygen, or restore it from its backup"
                : "the key file must belong to the user that runs the agent, with mode 600"
            throw SealingError(.unreadable, "\(error); \(advice)")
        }
    }
}
