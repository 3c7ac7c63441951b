// SPDX-License-Identifier: Apache-2.0
import CPCRE2

/// A pattern that cannot be compiled.
public struct RegularExpressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The pattern.
    public let pattern: String
    /// What is wrong with it, in the library's words.
    public let reason: String
    /// The byte of the pattern at which it was noticed.
    public let offset: Int

    /// One sentence with the place.
    public var description: String {
        "the pattern is wrong at character \(offset + 1): \(reason)"
    }
}

// Safe because the compiled code is not written to after `init`.
/// A compiled pattern (PCRE2 syntax). Threads may share it; each brings its own `Match`.
///
/// Every match is bounded in steps, depth and memory, and in the text that it looks at: machine
/// code does not count the steps of a repetition, so only the text bounds what those cost. Text is
/// taken as UTF-8 where it is well-formed; a match never fails because it is not.
public final class RegularExpression: @unchecked Sendable {
    /// Steps that one match may take.
    public static let stepLimit: UInt32 = 100_000
    /// How deep a match may nest.
    public static let depthLimit: UInt32 = 1_000
    /// Memory that one match may take for going back, in KiB.
    public static let heapKibibyteLimit: UInt32 = 1_024
    /// The most bytes that a match looks at; what follows is not seen, as if the text ended there.
    public static let textByteLimit = 256 << 10
    /// The longest pattern in bytes.
    public static let patternByteLimit = 16_384

    /// The pattern it was compiled from.
    public let pattern: String
    /// The named groups in the order of their numbers.
    public let names: [(name: String, group: Int)]
    /// How many groups there are, not counting group 0, the whole match.
    public let groupCount: Int
    /// Whether matching runs machine code; a hardened unit forbids it, and it is slower then.
    public let isCompiledToMachineCode: Bool
    // Safe because compiled code is never changed after init and is freed in deinit.
    fileprivate let code: OpaquePointer

    /// Compiles a pattern.
    public init(_ pattern: String) throws(RegularExpressionError) {
        let bytes = Array(pattern.utf8)
        guard bytes.count <= RegularExpression.patternByteLimit else {
            throw RegularExpressionError(
                pattern: pattern,
                reason: "it is longer than \(RegularExpression.patternByteLimit) bytes",
                offset: RegularExpression.patternByteLimit)
        }
        var failure: Int32 = 0
        var offset = 0
        // Invalid UTF-8 in a subject is stepped over. \C and callouts have no use here.
        let options =
            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C
            | PCRE2_DOLLAR_ENDONLY
        // Safe because the array outlives the call and the code is freed only in deinit.
        guard let code = pcre2_compile_8(bytes, bytes.count, options, &failure, &offset, nil) else {
            throw RegularExpressionError(
                pattern: pattern, reason: RegularExpression.text(of: failure), offset: offset)
        }
        self.pattern = pattern
        self.code = code
        isCompiledToMachineCode = pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE) == 0
        var count: UInt32 = 0
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_CAPTURECOUNT), &count)
        groupCount = Int(count)
        names = RegularExpression.names(of: code)
    }

    deinit {
        // Safe because nobody else holds the code.
        pcre2_code_free_8(code)
    }

    /// Finds the first match inside `bytes[range]`, up to `textByteLimit`; lookbehind sees nothing
    /// before the range.
    ///
    /// False when there is none, or when a limit was reached first, which `match` then says.
    public func match(
        _ bytes: Span<UInt8>, _ range: Range<Int>, into match: borrowing Match
    ) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
            bug("a match in \(range) of \(bytes.count) bytes")
        }
        // Safe because the range was checked and the match data belongs to this thread.
        return bytes.withUnsafeBufferPointer { buffer in
            match.storage.run(self, buffer.baseAddress, range)
        }
    }

    private static func names(of code: OpaquePointer) -> [(name: String, group: Int)] {
        var count: UInt32 = 0
        var size: UInt32 = 0
        var table: UnsafePointer<UInt8>?
        // Safe because the table lives as long as the code and has `count` entries of `size`
        // bytes: two for the group's number, then the name and a zero.
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMECOUNT), &count)
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMEENTRYSIZE), &size)
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMETABLE), &table)
        guard let table else { return [] }
        var names = [(name: String, group: Int)]()
        for index in 0..<Int(count) {
            let entry = table + index * Int(size)
            names.append((String(cString: entry + 2), Int(entry[0]) << 8 | Int(entry[1])))
        }
        return names.sorted { $0.group < $1.group }
    }

    private static func text(of failure: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        // Safe because the library is told the length of the buffer.
        let count = pcre2_get_error_message_8(failure, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, Int(count))), as: UTF8.self)
    }
}

/// What a match found, and the memory it needs. One per thread, for any number of patterns.
public struct Match: ~Copyable {
    fileprivate let storage: MatchStorage

    /// Makes an empty match.
    public init() {
        storage = MatchStorage()
    }

    /// Where a group matched, counted in the whole span; nil when it took no part.
    ///
    /// Group 0 is the whole match. All groups are nil after a match that failed.
    public func range(_ group: Int) -> Range<Int>? {
        storage.range(group)
    }

    /// The last match was given up because it reached a limit.
    public var isLimitHit: Bool { storage.isLimitHit }
}

private final class MatchStorage {
    // Room for as many groups as fit a pattern that a person writes; PCRE2 leaves the rest out.
    private static let groupLimit: UInt32 = 256

    // Safe because init makes them and deinit frees them; `offsets` is part of `data`.
    private let data: OpaquePointer
    private let context: OpaquePointer
    private let offsets: UnsafeMutablePointer<Int>
    private var base = 0
    private var groupCount = 0
    private(set) var isLimitHit = false

    init() {
        // Safe because both objects are checked here and freed only in deinit; the vector of
        // offsets belongs to the match data and has two entries for each group.
        guard let data = pcre2_match_data_create_8(MatchStorage.groupLimit, nil),
            let context = pcre2_match_context_create_8(nil),
            let offsets = pcre2_get_ovector_pointer_8(data)
        else { bug("no memory for a match") }
        self.data = data
        self.context = context
        self.offsets = offsets
        pcre2_set_match_limit_8(context, RegularExpression.stepLimit)
        pcre2_set_depth_limit_8(context, RegularExpression.depthLimit)
        pcre2_set_heap_limit_8(context, RegularExpression.heapKibibyteLimit)
    }

    deinit {
        // Safe because nobody else holds the two objects.
        pcre2_match_data_free_8(data)
        pcre2_match_context_free_8(context)
    }

    func run(
        _ expression: RegularExpression, _ start: UnsafePointer<UInt8>?, _ range: Range<Int>
    ) -> Bool {
        base = range.lowerBound
        groupCount = 0
        isLimitHit = false
        var nothing: UInt8 = 0
        let count = min(range.count, RegularExpression.textByteLimit)
        let result = withUnsafePointer(to: &nothing) { nothing in
            // Safe because the caller checked the range; an empty span has no start of its own.
            // Machine code is called as pcre2_match(3) calls it, which here checks nothing first.
            let start = start.map { $0 + range.lowerBound } ?? nothing
            let code = expression.code
            return expression.isCompiledToMachineCode
                ? pcre2_jit_match_8(code, start, count, 0, 0, data, context)
                : pcre2_match_8(code, start, count, 0, 0, data, context)
        }
        if result >= 0 {
            groupCount = min(expression.groupCount + 1, Int(MatchStorage.groupLimit))
            return true
        }
        isLimitHit = result != PCRE2_ERROR_NOMATCH
        return false
    }

    func range(_ group: Int) -> Range<Int>? {
        guard group >= 0, group < groupCount else { return nil }
        // Safe because the vector has two entries for each group below `groupCount`.
        let start = offsets[2 * group]
        let end = offsets[2 * group + 1]
        // PCRE2_UNSET is the largest value; \K in a lookahead can put the start behind the end.
        guard start >= 0, end >= start else { return nil }
        return (base + start)..<(base + end)
    }
}
