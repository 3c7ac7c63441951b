// SPDX-License-Identifier: Apache-2.0
import Parsing
import Platform
import Testing

@testable import Pipeline

struct BlindSpotsTests {
    private func program(successesNeed: String?) throws -> ParserProgram {
        let need = successesNeed.map { ", successes_need: \($0)" } ?? ""
        let problems = ConfigurationProblems()
        let definition = ParserDefinition.read(
            Array(
                """
                format: 1
                name: test
                provider: {vendor: Example, product: test}
                verified: {sample: [a line]}
                coverage: {log: a file\(need)}
                recognise: {lines: [x]}
                formats: [{name: only, steps: [{json: {a: a}}]}]
                events: [LoginSucceeded]
                """.utf8), file: "test.yaml", problems: problems)
        let program = definition.flatMap { ParserCompiler.compile($0, problems: problems) }
        #expect(problems.isEmpty, "\(problems.list)")
        return try #require(program)
    }

    @Test func oneRefusalIsEnoughWhereTheProductHidesSuccesses() throws {
        let hiding = try program(successesNeed: "level debug")
        #expect(
            BlindSpots.sentence(hiding, 0, 1)
                == "shows 1 refusal and no success; test logs successes only with this setting: "
                + "level debug")
        #expect(BlindSpots.sentence(hiding, 1, 100) == nil)
        #expect(BlindSpots.sentence(hiding, 0, 0) == nil)
    }

    @Test func manyRefusalsAloneAreStrangeAnywhere() throws {
        let open = try program(successesNeed: nil)
        #expect(BlindSpots.sentence(open, 0, BlindSpots.refusalCount - 1) == nil)
        #expect(
            BlindSpots.sentence(open, 0, BlindSpots.refusalCount)?.contains("50 refusals") == true)
    }
}
