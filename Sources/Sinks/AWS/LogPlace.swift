// SPDX-License-Identifier: Apache-2.0

/// Makes the log stream that is missing, and the log group when that is missing too.
///
/// It decides and does nothing: `missing` and `took` say what to ask for next.
struct LogPlace {
    /// What to ask for.
    enum Step: Sendable, Equatable {
        case makeGroup, makeStream
    }

    /// What came of a step.
    enum Answer: Sendable {
        /// It is there now, or was.
        case made
        /// What it belongs into is not there.
        case missing
        case failed(DeliveryError)
    }

    private var step: Step?
    private var hasMadeGroup = false
    private var problem: DeliveryError?
    private var wasMade = false

    /// A request found no place: what becomes of it, and what to ask for now, if anything.
    mutating func missing(count: Int, sentence: String) -> (DeliveryError, Step?) {
        // Nobody has to act yet, and it will not last: sent again without a word.
        let again = DeliveryError.partial(retry: Array(0..<count), reject: [], after: nil)
        guard step == nil else { return (again, nil) }
        step = .makeStream
        hasMadeGroup = false
        if let problem {
            self.problem = nil
            return (problem, step)
        }
        // A place that was made and is still not there may need a while, or be somewhere else.
        let result =
            wasMade ? DeliveryError.retry(after: nil, reason: sentence, code: .place) : again
        return (result, step)
    }

    /// Takes what came of the last step and says what to ask for next, if anything.
    mutating func took(_ answer: Answer) -> Step? {
        switch (step, answer) {
        case (.makeStream, .made):
            wasMade = true
            step = nil
        case (.makeGroup, .made):
            hasMadeGroup = true
            step = .makeStream
        case (.makeStream, .missing) where !hasMadeGroup:
            step = .makeGroup
        case (_, .missing):
            step = nil
        case (_, .failed(let error)):
            problem = error
            step = nil
        case (nil, .made):
            break
        }
        return step
    }

    /// Events were stored: the place is there.
    mutating func stored() {
        wasMade = false
        problem = nil
    }
}
