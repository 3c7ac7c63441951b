// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

/// When the files of a `tls` block change on the disk, without waiting for it to be time to look.
@Suite(.enabled(if: OpenSSLCommand.isThere)) struct TLSMaterialTests {
    private let start = MonotonicInstant(nanoseconds: 0)

    private func later(_ looks: Int) -> MonotonicInstant {
        start.advanced(by: TLSMaterial.interval * looks)
    }

    private func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try OpenSSLCommand.makeAuthority(folder, "ca")
        for name in ["one", "two"] {
            try OpenSSLCommand.makeCertificate(folder, name, signedBy: "ca")
        }
        return folder
    }

    private func install(_ folder: TemporaryFolder, certificate: String, key: String) throws {
        for (from, name) in [("\(certificate).pem", "used.pem"), ("\(key).key", "used.key")] {
            let bytes = try FileSystem.read(folder(from), byteLimit: 1 << 20)
            try FileSystem.write(folder(name), bytes.span)
        }
    }

    private func material(_ folder: TemporaryFolder) throws -> TLSMaterial {
        var options = TLSOptions()
        options.authorityFile = folder("ca.pem")
        options.certificateFile = folder("used.pem")
        options.keyFile = folder("used.key")
        return try TLSMaterial(options, sink: "siem", at: start)
    }

    @Test func aNewPairIsTakenOverWhenItIsTimeToLook() throws {
        let folder = try folder()
        try install(folder, certificate: "one", key: "one")
        var material = try material(folder)
        let first = material.content
        #expect(first.expiry != nil)
        material.refresh(at: later(1))
        #expect(material.version == 0)
        try install(folder, certificate: "two", key: "two")
        material.refresh(at: later(2).advanced(by: .milliseconds(-1)))
        #expect(material.content == first)
        material.refresh(at: later(2))
        #expect(material.version == 1)
        #expect(material.content.certificate != first.certificate)
        #expect(material.content.key != first.key)
        #expect(material.problem == nil)
        #expect(TLSMaterial.interval <= .seconds(5))
    }

    @Test func aPairThatDoesNotFitLeavesTheOldOneAndIsSaid() throws {
        let folder = try folder()
        try install(folder, certificate: "one", key: "one")
        var material = try material(folder)
        let first = material.content
        try install(folder, certificate: "two", key: "one")
        material.refresh(at: later(1))
        // It may be that the key is just being written.
        #expect(material.problem == nil)
        material.refresh(at: later(2))
        let key = folder("used.key")
        let problem = try #require(material.problem)
        #expect(problem.hasPrefix("tls.key_file: \(key) is not the key of the certificate; "))
        #expect(material.content == first)
        #expect(material.version == 0)
        try install(folder, certificate: "two", key: "two")
        material.refresh(at: later(3))
        #expect(material.problem == nil)
        #expect(material.version == 1)
    }

    @Test(arguments: ["used.pem", "used.key", "ca.pem"])
    func aFileThatIsDamagedOrGoneLeavesTheOldContent(name: String) throws {
        let folder = try folder()
        try install(folder, certificate: "one", key: "one")
        var material = try material(folder)
        let first = material.content
        try folder.write(name, "half a fi")
        material.refresh(at: later(1))
        material.refresh(at: later(2))
        #expect(material.problem?.contains(folder(name)) == true)
        try FileSystem.remove(folder(name))
        material.refresh(at: later(3))
        material.refresh(at: later(4))
        #expect(material.problem?.contains("No such file") == true)
        #expect(material.content == first)
    }

    @Test func aStartWithFilesThatCannotBeUsedIsRefused() throws {
        let folder = try folder()
        try install(folder, certificate: "one", key: "two")
        let error = #expect(throws: SinkError.self) { try material(folder) }
        #expect(error?.description.hasPrefix("sinks.siem: tls.key_file: ") == true)
    }
}
