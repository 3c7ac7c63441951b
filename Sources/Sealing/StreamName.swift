// SPDX-License-Identifier: Apache-2.0
import Platform

/// The rules for the names of keys, which are the names of agents and the roots of streams.
public enum KeyName {
    /// The most bytes of a name; the longest host name has as many.
    public static let byteCountLimit = 253

    /// The beginning that is kept for the first line of statements, so that no checkpoint can be
    /// taken for one.
    static let reservedPrefix = "sealtail-"

    /// Says why a name cannot be used, or nil when it can.
    public static func objection(to name: String) -> String? {
        if name.isEmpty { return "a key name must not be empty; use the host name" }
        if name.utf8.count > byteCountLimit {
            return "a key name must have at most \(byteCountLimit) bytes"
        }
        if name.hasPrefix(reservedPrefix) {
            return "a key name must not begin with \(reservedPrefix); choose another"
        }
        for byte in name.utf8 where !isAllowed(byte) {
            return "a key name is printable ASCII without space, +, \" and \\; choose another"
        }
        return nil
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "+"), UInt8(ascii: "\""), UInt8(ascii: "\\"): false
        case 0x21...0x7E: true
        default: false
        }
    }
}

/// The names of streams, `<name>/main/<epoch>`: one from each start of an agent to its end.
public enum StreamName {
    static let infix = "/main/"
    /// The hexadecimal digits of an epoch.
    public static let epochDigitCount = 16

    /// Makes a new epoch from random bytes.
    public static func makeEpoch() -> String {
        Hex.encode(RandomBytes.make(epochDigitCount / 2))
    }

    /// Joins the name of a key and an epoch.
    public static func make(name: String, epoch: String) -> String { name + infix + epoch }

    /// True for sixteen lower-case hexadecimal digits.
    public static func isEpoch(_ text: some StringProtocol) -> Bool {
        text.utf8.count == epochDigitCount && text.utf8.allSatisfy(isHexDigit)
    }

    /// Splits a stream into key name and epoch; nil when it is not exactly of that form.
    public static func split(_ stream: String) -> (name: String, epoch: String)? {
        let bytes = Array(stream.utf8)
        let nameCount = bytes.count - infix.utf8.count - epochDigitCount
        guard nameCount > 0, bytes[nameCount...].starts(with: infix.utf8) else { return nil }
        let epoch = bytes[(bytes.count - epochDigitCount)...]
        guard epoch.allSatisfy(isHexDigit) else { return nil }
        let name = String(decoding: bytes[..<nameCount], as: UTF8.self)
        // Names are ASCII, so that equal texts are equal bytes.
        guard KeyName.objection(to: name) == nil else { return nil }
        return (name, String(decoding: epoch, as: UTF8.self))
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }
}
