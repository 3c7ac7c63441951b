// SPDX-License-Identifier: Apache-2.0
import CSIMD

/// Finds places where one of a few kinds of two bytes in a row stands, many at a time.
///
/// It may find pairs that belong to no kind, but misses none that does.
public struct BytePairs: Sendable {
    private var pairs = sealtail_pairs()

    /// How many kinds there may be.
    public static let kindLimit = 8

    /// Looks for each of the first bytes with each of the second; all of them ASCII and not zero.
    public init(_ kinds: [(firsts: String, seconds: String)]) {
        guard kinds.count <= BytePairs.kindLimit else { bug("more than eight kinds of pairs") }
        for (number, kind) in kinds.enumerated() {
            sealtail_pairs_add(&pairs, UInt32(number), kind.firsts, kind.seconds)
        }
    }

    /// The place of the second byte of the first pair whose second byte is in the range.
    @inline(__always)
    public func next(in bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let from = max(range.lowerBound, 1)
        guard from < range.upperBound, range.upperBound <= bytes.count else { return nil }
        // Safe because the function reads bytes before `upperBound` alone, which was checked.
        let found = bytes.withUnsafeBufferPointer { buffer in
            withUnsafePointer(to: pairs) { pairs in
                buffer.baseAddress.map {
                    sealtail_pairs_find(pairs, $0, from, range.upperBound)
                } ?? range.upperBound
            }
        }
        return found < range.upperBound ? found : nil
    }
}
