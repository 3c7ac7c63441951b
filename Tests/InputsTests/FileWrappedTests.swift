// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Files whose lines are wrapped, followed through restarts.
struct FileWrappedTests {
    /// Lines of two outputs that take turns, each of several pieces.
    private static func container() -> (text: [UInt8], messages: [String]) {
        var text = ""
        var messages: [String] = []
        for number in 0..<30 {
            let message = "\(number)" + String(repeating: "s", count: number * 7 % 40)
            let stream = number % 3 == 0 ? "stderr" : "stdout"
            messages.append(message + " end")
            text += WrappedSplitterTests.docker(message, stream)
            if number % 3 == 1 {
                text += WrappedSplitterTests.docker("between \(number)\\n", "stderr")
                messages.append("between \(number)")
            }
            text += WrappedSplitterTests.docker(" end\\n", stream)
        }
        return (Array(text.utf8), messages)
    }

    @Test func everyPlaceInAContainerLogIsAGoodPlaceToStop() throws {
        let folder = try TemporaryFolder()
        let (text, messages) = Self.container()
        let following = try Following(
            in: folder, framing: RecordFraming(wrapper: .auto, joinTimeout: .seconds(60)))
        var all: [ReadRecord] = []
        for start in stride(from: 0, to: text.count, by: 131) {
            let file = try File(folder("app.log"), .write, [.create, .append])
            try file.writeNext(Array(text[start..<min(start + 131, text.count)]).span)
            try following.readOn(for: .milliseconds(6))
            following.stop()
            all += following.records
            try following.start()
        }
        try following.read(messages.count - all.count)
        all += following.records
        #expect(all.map(\.text) == messages)
        #expect(Set(all.map(\.source)).count == 1)
        #expect(all.map(\.offset) == all.map(\.offset).sorted())
    }

    @Test func aContainerLogIsReadToItsEndWhenItIsRotated() throws {
        let following = try Following(framing: RecordFraming(wrapper: .cri))
        let cri = WrappedSplitterTests.cri
        try following.folder.write(
            "app.log", cri("one", "F", "stdout", 0) + cri("two", "P", "stdout", 0))
        try following.read(1)
        try following.folder.rename("app.log", to: "app.log.1")
        try following.folder.write("app.log", cri("three", "F", "stdout", 1))
        #expect(try following.read(3) == ["one", "two", "three"])
    }

    @Test func aFileThatIsReadFromItsEndBeginsWithAWholeRecord() throws {
        let following = try Following(
            startAt: .end,
            framing: RecordFraming(
                recordStart: try RegularExpression("^\\d"), wrapper: .auto,
                joinTimeout: .milliseconds(30)))
        let docker = WrappedSplitterTests.docker
        try following.folder.write("app.log", docker("1 old\\n", "stdout", 0))
        try following.readOn()
        try following.folder.append(
            "app.log", docker("\\tat old\\n", "stdout", 0) + docker("2 new\\n", "stdout", 0))
        #expect(try following.read(1) == ["2 new"])
    }
}
