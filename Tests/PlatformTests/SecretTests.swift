// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@Suite struct SecretTests {
    private struct Holder {
        let name = "siem"
        let key: Secret
    }

    @Test func noDescriptionShowsTheBytes() {
        let holder = Holder(key: Secret(Array("hunter2".utf8)))
        var dumped = ""
        dump(holder, to: &dumped)
        let shown = [
            "\(holder.key)", String(reflecting: holder.key), String(describing: holder.key),
            "\(holder)", String(reflecting: holder), dumped,
            Mirror(reflecting: holder.key).children.map { "\($0.value)" }.joined(),
        ]
        // Two bytes of it: one alone may stand in the address that a private type is named by.
        for text in shown { #expect(!text.contains("hunter2") && !text.contains("104, 117")) }
        #expect("\(holder.key)" == "***")
        #expect(dumped.contains("***"))
    }

    @Test func bytesAreLentAndComparedWhole() {
        let secret = Secret([1, 2, 3])
        let lent = secret.withBytes { span in span.indices.map { span[$0] } }
        #expect(lent == [1, 2, 3])
        #expect(secret.byteCount == 3)
        #expect(secret == Secret([1, 2, 3]))
        #expect(secret != Secret([1, 2, 4]))
        #expect(secret != Secret([1, 2]))
        #expect(Secret([]) == Secret([]))
        #expect(Secret([]).withBytes { $0.count } == 0)
    }

    @Test func theSourceIsWipedWhenAsked() {
        var bytes: [UInt8] = [1, 2, 3]
        let secret = Secret(wiping: &bytes)
        #expect(bytes.isEmpty)
        #expect(secret == Secret([1, 2, 3]))
    }
}
