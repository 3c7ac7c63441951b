// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Pipeline

@Suite struct PipelineErrorTests {
    @Test func aMissingRightIsToldApartFromWhatMayHeal() {
        #expect(PipelineError.exitCode(isPermission: true) == 77)
        #expect(PipelineError.exitCode(isPermission: false) == 74)
    }
}
