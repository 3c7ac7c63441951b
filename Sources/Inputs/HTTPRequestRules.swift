// SPDX-License-Identifier: Apache-2.0
import Platform

/// Decides by the head of a request whether its body is wanted, and how it is read.
struct HTTPRequestRules: Sendable {
    /// How records stand in a body.
    enum Form: Sendable, Hashable {
        /// JSON values: one, one on each line, or the elements of one array.
        case json
        /// Each line is a record.
        case lines
        /// By its first byte: JSON, or else lines.
        case either
    }

    private let path: String
    private let authentication: HTTPInputConfiguration.Authentication

    init(_ configuration: HTTPInputConfiguration) {
        path = configuration.path
        authentication = configuration.authentication
    }

    /// The answer to a request that is not wanted; nil when its body may come.
    ///
    /// Who knows the path has the token judged before anything that tells how this input is set.
    func refusal(_ head: HTTPServer.Head) -> HTTPServer.Response? {
        guard head.path == path else {
            return HTTPServer.Response(status: 404, text: "Nothing is taken at this path.\n")
        }
        guard isLetIn(head) else { return unauthorized }
        if head.method == "GET" || head.method == "HEAD" {
            if let challenge = challenge(head) { return challenge }
        }
        guard head.method == "POST" else {
            return HTTPServer.Response(
                status: 405, text: "Records are sent by POST.\n", fields: ["Allow", "POST"])
        }
        let isChunked = head.fields["transfer-encoding"]?.lowercased().contains("chunked") ?? false
        guard isChunked || head.bodyByteCount != nil else {
            return HTTPServer.Response(status: 411, text: "Content-Length must be set.\n")
        }
        if form(head) == nil {
            return HTTPServer.Response(
                status: 415,
                text: "The type must be application/json, application/x-ndjson or text/plain.\n",
                fields: ["Accept", "application/json, application/x-ndjson, text/plain"])
        }
        if compression(head) == nil {
            return HTTPServer.Response(
                status: 415, text: "The encoding must be gzip or none.\n",
                fields: ["Accept-Encoding", "gzip"])
        }
        return nil
    }

    /// How the body is to be read; nil for a type that is not known.
    func form(_ head: HTTPServer.Head) -> Form? {
        guard let field = head.fields["content-type"] else { return .either }
        let type = field.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }.lowercased()
        switch type {
        case "application/json", "application/x-ndjson", "application/ndjson",
            "application/jsonl", "application/x-jsonlines", "application/json-lines":
            return .json
        case "text/plain": return .lines
        case "": return .either
        case let type where type.hasSuffix("+json"): return .json
        case _: return nil
        }
    }

    /// True when the body is compressed by gzip, false when it is not, nil for anything else.
    func compression(_ head: HTTPServer.Head) -> Bool? {
        switch head.fields["content-encoding"]?.lowercased() {
        case nil, "", "identity": false
        case "gzip", "x-gzip": true
        case _: nil
        }
    }

    /// Okta asks once, by GET, whether the receiver is the right one, and wants its word back.
    private func challenge(_ head: HTTPServer.Head) -> HTTPServer.Response? {
        guard let word = head.fields["x-okta-verification-challenge"],
            word.utf8.count <= InputLimit.challengeByteLimit
        else { return nil }
        var writer = ByteWriter(capacity: 64)
        writer.append("{\"verification\":")
        writer.append(jsonString: word)
        writer.append("}")
        return HTTPServer.Response(status: 200, type: "application/json", body: writer.makeArray())
    }

    private func isLetIn(_ head: HTTPServer.Head) -> Bool {
        switch authentication {
        case .none: return true
        case .bearer(let secret):
            guard let field = head.fields["authorization"] else { return false }
            let scheme = "bearer "
            guard field.prefix(scheme.count).lowercased() == scheme else { return false }
            return Secret(Array(field.dropFirst(scheme.count).utf8)) == secret
        case .header(let name, let secret):
            guard let field = head.fields[name] else { return false }
            return Secret(Array(field.utf8)) == secret
        }
    }

    private var unauthorized: HTTPServer.Response {
        var fields: [String] = []
        if case .bearer = authentication { fields = ["WWW-Authenticate", "Bearer"] }
        return HTTPServer.Response(
            status: 401, text: "The token is missing or wrong.\n", fields: fields)
    }
}
