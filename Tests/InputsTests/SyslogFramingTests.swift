// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Inputs

struct SyslogFramingTests {
    private func messages(
        _ text: String, byteLimit: Int = 1000, pieces: Int = .max
    ) throws -> [SyslogFraming.Message] {
        var framing = SyslogFraming(byteLimit: byteLimit)
        var list: [SyslogFraming.Message] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            framing.append(Array(rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
            while let message = try framing.next() { list.append(message) }
        }
        if let last = framing.finish() { list.append(last) }
        return list
    }

    private func texts(_ list: [SyslogFraming.Message]) -> [String] {
        list.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test(arguments: [1, 2, 3, 7, .max])
    func countedMessagesMayHoldLineFeeds(pieces: Int) throws {
        let list = try messages("9 <1>a\nb\nc\n5 <2>zz", pieces: pieces)
        #expect(texts(list) == ["<1>a\nb\nc\n", "<2>zz"])
        #expect(list.allSatisfy { $0.damage.isEmpty })
    }

    @Test(arguments: [1, 3, .max])
    func linesEndWithEverythingThatSendersUse(pieces: Int) throws {
        let list = try messages("<1>one\n<2>two\r\n<3>three\0\n\n<4>last", pieces: pieces)
        #expect(texts(list) == ["<1>one", "<2>two", "<3>three", "<4>last"])
    }

    @Test(arguments: ["2026-11-21 10:00:00 plain\n", "12 monkeys\n", "0 <1>a\n", "{\"a\":1}\n"])
    func plainLinesAreNoCounts(text: String) throws {
        #expect(texts(try messages(text, pieces: 1)) == [String(text.dropLast())])
    }

    @Test func aWrongCountEndsTheConnection() {
        #expect(throws: SyslogFraming.Fault.self) { try messages("5 <2>zzgarbage 5 <1>a") }
        #expect(throws: SyslogFraming.Fault.self) { try messages("4 <1>a12345678901 <1>a") }
    }

    @Test(arguments: [1, 5, .max])
    func tooLongIsCutAndTheNextMessageIsWhole(pieces: Int) throws {
        let long = String(repeating: "x", count: 50)
        let counted = try messages("53 <1>\(long)6 <1>abc", byteLimit: 10, pieces: pieces)
        #expect(texts(counted) == ["<1>xxxxxxx", "<1>abc"])
        #expect(counted.map(\.damage) == [.cut, []])
        let lines = try messages("<1>\(long)\n<1>abc\n", byteLimit: 10, pieces: pieces)
        #expect(texts(lines) == ["<1>xxxxxxx", "<1>abc"])
        #expect(lines.map(\.damage) == [.cut, []])
    }

    @Test func aMessageThatEndsWithTheConnectionIsFlagged() throws {
        let list = try messages("20 <1>half")
        #expect(texts(list) == ["<1>half"])
        #expect(list.first?.damage == .truncated)
        #expect(texts(try messages("20")) == ["20"])
    }

    @Test func whatWaitsTooLongInMemoryIsCutAndTheRestIsLeftOut() throws {
        for text in ["40 <1>begin", "x <1>begin"] {
            var framing = SyslogFraming(byteLimit: 1000)
            framing.append(Array((text == "40 <1>begin" ? text : "<1>begin").utf8))
            #expect(try framing.next() == nil)
            #expect(framing.cut()?.damage == .cut)
            #expect(framing.unfinishedByteCount == 0)
            let rest = String(repeating: "y", count: 32)
            framing.append(Array((rest + (text.hasPrefix("40") ? "6 <1>abc" : "\n<1>abc\n")).utf8))
            #expect(try framing.next().map { texts([$0]) } == ["<1>abc"])
        }
    }
}
