// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import TestSupport
import Testing

@testable import Inputs

/// Over real sockets on loopback.
struct HTTPInputTests {
    private static let json = ["Content-Type": "application/json"]

    private func input(
        positions: [Position] = [], _ change: (inout HTTPInputConfiguration) -> Void = { _ in }
    ) throws -> HTTPInput {
        var configuration = InputConfiguration(id: "in", kind: .http, recordByteLimit: 4096)
        configuration.http.listener = ListenerConfiguration(
            address: try #require(ListenAddress("127.0.0.1:0")))
        change(&configuration.http)
        return try HTTPInput(
            configuration, context: InputContext(stream: "host/0123", positions: positions))
    }

    private func post(
        _ client: LoopbackClient, _ body: [UInt8], _ fields: [String: String] = json
    ) throws {
        try client.send(LoopbackClient.head("POST", "/", fields, body.count) + body)
    }

    @Test func theAnswerComesAfterTheCommitAndNotBefore() throws {
        let input = try input()
        let client = try LoopbackClient(input.port)
        try post(client, Array("[{\"a\":1},{\"b\":2}]".utf8))
        let batches = try read(input, 2)
        #expect(texts(batches) == ["{\"a\":1}", "{\"b\":2}"])
        #expect(batches.first?.source == "host/0123 in")
        #expect(batches.flatMap(\.records).map(\.offset) == [0, 1])
        // One thread answers all, in turn: once another answer is out, an early one would be too.
        let other = try LoopbackClient(input.port)
        #expect(try other.request("PUT", "/").status == 405)
        input.committed(through: Position(input: "in", place: .count(1)))
        #expect(try other.request("PUT", "/").status == 405)
        #expect(!client.hasNews)
        input.committed(through: Position(input: "in", place: .count(2)))
        let answer = client.answer()
        #expect(answer.status == 200)
        #expect(answer.body == "{\"records\":2}\n")
        // The connection is good for the next request.
        try post(client, Array("{\"c\":3}".utf8))
        #expect(texts(try read(input, 1)) == ["{\"c\":3}"])
        input.committed(through: Position(input: "in", place: .count(3)))
        #expect(client.answer().status == 200)
    }

    @Test func aRequestWithoutRecordsIsAnsweredAtOnce() throws {
        let input = try input()
        let answer = try LoopbackClient(input.port)
            .request("POST", "/", HTTPInputTests.json, body: Array("[]".utf8))
        #expect(answer.status == 200)
        #expect(answer.body == "{\"records\":0}\n")
    }

    @Test func brokenBodiesAreRefusedWithTheirPlace() throws {
        let input = try input { $0.recordLimit = 2 }
        let client = try LoopbackClient(input.port)
        let broken = try client.request(
            "POST", "/", HTTPInputTests.json, body: Array("[1,".utf8))
        #expect(broken.status == 400)
        #expect(broken.body.contains("byte 3"))
        let many = try client.request(
            "POST", "/", HTTPInputTests.json, body: Array("[1,2,3]".utf8))
        #expect(many.status == 413)
        let packed = try client.request(
            "POST", "/", ["Content-Encoding": "gzip"], body: Array("no gzip".utf8))
        #expect(packed.status == 400)
    }

    @Test func bodiesOverTheLimitAreRefused() throws {
        let input = try input { $0.bodyByteLimit = 2048 }
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 5000)
        let text = ["Content-Type": "text/plain"]
        #expect(try LoopbackClient(input.port).request("POST", "/", text, body: long).status == 413)
        // The same without a length in front.
        let client = try LoopbackClient(input.port)
        let chunked = text.merging(["Transfer-Encoding": "chunked"]) { $1 }
        try client.send(LoopbackClient.head("POST", "/", chunked, 0))
        try client.send("1388\r\n" + String(decoding: long, as: UTF8.self) + "\r\n0\r\n\r\n")
        #expect(client.answer().status == 413)
        // And packed: a few bytes that become many.
        var packed: [UInt8] = []
        GzipEncoder().compress(long.span, into: &packed)
        #expect(packed.count < 500)
        let gzip = text.merging(["Content-Encoding": "gzip"]) { $1 }
        #expect(
            try LoopbackClient(input.port).request("POST", "/", gzip, body: packed).status == 400)
    }

    @Test func packedBodiesAreUnpacked() throws {
        let input = try input()
        var packed: [UInt8] = []
        let plain = (0..<500).map { "{\"number\":\($0)}" }
        GzipEncoder().compress(Array(plain.joined(separator: "\n").utf8).span, into: &packed)
        let client = try LoopbackClient(input.port)
        try post(client, packed, ["Content-Encoding": "gzip", "Content-Type": "application/json"])
        #expect(texts(try read(input, 500)) == plain)
        // Cut short it is no gzip file.
        let short = try LoopbackClient(input.port).request(
            "POST", "/", ["Content-Encoding": "gzip"], body: Array(packed.dropLast(3)))
        #expect(short.status == 400)
    }

    @Test func aFullPipelineAnswers429() throws {
        let input = try input { $0.bodyByteLimit = 1024 }
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: 1000)
        let text = ["Content-Type": "text/plain"]
        var clients: [LoopbackClient] = []
        for _ in 0..<InputLimit.bodyCount + 1 {
            let client = try LoopbackClient(input.port)
            try post(client, body, text)
            clients.append(client)
            // One after the other, so that each is there before the next comes.
            if clients.count <= InputLimit.bodyCount { _ = try read(input, 1) }
        }
        let last = try #require(clients.last)
        _ = try read(input, 1)
        let full = try LoopbackClient(input.port).request("POST", "/", text, body: body)
        #expect(full.status == 429)
        #expect(full.head.lowercased().contains("retry-after: 1"))
        input.committed(through: Position(input: "in", place: .count(99)))
        #expect(clients[0].answer().status == 200)
        #expect([200, 429].contains(last.answer().status))
        try post(clients[0], body, text)
        #expect(try read(input, 1).count == 1)
    }

    @Test func closingAnswersWhatWaitsWith503() throws {
        let input = try input()
        let client = try LoopbackClient(input.port)
        try post(client, Array("{\"a\":1}".utf8))
        #expect(try read(input, 1).count == 1)
        input.close()
        let answer = client.answer()
        #expect(answer.status == 503)
        #expect(answer.head.lowercased().contains("retry-after"))
        #expect(throws: (any Error).self) { try LoopbackClient(input.port) }
    }

    @Test func theTokenIsAskedFor() throws {
        let input = try input { $0.authentication = .bearer(Secret(Array("s3cret".utf8))) }
        let client = try LoopbackClient(input.port)
        let body = Array("{}".utf8)
        let refused = try client.request("POST", "/", HTTPInputTests.json, body: body)
        #expect(refused.status == 401)
        #expect(refused.head.lowercased().contains("www-authenticate: bearer"))
        let fields = HTTPInputTests.json.merging(["Authorization": "Bearer s3cret"]) { $1 }
        try post(client, body, fields)
        #expect(texts(try read(input, 1)) == ["{}"])
    }

    @Test func theContractOfInputsHolds() throws {
        var port: UInt16 = 0
        var clients: [LoopbackClient] = []
        let contract = InputContract(
            make: { positions in
                let made = try input(positions: positions)
                port = made.port
                return ContractInput(made)
            },
            feed: { text in
                let client = try LoopbackClient(port)
                clients.append(client)
                try post(client, Array(text.utf8), ["Content-Type": "text/plain"])
            })
        #expect(try contract.failures() == [])
    }
}
