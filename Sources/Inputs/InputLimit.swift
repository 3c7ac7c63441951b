// SPDX-License-Identifier: Apache-2.0

/// The bounds inside which inputs work.
public enum InputLimit {
    /// The bytes read at once, hence about the most bytes of a batch.
    public static let blockByteCount = 256 << 10
    /// The most records of a batch.
    public static let batchRecordLimit = 8192
    /// `max_record_bytes` unless it is configured.
    public static let defaultRecordByteLimit = 1 << 20
    /// What `max_record_bytes` may be. The lower bound holds the bytes that a file key needs.
    public static let recordByteLimits = 1 << 10...16 << 20
    /// The most wrappers that are taken off a line, each within the one before: syslog in a
    /// container's log, or a container's log that syslog passed on.
    public static let wrapperLimit = 2
    /// The most lines of a record that is joined.
    public static let recordLineLimit = 1000
    /// The same of JSON that was printed over lines: a list that somebody exported is one value,
    /// and each record in it has a hundred lines.
    public static let printedLineLimit = 200_000
    /// Files at their end are closed while more than this many are open.
    public static let openFileLimit = 512
    /// Files at their end stay open, however long they are quiet, while no more are open.
    public static let keptOpenFileCount = 64
    /// The most contents of files remembered after they are no longer followed.
    public static let rememberedFileLimit = 100_000
    /// The most contents remembered although their files are gone, so that no key comes twice.
    public static let vanishedFileLimit = 4096
    /// The most bytes of a compressed content that are read at once to find out how long it is.
    public static let measuredByteLimit = 32 << 20
    /// The most positions that one batch gives up.
    public static let forgottenLimit = 1024
    /// How far into a file its first record is looked for.
    public static let headByteLimit = 64 << 10
    /// The most patterns under `paths` or `exclude`.
    public static let patternLimit = 100
    /// The most columns that a log can be said to have.
    public static let columnLimit = 200
    /// The most labels of an input.
    public static let labelLimit = 32
    /// The most bytes of the value of a label, and of a tenant.
    public static let wordLimit = 256
    /// The most characters of an id and of the name of a label.
    public static let idLimit = 64
}

/// How long a file input waits, and for what.
struct FileTiming: Sendable {
    /// From a batch, after which nothing was left to read, to the next: what is written line by
    /// line comes by the dozen then, for a third of the CPU and no commit later.
    var gather: Duration = .milliseconds(5)
    /// Between two looks at files that the kernel does not report on.
    var poll: Duration = .milliseconds(250)
    /// The same at most, when there are so many that a look takes long.
    var longestPoll: Duration = .seconds(5)
    /// Between two looks at all folders and files, whatever the kernel reports.
    var rescan: Duration = .seconds(5)
    /// The same while the kernel reports nothing.
    var rescanWithoutWatch: Duration = .seconds(1)
    /// The same at most, when there are so many that a look takes long.
    var longestRescan: Duration = .seconds(60)
    /// A rename or a new name is acted on at most this often.
    var rescanPause: Duration = .milliseconds(20)
    /// What a file ends with is taken for its last line this long after its last growth, when it
    /// was rotated; one that was deleted is let go then.
    var quiet: Duration = .seconds(5)
    /// A rotated file that no pattern names is followed this long after its last growth: whoever
    /// wrote it may not have opened the new one yet.
    var linger: Duration = .seconds(3600)
    /// Between two looks for positions that need not be kept.
    var review: Duration = .seconds(600)
    /// A file at its end is closed after this long, when many are open.
    var idle: Duration = .seconds(60)
    /// Before the first new attempt to read what could not be read.
    var firstRetry: Duration = .milliseconds(250)
    /// The longest time between two attempts.
    var longestRetry: Duration = .seconds(30)
}
