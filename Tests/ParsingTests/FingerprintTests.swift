// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Parsing

struct FingerprinterTests {
    @Test(arguments: [
        (FingerprintKind.user, "Bo@Example.COM", "h1:LNQVo_Qxb7uronf8krDr4g"),
        (FingerprintKind.email, "Bo@example.com", "h1:gLQRYTU0-PNbOqb_CauBCw"),
        (FingerprintKind.session, "S-1", "h1:MK3WIqi09Dw7U6FcCHKyuA"),
        (FingerprintKind.token, "opaque", "h1:GfaRDBvWtWv0FrgMpD9RZw"),
        (FingerprintKind.ip, "192.0.2.7", "h1:6dU35IVKhg9Fh7E227wiPg"),
    ])
    func fingerprintsAreThoseOfAnotherProgram(
        _ kind: FingerprintKind, _ value: String, _ expected: String
    ) {
        let key = Secret(Array(0x20...0x3F))
        var fingerprinter = Fingerprinter(policy: PrivacyPolicy(key: key))
        var writer = ByteWriter()
        let bytes = Array(value.utf8)
        fingerprinter.append(kind, of: bytes.span, to: &writer)
        #expect(writer.makeString() == expected)
    }
}
