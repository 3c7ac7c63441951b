// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@Suite(.enabled(if: OpenSSLCommand.isThere)) struct CertificateChainTests {
    private func read(_ folder: TemporaryFolder, _ name: String) throws -> [UInt8] {
        try FileSystem.read(folder(name), byteLimit: 1 << 20)
    }

    private func refusal(_ body: () throws(CertificateError) -> Void) -> String? {
        do throws(CertificateError) {
            try body()
            return nil
        } catch {
            return error.description
        }
    }

    @Test func theFirstToExpireOfAChainCounts() throws {
        let folder = try TemporaryFolder()
        let day = Duration.seconds(86_400)
        try OpenSSLCommand.makeAuthority(folder, "ca")
        let before = SystemClock().now().advanced(by: .seconds(-1))
        try OpenSSLCommand.makeCertificate(folder, "long", signedBy: "ca", days: 30)
        try OpenSSLCommand.makeCertificate(folder, "short", signedBy: "ca", days: 1)
        let after = SystemClock().now()
        let (long, short) = (try read(folder, "long.pem"), try read(folder, "short.pem"))
        let chain = try CertificateChain(pem: long + Array("some words\n".utf8) + short)
        #expect(chain.count == 2)
        #expect(chain.expiry >= before.advanced(by: day))
        #expect(chain.expiry <= after.advanced(by: day))
        #expect(try CertificateChain(pem: long).expiry > after.advanced(by: day * 29))
    }

    @Test func whatIsNoCertificateIsRefused() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        let good = try read(folder, "ca.pem")
        #expect(refusal { () throws(CertificateError) in _ = try CertificateChain(pem: []) } != nil)
        for end in [10, good.count / 2, good.count - 10] {
            #expect(
                refusal { () throws(CertificateError) in
                    _ = try CertificateChain(pem: Array(good.prefix(end)))
                } != nil)
        }
        // A good one in front does not hide a damaged one.
        #expect(
            refusal { () throws(CertificateError) in
                _ = try CertificateChain(pem: good + good.prefix(good.count / 2))
            } != nil)
    }

    @Test func aKeyHasToBelongToTheFirstCertificate() throws {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        try OpenSSLCommand.makeCertificate(folder, "one", signedBy: "ca")
        let (one, ca) = (try read(folder, "one.pem"), try read(folder, "ca.pem"))
        let key = try read(folder, "one.key")
        func check(_ key: [UInt8], _ pem: [UInt8]) -> String? {
            refusal { () throws(CertificateError) in
                try CertificateChain.check(key: Secret(key), of: pem)
            }
        }
        #expect(check(key, one) == nil)
        #expect(check(key, one + ca) == nil)
        #expect(check(key, ca + one) == "is not the key of the certificate")
        #expect(check(Array(key.dropLast(40)), one)?.contains("holds no private key") == true)
        #expect(check([], one)?.contains("holds no private key") == true)
        try OpenSSLCommand.run([
            "pkey", "-in", folder("one.key"), "-aes256", "-passout", "pass:word",
            "-out", folder("locked.key"),
        ])
        let locked = try read(folder, "locked.key")
        #expect(check(locked, one)?.contains("with a password") == true)
    }
}
