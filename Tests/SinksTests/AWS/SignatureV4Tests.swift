// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

/// What botocore signs (Tests/Fixtures/aws/make_signatures.py) is what we sign.
@Suite struct SignatureV4Tests {
    private struct Case {
        let name: String
        let signature: SignatureV4
        let request: SignatureV4.Request
        let credentials: AWSCredentials
        let moment: Timestamp
        let added: [String: String]
    }

    private static func cases() throws -> [Case] {
        let tests = FileSystem.folder(of: FileSystem.folder(of: FileSystem.folder(of: #filePath)))
        let table = try JSONDocument(
            reading: FileSystem.read("\(tests)/Fixtures/aws/signatures.json", byteLimit: 1 << 20))
        return try #require(table["cases"]?.array).map { one in
            let text = { (key: String) in try #require(one[key]?.string) }
            let pairs = { (key: String) -> [(name: String, value: String)] in
                try #require(one[key]?.array).map {
                    (try #require($0[0]?.string), try #require($0[1]?.string))
                }
            }
            let credentials = AWSCredentials(
                accessKeyID: table["access_key_id"]?.string,
                secretAccessKey: table["secret_access_key"]?.string,
                sessionToken: one["token"]?.string)
            let added = try #require(one["added"]?.members).map {
                ($0.key, try #require($0.value.string))
            }
            return Case(
                name: try text("name"),
                signature: SignatureV4(region: try text("region"), service: try text("service")),
                request: SignatureV4.Request(
                    method: try text("method"), path: try text("path"),
                    query: try pairs("query"),
                    headers: try pairs("headers") + [("Host", try text("host"))],
                    payload: SHA256.digest(Array(try text("body").utf8))),
                credentials: try #require(credentials),
                moment: try #require(WrittenTime.internet(try text("time"))),
                added: Dictionary(uniqueKeysWithValues: added))
        }
    }

    private static func added(_ one: Case) -> [String: String] {
        let lines = one.signature.lines(for: one.request, one.credentials, at: one.moment)
        var added = Dictionary(uniqueKeysWithValues: lines.plain.map { ($0.name, $0.value) })
        added["Authorization"] = lines.authorization
        added["X-Amz-Security-Token"] = lines.sessionToken?.withBytes { String(copying: $0) }
        return added
    }

    @Test func everySignatureIsThatOfTheOfficialKit() throws {
        let cases = try Self.cases()
        #expect(cases.count > 80)
        for one in cases { #expect(Self.added(one) == one.added, "\(one.name)") }
    }

    @Test func everyPartOfARequestIsSigned() throws {
        let one = try #require(try Self.cases().first { $0.name == "an object with all headers" })
        let whole = Self.added(one)["Authorization"]
        var requests = [one.request]
        for index in one.request.headers.indices {
            var changed = one.request
            changed.headers[index].value += "x"
            requests.append(changed)
        }
        var changed = one.request
        changed.path += "x"
        requests.append(changed)
        changed = one.request
        changed.method = "POST"
        requests.append(changed)
        changed = one.request
        changed.query = [("a", "")]
        requests.append(changed)
        changed = one.request
        changed.payload = .zero
        requests.append(changed)
        let signatures = requests.map {
            one.signature.lines(for: $0, one.credentials, at: one.moment).authorization
        }
        #expect(signatures.first == whole)
        #expect(Set(signatures).count == requests.count)
    }

    @Test func aQueryIsSortedByItsEncodedNames() {
        #expect(
            PercentEncoding.query([("a-b", "1"), ("a", "2"), ("é", "/")])
                == "%C3%A9=%2F&a=2&a-b=1")
        #expect(PercentEncoding.encode("a/b~c d", keeping: "/") == "a/b~c%20d")
    }
}
