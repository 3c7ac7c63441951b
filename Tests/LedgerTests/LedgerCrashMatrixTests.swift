// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Ledger

/// The same run again and again, each time with one thing going wrong at one call to the disk.
struct LedgerCrashMatrixTests {
    // All troubles at all calls take minutes without optimisation; so they take turns, and the run
    // is shorter, unless FUZZ_SECONDS asks for more.
    private static let isThorough = ProcessFacts.environment("FUZZ_SECONDS") != nil

    /// What goes wrong.
    enum Trouble: Sendable, CaseIterable {
        /// The power goes before the call; of what was not synchronised, nothing is kept.
        case powerCutAndNothingKept
        case powerCutAndAllKept
        /// Pieces of it are kept, others are not.
        case powerCutAndSomeKept
        case inputOutputError
        case noSpace
        /// Half of a write is done, then it fails.
        case shortWrite

        var isPowerCut: Bool {
            switch self {
            case .powerCutAndNothingKept, .powerCutAndAllKept, .powerCutAndSomeKept: true
            case .inputOutputError, .noSpace, .shortWrite: false
            }
        }

        func fault(_ kind: MemoryDisk.Call, isFirst: Bool) -> MemoryDisk.Fault? {
            switch self {
            // Without power no call does anything any more.
            case .powerCutAndNothingKept, .powerCutAndAllKept, .powerCutAndSomeKept: .powerCut
            case .inputOutputError: isFirst ? .inputOutput : nil
            case .noSpace: isFirst && kind != .read ? .noSpace : nil
            case .shortWrite: isFirst ? .init(number: 5, writtenByteCount: 130) : nil
            }
        }
    }

    /// Appends of all sizes, positions that come and go, sinks at two speeds, restarts, and more
    /// events than the ledger holds.
    static let steps: [LedgerStep] = (0..<(isThorough ? 22 : 9)).flatMap { round -> [LedgerStep] in
        let number = UInt64(round)
        var steps: [LedgerStep] = [
            .append(count: 2 + round % 5, file: number % 3, forgets: nil),
            .advance(sink: "siem", count: 4),
            .append(count: 1, file: 3 + number % 2, forgets: round % 4 == 3 ? number % 3 + 5 : nil),
        ]
        if round % 3 == 1 { steps.append(.advance(sink: "archive", count: 7)) }
        if round % 4 == 2 { steps += [.second, .deleteDelivered] }
        if round % 6 == 5 { steps.append(.appendAgents(count: 1)) }
        if round == 4 || round == 18 { steps.append(.restart) }
        if round == 7 || round == 15 { steps.append(.kill) }
        return steps
    }

    private static func configuration(_ whenFull: LedgerConfiguration.FullPolicy)
        -> LedgerConfiguration
    {
        var configuration = LedgerConfiguration.small(segment: 2048, limit: 5 * 2048)
        configuration.whenFull = whenFull
        return configuration
    }

    /// Runs the steps with one trouble at one call, and with the power gone at a call of the start
    /// after it; answers what does not hold, and whether the last of these calls was made at all.
    static func run(
        _ trouble: Trouble?, at call: Int, _ whenFull: LedgerConfiguration.FullPolicy,
        swallowing: (@Sendable (MemoryDisk.Call, String) -> Bool)? = nil,
        thenAfter again: Int? = nil
    ) -> (violations: [String], wasReached: Bool) {
        let disk = MemoryDisk()
        if let swallowing { disk.swallow(swallowing) }
        let wasReached = Monitor(false)
        disk.carriesFaults = true
        disk.fail { kind, _, number in
            guard let trouble, number >= call else { return nil }
            wasReached.withLock { $0 = true }
            return trouble.fault(kind, isFirst: number == call)
        }
        let script = LedgerScript(disk, configuration(whenFull))
        script.run(steps) { trouble?.isPowerCut == true && wasReached.withLock { $0 } }
        script.disk.heal()
        if let again {
            wasReached.withLock { $0 = script.startWithPowerCut(after: again, luck: UInt64(call)) }
        }
        script.finish(trouble, luck: UInt64(call))
        return (script.violations, wasReached.withLock { $0 })
    }
}

extension LedgerCrashMatrixTests {
    @Test func withoutTroubleEverythingHolds() {
        for policy in LedgerConfiguration.FullPolicy.allCases {
            let (violations, _) = LedgerCrashMatrixTests.run(nil, at: 0, policy)
            #expect(violations == [])
        }
    }

    @Test(arguments: LedgerConfiguration.FullPolicy.allCases)
    func whatWasCommittedSurvivesTroubleAtEveryCall(policy: LedgerConfiguration.FullPolicy) {
        var call = 1
        while true {
            var wasReached = false
            for (turn, trouble) in Trouble.allCases.enumerated()
            where LedgerCrashMatrixTests.isThorough || call % Trouble.allCases.count == turn {
                let result = LedgerCrashMatrixTests.run(trouble, at: call, policy)
                #expect(result.violations == [], "\(trouble) at call \(call), \(policy)")
                wasReached = wasReached || result.wasReached
            }
            if !wasReached { break }
            call += 1
        }
        // The run is long enough to mean something.
        #expect(call > 150)
    }

    /// The violations of the matrix when calls answer that all is well and do nothing.
    private func sabotage(
        _ policy: LedgerConfiguration.FullPolicy,
        _ swallowing: @escaping @Sendable (MemoryDisk.Call, String) -> Bool
    ) -> [String] {
        var found: [String] = []
        for call in stride(from: 61, to: 240, by: 20) {
            found +=
                LedgerCrashMatrixTests.run(
                    .powerCutAndNothingKept, at: call, policy, swallowing: swallowing
                ).violations
            // A removal may reach the disk before what was written earlier.
            found +=
                LedgerCrashMatrixTests.run(
                    .powerCutAndSomeKept, at: call, policy, swallowing: swallowing
                ).violations
        }
        return found
    }

    @Test func aLedgerThatDoesNotSynchroniseItsFramesIsFoundOut() {
        let found = sabotage(.block) { call, path in
            call == .synchronize && path.hasSuffix(".seg")
        }
        #expect(found.contains { $0.contains("the next number is") })
    }

    @Test func aLedgerThatDoesNotSynchroniseTheNamesOfItsSegmentsIsFoundOut() {
        let found = sabotage(.block) { call, _ in call == .synchronizeFolder }
        #expect(found.contains { $0.contains("the next number is") })
    }

    @Test func aLedgerThatRemovesSegmentsBeforeItsCursorsAreDurableIsFoundOut() {
        let found = sabotage(.dropOldest) { call, path in
            call == .synchronize && path.hasSuffix("cursors")
        }
        #expect(found.contains { $0.contains("instead of") || $0.contains("waiting of") })
    }

    @Test func aLedgerThatDoesNotSynchroniseItsCursorsIsFoundOut() {
        let found = sabotage(.block) { call, path in
            call == .synchronize && path.hasSuffix("cursors")
        }
        #expect(found.contains { $0.contains("were written down") })
    }

    /// The power goes, comes back, and goes again at each call of the start that follows.
    @Test(arguments: LedgerConfiguration.FullPolicy.allCases)
    func whatWasCommittedSurvivesAPowerCutDuringTheStartAfterAPowerCut(
        policy: LedgerConfiguration.FullPolicy
    ) {
        let stride = LedgerCrashMatrixTests.isThorough ? 1 : 41
        var cuts = 0
        for call in Swift.stride(from: 1, to: 300, by: stride) {
            var again = 1
            while true {
                let result = LedgerCrashMatrixTests.run(
                    .powerCutAndSomeKept, at: call, policy, thenAfter: again)
                #expect(result.violations == [], "call \(call), then call \(again), \(policy)")
                guard result.wasReached else { break }
                again += LedgerCrashMatrixTests.isThorough ? 1 : 3
                cuts += 1
            }
        }
        #expect(cuts > 30)
    }
}

extension LedgerScript {
    /// The power was away; it goes again at one of the calls of the next start. False when the
    /// start makes fewer.
    fileprivate func startWithPowerCut(after callCount: Int, luck: UInt64) -> Bool {
        let isOver = Monitor(false)
        let first = disk.callCount + callCount
        disk.fail { _, _, number in
            guard number >= first else { return nil }
            isOver.withLock { $0 = true }
            return .powerCut
        }
        cutPower(luck: luck)
        disk.heal()
        return isOver.withLock { $0 }
    }

    /// What is there after the trouble: the next start, and another one after going on.
    func finish(_ trouble: LedgerCrashMatrixTests.Trouble?, luck: UInt64) {
        switch trouble {
        case .powerCutAndNothingKept: cutPower { false }
        case .powerCutAndAllKept: cutPower { true }
        default: cutPower(luck: luck)
        }
        run([
            .append(count: 3, file: 1, forgets: nil), .advance(sink: "archive", count: 5),
            .append(count: 3, file: 2, forgets: nil), .deleteDelivered,
        ])
        checkSinks()
        cutPower { false }
    }
}
