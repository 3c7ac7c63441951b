// SPDX-License-Identifier: Apache-2.0
import Parsing
import Platform
import TestSupport
import Testing

@testable import Pipeline

struct BlindSpotsTests {
    private func parser(successesNeed: String?) throws -> ParserOutline {
        let folder = try TemporaryFolder()
        let need = successesNeed.map { ", successes_need: \($0)" } ?? ""
        try folder.write(
            "test.yaml",
            """
            format: 1
            name: test
            provider: {vendor: Example, product: test}
            verified: {sample: [a line]}
            coverage: {log: a file\(need)}
            recognise: {lines: [x]}
            formats: [{name: only, steps: [{json: {a: a}}]}]
            events: [LoginSucceeded]
            """)
        let problems = ConfigurationProblems()
        let library = ParserLibrary.load(directories: [folder.path], problems: problems)
        #expect(problems.isEmpty, "\(problems.list)")
        return try #require(library.outline(named: "test"))
    }

    @Test func oneRefusalIsEnoughWhereTheProductHidesSuccesses() throws {
        let hiding = try parser(successesNeed: "level debug")
        #expect(
            BlindSpots.sentence(hiding, 0, 1)
                == "shows 1 refusal and no success; test logs successes only with this setting: "
                + "level debug")
        #expect(BlindSpots.sentence(hiding, 1, 100) == nil)
        #expect(BlindSpots.sentence(hiding, 0, 0) == nil)
    }

    @Test func manyRefusalsAloneAreStrangeAnywhere() throws {
        let open = try parser(successesNeed: nil)
        #expect(BlindSpots.sentence(open, 0, BlindSpots.refusalCount - 1) == nil)
        #expect(
            BlindSpots.sentence(open, 0, BlindSpots.refusalCount)?.contains("50 refusals") == true)
    }
}
