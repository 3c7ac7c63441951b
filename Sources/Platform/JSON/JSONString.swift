// SPDX-License-Identifier: Apache-2.0

/// The text inside a JSON string.
public enum JSONString {
    /// Appends what a JSON string with its quotes stands for, as UTF-8.
    ///
    /// An unpaired surrogate becomes U+FFFD; what is no escape stands as it is.
    public static func append(_ raw: Span<UInt8>, to text: inout [UInt8]) {
        var at = 1
        let end = raw.count - 1
        let inside = raw.extracting(0..<max(end, 0))
        while at < end {
            guard inside[at] == UInt8(ascii: "\\") else {
                text.append(inside[at])
                at += 1
                continue
            }
            switch JSONText.escape(inside, at: at) {
            case .character(let scalar, let count):
                JSONText.forEachByte(of: scalar) { text.append($0) }
                at += count
            case .loneSurrogate(let count):
                text.append(contentsOf: UTF8Repair.replacement)
                at += count
            case .bad, .cut:
                text.append(inside[at])
                at += 1
            }
        }
    }
}
