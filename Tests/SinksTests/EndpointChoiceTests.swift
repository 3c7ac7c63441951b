// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct EndpointChoiceTests {
    private static let start = MonotonicInstant(nanoseconds: 0)

    /// A choice whose calls can stand inside an expectation.
    private final class Trial {
        private var choice: EndpointChoice

        init(_ count: Int) {
            choice = EndpointChoice(count: count, returnTime: .seconds(60))
        }

        func pick(_ second: Int = 0) -> Int {
            choice.pick(at: start.advanced(by: .seconds(second)))
        }

        func answered(_ index: Int) { choice.answered(index) }

        func failed(_ index: Int, _ second: Int = 0) -> Bool {
            choice.failed(index, at: start.advanced(by: .seconds(second)))
        }
    }

    @Test func itStaysWithTheFirstWhileThatAnswers() {
        let choice = Trial(3)
        for second in 0..<300 {
            #expect(choice.pick(second) == 0)
            choice.answered(0)
        }
    }

    @Test func aFailureGoesOnToTheNextAndAroundTheList() {
        let choice = Trial(3)
        #expect(choice.failed(0))
        #expect(choice.pick() == 1)
        #expect(choice.failed(1))
        #expect(choice.pick() == 2)
        #expect(!choice.failed(2))
        #expect(choice.pick() == 0)
    }

    @Test func requestsThatFailTogetherGoOnByOneOnly() {
        let choice = Trial(3)
        for _ in 0..<4 {
            #expect(choice.failed(0))
        }
        #expect(choice.pick() == 1)
    }

    @Test func whoAnswersKeepsTheRequestsUntilItIsTimeToTryTheFirst() {
        let choice = Trial(2)
        _ = choice.failed(0)
        choice.answered(1)
        #expect(choice.pick(59) == 1)
        // One request tries; the others stay until it is known what became of it.
        #expect(choice.pick(60) == 0)
        #expect(choice.pick(60) == 1)
        #expect(choice.failed(0, 61))
        #expect(choice.pick(119) == 1)
        #expect(choice.pick(120) == 0)
        choice.answered(0)
        #expect(choice.pick(120) == 0)
        #expect(choice.pick(1000) == 0)
    }

    @Test func anAnswerOfAnyMakesTheOthersWorthATryAgain() {
        let choice = Trial(2)
        _ = choice.failed(0)
        choice.answered(1)
        #expect(choice.failed(1, 1), "the first has not failed since")
        #expect(choice.pick(1) == 0)
    }

    @Test func aSingleEndpointHasNoOther() {
        let choice = Trial(1)
        #expect(!choice.failed(0))
        #expect(choice.pick() == 0)
        #expect(choice.pick(1000) == 0)
    }
}
