// SPDX-License-Identifier: Apache-2.0

/// The bounds of what a configuration may be. Beyond each one stands a problem that names it.
public enum ConfigurationLimit {
    /// The longest YAML file, in bytes.
    public static let fileByteLimit = 4 << 20
    /// The deepest nesting of lists and mappings.
    public static let depthLimit = 64
    /// The most values in one file, keys included.
    public static let nodeLimit = 200_000
    /// The most files that `conf.d` may hold.
    public static let fragmentLimit = 1_000
    /// The longest secret file or credential, in bytes.
    public static let secretByteLimit = 64 << 10
    /// The most problems kept; later ones are only counted.
    public static let problemLimit = 500
    /// The most characters of a value that a problem quotes.
    public static let quoteLimit = 60
    /// The longest key path that a node keeps, in bytes; `…` stands for the rest.
    public static let keyPathByteLimit = 512
    /// The largest number of edits between a wrong key and the key it is taken for.
    public static let suggestionDistanceLimit = 2
    /// The longest key that is compared with the known keys.
    public static let suggestionLengthLimit = 64
}
