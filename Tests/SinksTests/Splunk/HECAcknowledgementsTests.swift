// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct HECAcknowledgementsTests {
    private typealias Fate = HECAcknowledgements.Fate

    private static let start = MonotonicInstant(nanoseconds: 0)

    private static func after(_ duration: Duration) -> MonotonicInstant {
        start.advanced(by: duration)
    }

    private func make(timeOut: Duration = .seconds(60)) -> HECAcknowledgements {
        var count = 0
        return HECAcknowledgements(timeOut: timeOut) {
            count += 1
            return "channel-\(count)"
        }
    }

    private func fates(_ acknowledgements: inout HECAcknowledgements) -> [UInt64: Fate] {
        Dictionary(uniqueKeysWithValues: acknowledgements.takeSettled().map { ($0, $1) })
    }

    @Test func aBatchIsConfirmedByItsNumberAndNotBefore() {
        var state = make()
        #expect(state.begin(1, endpoint: 0) == "channel-1")
        state.accepted(1, number: 7, at: Self.start)
        #expect(fates(&state) == [:])
        #expect(state.query(at: Self.start) == nil)
        let now = Self.after(HECAcknowledgements.shortestInterval)
        let query = state.query(at: now)
        #expect(query == .init(channel: 0, name: "channel-1", endpoint: 0, numbers: [7]))
        #expect(state.query(at: now) == nil)
        state.confirm([], of: 0, at: now)
        #expect(fates(&state) == [:])
        state.confirm([8], of: 0, at: now)
        #expect(fates(&state) == [:])
        state.confirm([7], of: 0, at: now)
        #expect(fates(&state) == [1: .confirmed])
        #expect(state.waitingCount == 0)
        #expect(state.patience(at: now) == nil)
    }

    @Test func oneQueryAsksForAllNumbersOfAChannel() {
        var state = make()
        for ticket in 1...5 {
            _ = state.begin(UInt64(ticket), endpoint: 0)
            state.accepted(UInt64(ticket), number: UInt64(ticket), at: Self.start)
        }
        let now = Self.after(.seconds(1))
        #expect(state.query(at: now)?.numbers == [1, 2, 3, 4, 5])
        state.confirm([2, 4], of: 0, at: now)
        #expect(fates(&state) == [2: .confirmed, 4: .confirmed])
        #expect(state.query(at: now) == nil)
        #expect(state.query(at: Self.after(.seconds(2)))?.numbers == [1, 3, 5])
    }

    @Test func queriesBecomeRarerWhileNothingIsConfirmed() {
        var state = make()
        _ = state.begin(1, endpoint: 0)
        state.accepted(1, number: 0, at: Self.start)
        var now = Self.start
        var waits: [Duration] = []
        for _ in 0..<9 {
            let wait = state.patience(at: now) ?? .zero
            waits.append(wait)
            now = now.advanced(by: wait)
            #expect(state.query(at: now) != nil)
            #expect(state.patience(at: now) == Self.after(.seconds(60)).duration(since: now))
            state.confirm([], of: 0, at: now)
        }
        #expect(waits.first == HECAcknowledgements.shortestInterval)
        #expect(waits.last == HECAcknowledgements.longestInterval)
        #expect(zip(waits, waits.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test func aNumberThatComesTwiceSendsEverythingOfItsChannelAgain() {
        var state = make()
        for ticket: UInt64 in [1, 2, 3, 4] { _ = state.begin(ticket, endpoint: 0) }
        state.accepted(1, number: 1, at: Self.start)
        state.accepted(2, number: 2, at: Self.start)
        state.accepted(3, number: 1, at: Self.start)
        let restart = Fate.unconfirmed(.restart)
        #expect(fates(&state) == [1: restart, 2: restart, 3: restart])
        // The fourth was on its way in the channel that is given up.
        state.accepted(4, number: 2, at: Self.start)
        #expect(fates(&state) == [4: .unconfirmed(.formerChannel)])
        #expect(state.begin(5, endpoint: 0) == "channel-2")
    }

    @Test func aNumberThatWasConfirmedIsRememberedToo() {
        var state = make()
        _ = state.begin(1, endpoint: 0)
        state.accepted(1, number: 1, at: Self.start)
        state.confirm([1], of: 0, at: Self.start)
        _ = state.begin(2, endpoint: 0)
        state.accepted(2, number: 1, at: Self.start)
        #expect(fates(&state) == [1: .confirmed, 2: .unconfirmed(.restart)])
    }

    @Test func aConfirmationWaitsForTheAnswersThatAreOnTheirWay() {
        var state = make()
        for ticket: UInt64 in [1, 2, 3] { _ = state.begin(ticket, endpoint: 0) }
        state.accepted(1, number: 1, at: Self.start)
        state.confirm([1], of: 0, at: Self.start)
        state.accepted(2, number: 2, at: Self.start)
        // Begun later, so the confirmation cannot be about it.
        _ = state.begin(4, endpoint: 0)
        #expect(fates(&state) == [:])
        state.answered(3)
        #expect(fates(&state) == [1: .confirmed])
    }

    @Test func aConfirmationThatMayBeAboutAnotherRequestDoesNotCount() {
        var state = make()
        _ = state.begin(1, endpoint: 0)
        state.accepted(1, number: 1, at: Self.start)
        // The collector was restarted: the second request is its number one now, and indexed.
        _ = state.begin(2, endpoint: 0)
        state.confirm([1], of: 0, at: Self.start)
        state.accepted(2, number: 1, at: Self.start)
        let restart = Fate.unconfirmed(.restart)
        #expect(fates(&state) == [1: restart, 2: restart])
    }

    @Test func aLostAnswerSendsEverythingOfItsChannelAgain() {
        var state = make()
        for ticket: UInt64 in [1, 2] { _ = state.begin(ticket, endpoint: 0) }
        state.accepted(1, number: 1, at: Self.start)
        state.confirm([1], of: 0, at: Self.start)
        state.lost(2)
        #expect(fates(&state) == [1: .unconfirmed(.lostAnswer)])
        #expect(state.begin(3, endpoint: 0) == "channel-2")
    }

    @Test func anUnknownChannelIsReplaced() {
        var state = make()
        for ticket: UInt64 in [1, 2] { _ = state.begin(ticket, endpoint: 0) }
        state.accepted(1, number: 1, at: Self.start)
        state.strayed(2)
        #expect(fates(&state) == [1: .unconfirmed(.unknownChannel)])
        #expect(state.begin(3, endpoint: 0) == "channel-2")
    }

    @Test func whatStaysUnconfirmedIsSentAgainUnderAnotherChannel() {
        var state = make(timeOut: .seconds(10))
        _ = state.begin(1, endpoint: 0)
        state.accepted(1, number: 1, at: Self.start)
        _ = state.begin(2, endpoint: 0)
        state.accepted(2, number: 2, at: Self.after(.seconds(5)))
        state.expire(at: Self.after(.seconds(9)))
        #expect(fates(&state) == [:])
        state.expire(at: Self.after(.seconds(10)))
        #expect(fates(&state) == [1: .unconfirmed(.timeOut)])
        #expect(state.begin(3, endpoint: 0) == "channel-2")
        // The other number of the former channel is still asked for.
        let now = Self.after(.seconds(11))
        #expect(state.query(at: now)?.numbers == [2])
        state.confirm([1, 2], of: 0, at: now)
        #expect(fates(&state) == [2: .confirmed])
    }

    @Test func aChannelTakesABoundedNumberOfRequests() {
        var state = make()
        var names: Set<String> = []
        for ticket in 0..<UInt64(HECAcknowledgements.channelRequestLimit * 2) {
            names.insert(state.begin(ticket, endpoint: 0))
            state.accepted(ticket, number: ticket, at: Self.start)
            let channel = ticket / UInt64(HECAcknowledgements.channelRequestLimit)
            state.confirm([ticket], of: channel, at: Self.start)
            #expect(fates(&state) == [ticket: .confirmed])
        }
        #expect(names == ["channel-1", "channel-2"])
    }

    @Test func eachEndpointHasAChannelOfItsOwn() {
        var state = make()
        #expect(state.begin(1, endpoint: 0) == "channel-1")
        #expect(state.begin(2, endpoint: 1) == "channel-2")
        #expect(state.begin(3, endpoint: 0) == "channel-1")
        state.accepted(1, number: 1, at: Self.start)
        state.accepted(2, number: 1, at: Self.start)
        state.answered(3)
        let now = Self.after(.seconds(1))
        let first = HECAcknowledgements.Query(
            channel: 0, name: "channel-1", endpoint: 0, numbers: [1])
        let second = HECAcknowledgements.Query(
            channel: 1, name: "channel-2", endpoint: 1, numbers: [1])
        #expect(state.query(at: now) == first)
        #expect(state.query(at: now) == second)
        state.confirm([1], of: 1, at: now)
        #expect(fates(&state) == [2: .confirmed])
    }

    @Test func aChannelWhoseQueryIsRefusedIsAbandoned() {
        var state = make()
        for ticket: UInt64 in [1, 2] {
            _ = state.begin(ticket, endpoint: 0)
            state.accepted(ticket, number: ticket, at: Self.start)
        }
        #expect(state.abandon(0) == [1, 2])
        #expect(state.abandon(0) == [])
        #expect(state.begin(3, endpoint: 0) == "channel-2")
        #expect(fates(&state) == [:])
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func nothingIsConfirmedThatIsNotIndexed(seed: UInt64) {
        var model = HECModel(seed: seed)
        model.run(steps: 400)
        #expect(model.violations == [], "seed \(seed)")
        #expect(model.settledCount == model.sentCount, "seed \(seed)")
    }

    @Test func aCollectorWithoutFaultsConfirmsEverything() {
        for seed in 0..<20 as Range<UInt64> {
            var model = HECModel(seed: seed, isFaulty: false)
            model.run(steps: 400)
            #expect(model.violations == [])
            #expect(model.confirmedCount == model.sentCount && model.sentCount > 20)
        }
    }
}
