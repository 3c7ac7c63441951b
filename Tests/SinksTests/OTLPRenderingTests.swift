// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

/// Messages of Protocol Buffers put together the simple way, part by part.
enum Wire {
    static func varint(_ value: UInt64) -> [UInt8] {
        value < 128
            ? [UInt8(value)] : [UInt8(value & 127) | 128] + varint(value >> 7)
    }
    static func bytes(_ field: UInt8, _ content: [UInt8]) -> [UInt8] {
        [field << 3 | 2] + varint(UInt64(content.count)) + content
    }
    static func text(_ field: UInt8, _ text: String) -> [UInt8] { bytes(field, Array(text.utf8)) }
    static func integer(_ field: UInt8, _ value: UInt64) -> [UInt8] {
        [field << 3] + varint(value)
    }
    static func fixed(_ field: UInt8, _ value: UInt64) -> [UInt8] {
        [field << 3 | 1] + (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    static func pair(_ field: UInt8, _ key: String, _ value: [UInt8]) -> [UInt8] {
        bytes(field, text(1, key) + bytes(2, value))
    }
    static func pair(_ field: UInt8, _ key: String, _ value: String) -> [UInt8] {
        pair(field, key, text(1, value))
    }
    static func list(_ texts: [String]) -> [UInt8] {
        bytes(5, texts.flatMap { bytes(1, text(1, $0)) })
    }
    static func response(rejected: Int64, _ message: String) -> [UInt8] {
        bytes(1, integer(1, UInt64(bitPattern: rejected)) + text(2, message))
    }
}

@Suite struct OTLPRenderingTests {
    private static let login = """
        {"action":"LoginFailed","actor":{"id":"u-1","name":"zoë","type":"user"},\
        "auth":{"methods":["otp","pwd"]},\
        "error":{"code":"invalid_user_credentials","reason":"a \\"b\\" \\\\ \\n\\u001f c"},\
        "id":"0123456789abcdef0123456789abcdef","labels":{"site":"fra1","zone":"a\\tb"},\
        "observed":"2026-11-21T11:02:07.391552Z","outcome":"denied",\
        "provider":{"host":"idp1.example.com","product":"keycloak","vendor":"Keycloak"},\
        "request":{"status":401,"trace_id":"000102030405060708090a0b0c0d0eff"},\
        "schema":"1.0","severity":"low","source":{"ip":"203.0.113.24","port":50123},\
        "time":"2026-11-21T11:02:07.118000Z","token":{"active":false}}
        """

    private func request(_ bodies: [String], first: UInt64 = 0) -> [UInt8] {
        let batch = Samples.batch(bodies, first: first)
        var rendering = OTLPRendering()
        var output = ByteWriter()
        for event in bodies.indices {
            #expect(rendering.append(batch, event: event, to: &output))
        }
        rendering.finish(&output)
        return output.makeArray()
    }

    private func line(_ batch: SealedBatch, _ event: Int) -> String {
        var rendering = CanonicalRendering()
        var output = ByteWriter()
        #expect(rendering.append(batch, event: event, to: &output))
        return String(output.makeString().dropLast())
    }

    @Test func aRequestIsExactlyThis() {
        let batch = Samples.batch([Self.login], first: 41)
        let record: [[UInt8]] = [
            Wire.fixed(1, 1_795_258_927_118_000_000), Wire.fixed(11, 1_795_258_927_391_552_000),
            Wire.pair(6, "event.id", "0123456789abcdef0123456789abcdef"),
            Wire.text(12, "oauth.LoginFailed"),
            Wire.pair(6, "oauth.outcome", "denied"),
            Wire.integer(2, 10), Wire.text(3, "low"),
            Wire.pair(6, "oauth.provider.vendor", "Keycloak"),
            Wire.pair(6, "oauth.provider.product", "keycloak"),
            Wire.pair(6, "oauth.provider.host", "idp1.example.com"),
            Wire.pair(6, "error.type", "invalid_user_credentials"),
            Wire.pair(6, "oauth.error.reason", "a \"b\" \\ \n\u{1f} c"),
            Wire.pair(6, "oauth.actor.type", "user"),
            Wire.pair(6, "user.id", "u-1"), Wire.pair(6, "user.name", "zoë"),
            Wire.pair(6, "client.address", "203.0.113.24"),
            Wire.pair(6, "client.port", Wire.integer(3, 50_123)),
            Wire.pair(6, "http.response.status_code", Wire.integer(3, 401)),
            Wire.bytes(9, Array(0...14) + [255]),
            Wire.pair(6, "oauth.token.active", Wire.integer(2, 0)),
            Wire.pair(6, "oauth.auth.methods", Wire.list(["otp", "pwd"])),
            Wire.bytes(5, Wire.text(1, line(batch, 0))),
            Wire.pair(6, "oauth.action", "LoginFailed"),
            Wire.pair(6, "oauth.integrity.stream", Samples.stream),
            Wire.pair(6, "oauth.integrity.seq", Wire.integer(3, 41)),
        ]
        let resource =
            Wire.pair(1, "site", "fra1") + Wire.pair(1, "zone", "a\tb")
            + Wire.pair(1, "service.name", "keycloak")
            + Wire.pair(1, "host.name", "idp1.example.com")
        let scope = Wire.text(1, "sealtail") + Wire.text(2, sealtailVersion)
        let expected = Wire.bytes(
            1,
            Wire.bytes(1, resource)
                + Wire.bytes(2, Wire.bytes(1, scope) + Wire.bytes(2, record.flatMap { $0 })))
        #expect(request([Self.login], first: 41) == expected)
    }

    @Test func theBodyIsTheSignedLineByteForByte() {
        let batch = Samples.batch([Self.login])
        let line = Array(line(batch, 0).utf8)
        let bytes = request([Self.login])
        #expect(ByteSearch.first(line, in: bytes.span, 0..<bytes.count) != nil)
    }

    @Test func neighboursShareAResourceAndOrderIsKept() {
        let other = Samples.plain(2).replacingFirst("idp1.example.com", "idp2.example.com")
        let bytes = request([Samples.plain(0), Samples.plain(1), other, Samples.plain(3)])
        var reader = ProtobufReader(0..<bytes.count)
        var ids: [[String]] = []
        while let (number, value) = reader.next(bytes.span) {
            guard number == 1, case .bytes(let range) = value else { break }
            let text = String(decoding: bytes[range], as: UTF8.self)
            ids.append((0...3).map { Samples.id($0) }.filter { text.contains($0) })
        }
        #expect(!reader.isDamaged)
        #expect(ids == [[Samples.id(0), Samples.id(1)], [Samples.id(2)], [Samples.id(3)]])
    }

    @Test func theProductItselfIsNoUser() {
        let body = Samples.plain(0).replacingFirst("\"type\":\"user\"", "\"type\":\"system\"")
        let bytes = request([body])
        for (key, isThere) in [("user.name", false), ("oauth.actor.type", true)] {
            let found = ByteSearch.first(Array(key.utf8), in: bytes.span, 0..<bytes.count)
            #expect((found != nil) == isThere, "\(key)")
        }
    }

    @Test(arguments: [
        "00000000000000000000000000000000", "abc", "zz0102030405060708090a0b0c0d0eff",
    ])
    func whatIsNoTraceIsInTheBodyOnly(trace: String) {
        let with = Self.login.replacingFirst("000102030405060708090a0b0c0d0eff", trace)
        let without = Self.login.replacingFirst(
            ",\"trace_id\":\"000102030405060708090a0b0c0d0eff\"", "")
        let difference = request([with]).count - request([without]).count
        #expect(difference == ",\"trace_id\":\"\"".utf8.count + trace.utf8.count)
    }

    @Test(arguments: ["1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"])
    func aTimeThatOTLPCannotSayIsUnknown(time: String) {
        let bytes = request([Self.login.replacingFirst("2026-11-21T11:02:07.118000Z", time)])
        let unknown = Wire.fixed(1, 0) + Wire.fixed(11, 1_795_258_927_391_552_000)
        #expect(ByteSearch.first(unknown, in: bytes.span, 0..<bytes.count) != nil)
    }

    @Test(arguments: [
        ("\"low\"", "\"lowest\""), ("\"low\"", "1"), ("\"otp\"", "1"), ("\"fra1\"", "1"),
        ("11:02:07.118000Z", "11:02:07.11800Z"), ("{\"action\"", "{\"axtion\""),
        ("\\u001f", "\\ud800"), ("50123", "1234567890123456789"),
    ])
    func whatThisAgentDoesNotWriteIsNotRendered(old: String, new: String) {
        let batch = Samples.batch([Self.login.replacingFirst(old, new)])
        var rendering = OTLPRendering()
        var output = ByteWriter()
        #expect(!rendering.append(batch, event: 0, to: &output))
        rendering.finish(&output)
        #expect(output.count == 0)
    }

    @Test func whatTheTableOfFieldsNamesIsKnown() {
        for row in OTLPMapping.rows {
            // A member of the record that is not known would become an attribute.
            guard case .attribute(let name) = row.place else { continue }
            #expect(name.allSatisfy { (0x61...0x7A).contains($0) || "._".utf8.contains($0) })
        }
        #expect(OTLPMapping.rows.filter { $0.place == .time }.map(\.source) == [.field(.time)])
    }

    @Test func noNameComesTwice() {
        for (index, row) in OTLPMapping.rows.enumerated() {
            #expect(!OTLPMapping.rows[..<index].contains { $0.place == row.place })
        }
    }

    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, UInt64(UInt32.max), .max])
    func aVariableLengthIntegerComesBack(value: UInt64) {
        var writer = ByteWriter()
        writer.append(field: 2, varint: value)
        let bytes = writer.makeArray()
        #expect(bytes == Wire.integer(2, value))
        #expect(bytes.count == 1 + Protobuf.byteCount(varint: value))
        var reader = ProtobufReader(0..<bytes.count)
        #expect(reader.next(bytes.span)?.value == .integer(value))
    }
}
