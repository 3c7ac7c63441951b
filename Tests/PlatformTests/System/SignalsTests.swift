// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Testing

@Suite struct SignalsTests {
    // The thread is its own, so that no thread of the test run keeps a blocked signal.
    @Test func signalsArriveAsValues() throws {
        let seen = Monitor([Signal?]())
        let thread = try Thread.start(name: "signals") {
            guard let signals = try? Signals([.hangUp, .user1]) else { return }
            raise(SIGHUP)
            seen.update { $0.append(try? signals.wait()) }
            raise(SIGUSR1)
            seen.update { $0.append(try? signals.wait(timeout: .seconds(5))) }
            seen.update { $0.append(try? signals.wait(timeout: .zero)) }
            signals.wake()
            seen.update { $0.append(try? signals.wait()) }
        }
        thread.join()
        #expect(seen.withLock { $0 } == [.hangUp, .user1, nil, nil])
    }
}
