// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Inputs

struct FileTailTests {
    private let denied: Int32 = 13

    private func status(_ permissions: UInt32) throws -> FileStatus {
        let folder = try TemporaryFolder()
        try folder.write("a", "")
        var status = try FileSystem.status(folder("a"))
        status.permissions = permissions
        status.userID = 0
        status.groupID = 4
        return status
    }

    @Test func aDeniedFileNamesTheGroupThatHelps() throws {
        let error = SystemError(call: "open", path: "/x/a.log", number: denied)
        let sentence = UnreadableReason.sentence("/x/a.log", error, try status(0o640))
        #expect(sentence.hasPrefix("/x/a.log: permission denied; "))
        #expect(sentence.contains(" to group adm and restart the agent"))
    }

    @Test func aFileForItsOwnerAloneAsksForMore() throws {
        let error = SystemError(call: "open", path: "/x/a.log", number: denied)
        let sentence = UnreadableReason.sentence("/x/a.log", error, try status(0o600))
        #expect(sentence.contains("make it readable for its group (chmod g+r) and add user "))
    }

    @Test func otherErrorsKeepTheirSentence() throws {
        let inputOutput: Int32 = 5
        let error = SystemError(call: "read", path: "/x/a.log", number: inputOutput)
        #expect(UnreadableReason.sentence("/x/a.log", error, nil).contains("(EIO)"))
    }

    @Test func eachAttemptWaitsLongerUpToALimit() {
        var timing = FileTiming()
        timing.firstRetry = .seconds(1)
        timing.longestRetry = .seconds(5)
        let now = MonotonicInstant(nanoseconds: 0)
        var trouble: FileTail.Trouble?
        var delays: [Duration] = []
        for _ in 0..<5 {
            trouble = .after(trouble, reason: "", now: now, timing: timing)
            if let trouble {
                delays.append(trouble.delay)
                #expect(trouble.retry == now.advanced(by: trouble.delay))
            }
        }
        #expect(delays == [.seconds(1), .seconds(2), .seconds(4), .seconds(5), .seconds(5)])
    }
}
