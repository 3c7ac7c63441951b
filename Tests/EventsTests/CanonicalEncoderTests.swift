// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

/// Builds one event from texts and encodes it.
struct EncodedSample {
    private var values: [FieldValue] = []
    private var scratch: [UInt8] = []

    init() {
        values.append(FieldValue(.action, .word, payload: UInt64(Action.loginFailed.rawValue)))
        values.append(FieldValue(.outcome, .word, payload: UInt64(Outcome.failure.rawValue)))
        values.append(FieldValue(.severity, .word, payload: UInt64(Severity.low.rawValue)))
        set(.providerVendor, "Example")
        set(.providerProduct, "example")
        set(.errorCode, "invalid_user_credentials")
        values.append(FieldValue(.time, .time, payload: 0))
        values.append(FieldValue(.observed, .time, payload: 1_500_000))
    }

    mutating func set(_ field: Field, _ text: String) {
        let start = scratch.count
        scratch += text.utf8
        values.append(FieldValue(field, .scratch, offset: start, count: scratch.count - start))
    }

    mutating func set(_ field: Field, members: [String]) {
        let start = scratch.count
        for member in members.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            let count = UInt32(member.utf8.count)
            for shift: UInt32 in [0, 8, 16, 24] { scratch.append(UInt8(count >> shift & 255)) }
            scratch += member.utf8
        }
        values.append(FieldValue(field, .set, offset: start, count: scratch.count - start))
    }

    mutating func set(_ field: Field, integer: Int64) {
        values.append(FieldValue(field, .integer, payload: UInt64(bitPattern: integer)))
    }

    func encode() -> (text: String, cuts: Int) {
        var batch = EventBatch(
            records: RecordBatch(
                input: "idp", source: "parse", path: nil, observed: Timestamp(microseconds: 0),
                bytes: [], records: [], positions: []),
            parser: "example")
        batch.scratch = scratch
        batch.values = values.sorted { $0.field < $1.field }
        let event = Event(
            action: .loginFailed, outcome: .failure, severity: .low,
            errorCode: .invalidUserCredentials, record: 0, ordinal: 0,
            values: values.indices)
        var encoder = CanonicalEncoder()
        var output = ByteWriter()
        encoder.encode(
            event, in: batch, id: Array("00112233445566778899aabbccddeeff".utf8), to: &output)
        return (output.makeString(), encoder.cutCount)
    }
}

@Test func bodyIsInTheOrderOfRFC8785() {
    var sample = EncodedSample()
    sample.set(.actorType, "user")
    sample.set(.actorName, "anna")
    sample.set(.scopeGranted, members: ["openid", "email"])
    sample.set(.originOffset, integer: 17)
    #expect(
        sample.encode().text == #"{"action":"LoginFailed","actor":{"name":"anna","type":"user"},"#
            + #""error":{"code":"invalid_user_credentials"},"#
            + #""id":"00112233445566778899aabbccddeeff","observed":"1970-01-01T00:00:01.500000Z","#
            + #""origin":{"offset":17},"outcome":"failure","#
            + #""provider":{"product":"example","vendor":"Example"},"schema":"1.0","#
            + #""scope":{"granted":["email","openid"]},"severity":"low","#
            + #""time":"1970-01-01T00:00:00.000000Z"}"#)
}

@Test func groupThatEndsTheEventIsClosed() {
    var sample = EncodedSample()
    sample.set(.tokenType, "access_token")
    #expect(sample.encode().text.hasSuffix(#","token":{"type":"access_token"}}"#))
}

@Test func fieldsStandInTheOrderOfTheirPaths() {
    var previous: (group: String, key: String)?
    for field in Field.allCases {
        let entry = field.entry
        let key = String(describing: entry.key)
        let group = entry.group.map { String(describing: $0) } ?? key
        if let previous {
            let isSorted =
                previous.group == group
                ? previous.key.utf8.lexicographicallyPrecedes(key.utf8)
                : previous.group.utf8.lexicographicallyPrecedes(group.utf8)
            #expect(isSorted, "\(previous) stands before \(group).\(key)")
        }
        previous = (group, key)
    }
}

@Test(arguments: [
    ("a\u{0}b", #"a\u0000b"#), ("tab\there", #"tab\there"#), ("\u{1F}", #"\u001f"#),
    ("q\"q", #"q\"q"#), ("back\\slash", #"back\\slash"#), ("\u{8}\u{C}\n\r", #"\b\f\n\r"#),
    ("\u{7F}\u{2028}€", "\u{7F}\u{2028}€"), ("12345678\"", #"12345678\""#),
    ("\"2345678\u{1}abcdefgh", #"\"2345678\u0001abcdefgh"#),
])
func textsAreEscapedAsRFC8785Says(text: String, expected: String) {
    var sample = EncodedSample()
    sample.set(.actorType, "user")
    sample.set(.actorName, text)
    #expect(sample.encode().text.contains("\"name\":\"\(expected)\""))
}

@Test func textIsCutAtAScalarBoundaryAndCounted() {
    var sample = EncodedSample()
    sample.set(.errorReason, "a" + String(repeating: "é", count: 5_000))
    let (text, cuts) = sample.encode()
    let expected = "a" + String(repeating: "é", count: (CanonicalLimit.textByteCount - 1) / 2)
    #expect(text.contains("\"reason\":\"\(expected)\""))
    #expect(cuts == 1)
}

@Test func bodyThatIsTooLongLosesRawFirst() {
    var sample = EncodedSample()
    sample.set(.raw, String(repeating: "\u{1}", count: 20_000))
    let (text, cuts) = sample.encode()
    #expect(!text.contains("\"raw\""))
    #expect(text.utf8.count < 1_000)
    #expect(cuts == 1)
}

@Test func bodyThatIsStillTooLongLosesTextsThenSets() {
    var sample = EncodedSample()
    for field in [Field.actorName, .actorID, .errorReason, .sourceUserAgent] {
        sample.set(field, String(repeating: "\u{1}", count: 8_000))
    }
    sample.set(.scopeGranted, members: (0..<4_000).map { "scope-\($0)" })
    let text = sample.encode().text
    #expect(text.utf8.count <= CanonicalLimit.bodyByteCount)
    #expect(text.contains(#""granted":["scope-0","scope-1","scope-10""#))
    let scopes = text.components(between: #""granted":["#, and: "]").split(separator: ",")
    #expect(scopes.count == CanonicalLimit.shortSetCount)
}

@Test func secretsAreScrubbedFromEveryText() {
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"
    var sample = EncodedSample()
    sample.set(.errorReason, "got \(token), sorry")
    sample.set(.sourceUserAgent, "curl Bearer opaque-secret-1 end")
    sample.set(.scopeGranted, members: [token, "openid"])
    sample.set(.requestRedirectURI, "https://app.example.com/cb#a=bearer%20s3cr3t")
    let text = sample.encode().text
    #expect(!text.contains("eyJ"))
    #expect(!text.contains("opaque-secret-1"))
    #expect(!text.contains("s3cr3t"))
    #expect(text.contains(#""reason":"got [redacted], sorry""#))
    #expect(text.contains(#""user_agent":"curl [redacted] end""#))
    #expect(text.contains(#""granted":["[redacted]","openid"]"#))
}

@Test func nameThatLooksLikeATokenStartIsKept() {
    var sample = EncodedSample()
    sample.set(.actorType, "user")
    sample.set(.actorName, "keyJones")
    #expect(sample.encode().text.contains(#""name":"keyJones""#))
}

extension String {
    /// What stands between two marks, empty when they do not occur.
    func components(between start: String, and end: String) -> Substring {
        guard let head = firstRange(of: start, from: startIndex) else { return "" }
        guard let tail = firstRange(of: end, from: head.upperBound) else { return "" }
        return self[head.upperBound..<tail.lowerBound]
    }

    private func firstRange(of text: String, from start: Index) -> Range<Index>? {
        var at = start
        while at < endIndex {
            if self[at...].hasPrefix(text) {
                return at..<index(at, offsetBy: text.count)
            }
            at = index(after: at)
        }
        return nil
    }
}
