// SPDX-License-Identifier: Apache-2.0
import Glibc
import Inputs
import Platform
import Testing

@Suite struct InputErrorTests {
    @Test func aPortThatIsNotAllowedNamesTheCapability() {
        let refusal = SystemError(call: "listen on", path: "0.0.0.0:514", number: EACCES)
        let error = InputError.system(input: "network", refusal)
        #expect(error.exitCode == .permission)
        #expect(error.description.contains("CAP_NET_BIND_SERVICE"))
    }

    @Test func aPortThatIsTakenIsNoMissingRight() {
        let refusal = SystemError(call: "listen on", path: "0.0.0.0:514", number: EADDRINUSE)
        let error = InputError.system(input: "network", refusal)
        #expect(error.exitCode == .inputOutput)
        #expect(!error.description.contains("CAP_NET_BIND_SERVICE"))
    }
}
