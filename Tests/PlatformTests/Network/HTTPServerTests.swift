// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

struct HTTPServerTests {
    /// Answers by path: `/now` at once, `/later` when told, `/body` with what came.
    private final class Service: Sendable {
        let waiting = Monitor<[HTTPExchange]>([])

        var handler: HTTPServer.Handler {
            HTTPServer.Handler(
                refuse: { head in
                    head.path == "/refused"
                        ? HTTPServer.Response(status: 403, text: "no\n") : nil
                },
                take: { exchange in
                    switch exchange.head.path {
                    case "/later": self.waiting.update { $0.append(exchange) }
                    case "/body":
                        exchange.answer(
                            HTTPServer.Response(
                                status: 200, type: "text/plain", body: exchange.takeBody(),
                                fields: ["X-Seen", exchange.head.fields["x-given"] ?? "-"]))
                    case _: exchange.answer(HTTPServer.Response(status: 200, text: "now\n"))
                    }
                })
        }

        /// The next request that waits.
        func next() -> HTTPExchange? {
            waiting.wait(timeout: .seconds(10)) { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    private let service = Service()

    private func server(_ change: (inout HTTPServer.Options) -> Void = { _ in }) throws
        -> HTTPServer
    {
        var options = HTTPServer.Options()
        options.bodyByteLimit = 10_000
        options.memoryByteLimit = 100_000
        change(&options)
        let address = try #require(ListenAddress("127.0.0.1:0"))
        return try HTTPServer(address, options, service.handler)
    }

    @Test func headAndBodyArriveWhole() throws {
        let server = try server()
        let client = try LoopbackClient(server.port)
        let body = (0..<9000).map { UInt8($0 % 26 + 97) }
        let answer = try client.request("POST", "/body?query=1", ["X-Given": "Värde"], body: body)
        #expect(answer.status == 200)
        #expect(answer.body == String(decoding: body, as: UTF8.self))
        #expect(answer.head.contains("X-Seen: Värde"))
        #expect(try client.request("HEAD", "/now").status == 200)
        #expect(try client.request("GET", "/now").body == "now\n")
    }

    @Test func anAnswerMayComeLaterFromAnotherThread() throws {
        let server = try server()
        let first = try LoopbackClient(server.port)
        let second = try LoopbackClient(server.port)
        try first.send(LoopbackClient.head("GET", "/later", [:], 0))
        let exchange = try #require(service.next())
        // Others are served meanwhile.
        #expect(try second.request("GET", "/now").status == 200)
        exchange.answer(HTTPServer.Response(status: 202, text: "late\n"))
        exchange.answer(HTTPServer.Response(status: 500, text: "twice\n"))
        #expect(first.answer().status == 202)
        #expect(try first.request("GET", "/now").status == 200)
    }

    @Test func anAnswerToAClientThatLeftIsNoHarm() throws {
        let server = try server()
        for _ in 0..<20 {
            var client: LoopbackClient? = try LoopbackClient(server.port)
            try client?.send(LoopbackClient.head("GET", "/later", [:], 0))
            let exchange = try #require(service.next())
            client = nil
            exchange.answer(HTTPServer.Response(status: 200, text: "nobody\n"))
        }
        #expect(try LoopbackClient(server.port).request("GET", "/now").status == 200)
    }

    @Test func refusedBodiesAreReadSoThatTheAnswerIsSeen() throws {
        let server = try server()
        let body = [UInt8](repeating: 120, count: 500_000)
        let client = try LoopbackClient(server.port)
        #expect(try client.request("POST", "/refused", body: body).status == 403)
        #expect(try client.request("POST", "/body", body: body).status == 413)
        #expect(try client.request("GET", "/now").status == 200)
        let asking = try LoopbackClient(server.port)
        let fields = ["Expect": "100-continue", "Content-Length": "5000000"]
        try asking.send(LoopbackClient.head("POST", "/body", fields, 0))
        #expect(asking.answer().status == 413)
    }

    @Test func bodiesShareTheMemory() throws {
        let server = try server { options in
            options.memoryByteLimit = 15_000
            options.busy = HTTPServer.Response(status: 429, text: "busy\n")
        }
        let slow = try LoopbackClient(server.port)
        let body = [UInt8](repeating: 120, count: 9000)
        try slow.send(LoopbackClient.head("POST", "/body", [:], body.count) + body.dropLast())
        // The first body is held, one byte short, so the second does not fit.
        let other = try LoopbackClient(server.port)
        var status = 0
        for _ in 0..<200 where status != 429 {
            status = try other.request("POST", "/body", body: body).status
        }
        #expect(status == 429)
        try slow.send([120])
        #expect(slow.answer().status == 200)
        #expect(try other.request("POST", "/body", body: body).status == 200)
    }

    @Test func stoppingAnswersWhatIsOpen() throws {
        let server = try server()
        let client = try LoopbackClient(server.port)
        try client.send(LoopbackClient.head("GET", "/later", [:], 0))
        let exchange = try #require(service.next())
        server.stop()
        #expect(client.answer().status == 503)
        exchange.answer(HTTPServer.Response(status: 200, text: "too late\n"))
        server.stop()
        #expect(throws: (any Error).self) { try LoopbackClient(server.port) }
    }

    @Test func aSuccessorTakesOverWhileOldConnectionsGoOn() throws {
        let former = try server()
        let old = try LoopbackClient(former.port)
        try old.send(LoopbackClient.head("GET", "/later", [:], 0))
        let exchange = try #require(service.next())
        var options = HTTPServer.Options()
        options.connectionLimit = 4
        let successor = try former.succeeded(by: options, service.handler)
        #expect(successor.port == former.port)
        for _ in 0..<10 {
            #expect(try LoopbackClient(successor.port).request("GET", "/now").status == 200)
        }
        exchange.answer(HTTPServer.Response(status: 200, text: "old\n"))
        #expect(old.answer().body == "old\n")
        former.stop()
        #expect(try LoopbackClient(successor.port).request("GET", "/now").status == 200)
    }

    @Test func aTakenPortIsAnErrorWithTheAddress() throws {
        let server = try server()
        let text = "127.0.0.1:\(server.port)"
        let address = try #require(ListenAddress(text))
        #expect {
            try HTTPServer(address, HTTPServer.Options(), service.handler)
        } throws: { error in
            "\(error)".contains(text) && (error as? SystemError)?.code == "EADDRINUSE"
        }
    }

    @Test(arguments: [
        ("127.0.0.1:80", true), ("[::1]:80", true), ("0.0.0.0:1", false), ("[::]:1", false),
        ("192.0.2.1:1", false),
    ])
    func addressesAreRead(text: String, isLoopback: Bool) throws {
        #expect(try #require(ListenAddress(text)).isLoopback == isLoopback)
    }

    @Test(arguments: ["", "127.0.0.1", "localhost:1", "::1:80", "127.0.0.1:70000", "[127.0.0.1]:1"])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(ListenAddress(text) == nil)
    }
}
