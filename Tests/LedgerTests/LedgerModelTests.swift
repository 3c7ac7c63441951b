// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Ledger

/// Random steps against plain arrays: `LedgerScript` says where the two disagree.
struct LedgerModelTests {
    private static let stepCount = 64

    private static func configuration(_ seed: UInt64) -> LedgerConfiguration {
        var configuration = LedgerConfiguration.small(segment: 2048, limit: 6 * 2048)
        configuration.whenFull = seed % 2 == 0 ? .dropOldest : .block
        configuration.codec = seed % 3 == 0 ? .zstd : .raw
        if seed % 4 == 1, let key = testKey(UInt8(truncatingIfNeeded: seed)) {
            configuration.encryption = EncryptionKeyRing(current: key)
        }
        if seed % 5 == 0 { configuration.retention = .seconds(3) }
        return configuration
    }

    private static func steps(_ seed: UInt64) -> [LedgerStep] {
        var generator = SeededGenerator(seed: seed)
        return (0..<stepCount).map { _ in LedgerStep.random(using: &generator) }
    }

    private static func violations(_ steps: [LedgerStep], _ seed: UInt64) -> [String] {
        let script = LedgerScript(MemoryDisk(), configuration(seed), seed: seed)
        script.run(steps)
        script.disk.heal()
        script.cutPower(luck: seed)
        return script.violations
    }

    /// The fewest steps that still go wrong.
    private static func shrink(_ steps: [LedgerStep], _ seed: UInt64) -> [LedgerStep] {
        var steps = steps
        var size = steps.count / 2
        while size > 0 {
            var start = 0
            while start < steps.count {
                var fewer = steps
                fewer.removeSubrange(start..<min(start + size, steps.count))
                if violations(fewer, seed).isEmpty { start += size } else { steps = fewer }
            }
            size /= 2
        }
        return steps
    }

    private func check(_ seed: UInt64) {
        let steps = LedgerModelTests.steps(seed)
        let found = LedgerModelTests.violations(steps, seed)
        guard !found.isEmpty else { return }
        let fewest = LedgerModelTests.shrink(steps, seed)
        Issue.record("seed \(seed): \(LedgerModelTests.violations(fewest, seed)) after \(fewest)")
    }

    // Seeds that once found something are kept here for good.
    @Test(arguments: Array(0..<24 as Range<UInt64>))
    func seededStepsAgreeWithAnArray(seed: UInt64) {
        check(seed)
    }

    @Test func furtherSeededStepsAgreeWithAnArrayForAsLongAsFuzzSecondsSays() {
        let fuzz = FuzzTime()
        var seed = fuzz.seed
        while fuzz.goesOn {
            check(seed)
            seed &+= 1
        }
    }
}
