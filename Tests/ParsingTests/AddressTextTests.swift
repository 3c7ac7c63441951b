// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Parsing

struct AddressTextTests {
    private func canonical(_ text: String) -> String? {
        var writer = ByteWriter()
        let bytes = Array(text.utf8)
        return AddressText.append(bytes.span, to: &writer) ? writer.makeString() : nil
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("192.0.2.1:443", "192.0.2.1"),
        ("::ffff:198.51.100.4", "198.51.100.4"), ("::FFFF:C633:6404", "198.51.100.4"),
        ("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"),
        ("2001:db8::0:1", "2001:db8::1"), ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("0:0:0:0:0:0:0:1", "::1"), ("::", "::"), ("fe80::1%eth0", "fe80::1"),
        ("1::", "1::"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ])
    func addressesHaveOneForm(_ text: String, _ expected: String) {
        #expect(canonical(text) == expected)
    }

    @Test(arguments: [
        "", "x", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4:", "1.2.3.4:x",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1::", "12345::", ":::", "[::1", "1.2.3.4 ",
        "unknown", "<null>", "::1.2.3", "1:2:3:4:5:6:7::8:9", ":1", "1:",
    ])
    func whatIsNoAddressIsNone(_ text: String) {
        #expect(canonical(text) == nil)
    }
}
