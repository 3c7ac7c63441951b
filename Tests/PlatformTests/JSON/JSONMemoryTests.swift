// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Testing

/// Two pages of which the second must not be touched: reading one byte too far ends the process.
private final class GuardedPage {
    static let byteCount = 4096
    private let start: UnsafeMutableRawPointer

    init() throws {
        let map = mmap(
            nil, 2 * GuardedPage.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
            0)
        start = try #require(map == MAP_FAILED ? nil : map)
        try #require(mprotect(start + GuardedPage.byteCount, GuardedPage.byteCount, PROT_NONE) == 0)
    }

    deinit {
        munmap(start, 2 * GuardedPage.byteCount)
    }

    /// Puts the bytes at the very end of the page that may be read.
    func with<Result>(_ bytes: [UInt8], _ body: (Span<UInt8>) -> Result) -> Result {
        let place = start + GuardedPage.byteCount - bytes.count
        bytes.withUnsafeBytes { source in
            if let source = source.baseAddress {
                place.copyMemory(from: source, byteCount: bytes.count)
            }
        }
        // Safe because the bytes were just written and stay until the next call.
        let pointer = place.assumingMemoryBound(to: UInt8.self)
        return body(Span(_unsafeElements: UnsafeBufferPointer(start: pointer, count: bytes.count)))
    }
}

@Suite struct JSONMemoryTests {
    @Test func nothingBehindTheLastByteIsRead() throws {
        let page = try GuardedPage()
        let reader = JSONReader()
        let lenient = LenientJSON()
        let documents = [
            "{}", "12", "true", "null", "\"\"",
            "[\"a long enough text to fill a register or two\"]",
            "{\"a\":1.25e-3,\"b\":\"é\\u00e9\"}", "[\"cut", "{\"a\":12", "[tru", "\"\\ud83d", "-",
            "\\",
        ]
        for document in documents {
            let bytes = Array(document.utf8)
            let isSound = reader.read(bytes)
            let isSame = page.with(bytes) { reader.read($0) == isSound }
            #expect(isSame)
            let isRead = page.with(bytes) { lenient.read($0) }
            #expect(isRead == lenient.read(bytes))
            let isStrict = page.with(bytes) { (try? StrictJSON.read($0, .standard)) != nil }
            #expect(isStrict == isSound)
            let hash = page.with(bytes) { JSONKey.hash($0) }
            #expect(hash == JSONKey(document).hash)
            let isText = page.with(bytes) { UTF8Repair.isValid($0) }
            #expect(isText)
        }
    }
}
