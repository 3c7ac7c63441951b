// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct HTTPOptionsTests {
    private static let pin = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

    private func read(_ more: String) throws -> HTTPOptions {
        let (read, problems) = Samples.configuration("{id: a, type: elasticsearch, \(more)}")
        #expect(problems == [])
        return try #require(read?.options as? ElasticsearchOptions).http
    }

    @Test func oneEndpointOrAList() throws {
        #expect(try read("endpoint: 'https://one'").endpoints.map(\.host) == ["one"])
        let several = try read("endpoint: ['https://one:9200', 'https://two/path']")
        #expect(several.endpoints.map(\.host) == ["one", "two"])
        #expect(several.endpoints.map(\.port) == [9200, 443])
        #expect(several.endpoint?.host == "one")
    }

    @Test func theTimeLimitAndThePins() throws {
        let usual = try read("endpoint: 'https://one'")
        #expect(usual.timeout == .seconds(60))
        #expect(usual.tls.pins == [])
        let own = try read(
            "endpoint: 'https://one', timeout: 5s, tls: {pin_sha256: '\(Self.pin)'}")
        #expect(own.timeout == .seconds(5))
        #expect(own.tls.pins == [Self.pin])
        let list = try read("endpoint: 'https://one', tls: {pin_sha256: ['\(Self.pin)']}")
        #expect(list.tls.pins == [Self.pin])
    }

    @Test(arguments: [
        ("endpoint: []", "endpoint: must be 1 to 16 URLs"),
        ("endpoint: ['https://one', two]", "must look like https://host:port/path"),
        ("endpoint: ['https://one', 'http://two'], tls: {}", "tls: goes with"),
        ("endpoint: {}", "must look like"),
        ("endpoint: 'https://one', timeout: 0s", "timeout: must be 1s to 5m, is \"0s\""),
        ("endpoint: 'https://one', timeout: 10m", "timeout: must be 1s to 5m"),
        ("endpoint: 'https://one', tls: {pin_sha256: abc}", "tls.pin_sha256: must be 1 to 16"),
        ("endpoint: 'https://one', tls: {pin_sha256: []}", "tls.pin_sha256: must be 1 to 16"),
        ("endpoint: 'https://one', tls: {pin_sha256: ['']}", "tls.pin_sha256: must be 1 to 16"),
        ("endpoint: 'https://one', tls: {server_name: 'a b'}", "server_name: must be a host"),
    ])
    func aMistakeIsNamed(more: String, words: String) {
        let (_, problems) = Samples.configuration("{id: a, type: elasticsearch, \(more)}")
        #expect(problems.contains { $0.contains(words) }, "\(problems)")
    }

    @Test func aPasswordInAnEndpointIsNotRepeated() {
        for more in ["'https://agent:s3cret@h'", "['https://agent:s3cret@h']"] {
            let (_, problems) = Samples.configuration(
                "{id: a, type: elasticsearch, endpoint: \(more)}")
            #expect(problems.count == 1)
            #expect(!problems.joined().contains("s3cret"))
        }
    }
}
