// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct SyslogWindowTests {
    private let start = MonotonicInstant(nanoseconds: 1_000_000_000)

    private func at(_ milliseconds: Int) -> MonotonicInstant {
        start.advanced(by: .milliseconds(milliseconds))
    }

    @Test func aBatchIsSettledAWhileAfterItsLastByteWasAcknowledged() {
        var window = SyslogWindow()
        window.begin(at: at(0))
        window.sent(1, end: 100)
        window.sent(2, end: 200)
        #expect(window.settle(acknowledged: 99, at: at(10)) == [])
        #expect(window.nextLook(at: at(10)) == at(15))
        #expect(window.settle(acknowledged: 150, at: at(20)) == [])
        #expect(window.nextLook(at: at(20)) == at(270))
        #expect(window.settle(acknowledged: 150, at: at(269)) == [])
        #expect(window.settle(acknowledged: 200, at: at(270)) == [1])
        #expect(window.tickets == [2])
        #expect(window.settle(acknowledged: 200, at: at(520)) == [2])
        #expect(window.isEmpty && window.nextLook(at: at(520)) == nil)
    }

    @Test func aReceiverThatTakesNothingIsStalledAndOneThatIsSlowIsNot() {
        var window = SyslogWindow()
        window.begin(at: at(0))
        window.sent(1, end: 100)
        #expect(!window.isStalled(hasMore: false, at: at(29_999)))
        #expect(window.isStalled(hasMore: false, at: at(30_000)))
        #expect(window.settle(acknowledged: 1, at: at(29_000)) == [])
        #expect(!window.isStalled(hasMore: false, at: at(58_999)))
        #expect(window.isStalled(hasMore: false, at: at(59_000)))
        // What is acknowledged and only waits is no stall, unless more could not be written.
        #expect(window.settle(acknowledged: 100, at: at(60_000)) == [])
        #expect(!window.isStalled(hasMore: false, at: at(100_000)))
        #expect(window.isStalled(hasMore: true, at: at(100_000)))
    }
}
