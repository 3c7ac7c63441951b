// SPDX-License-Identifier: Apache-2.0
import Platform

/// Finds out for `sealtail check` what would keep a cluster from taking events.
///
/// Only two things decide: whether the endpoint answers a bulk request without documents the way
/// receivers of bulk requests do, and what the cluster itself says of the data stream and of the
/// rights to it. What a receiver does not know, as those that only speak `_bulk`, is no finding.
struct ElasticsearchProbe {
    /// The oldest Elasticsearch that has data streams.
    static let oldestVersion = (major: 7, minor: 9)

    private let client: HTTPClient
    private let index: String
    private let endpointCount: Int
    private let reader = JSONReader()

    /// Prepares to ask; the client has nothing else under way.
    init(_ client: HTTPClient, index: String, endpointCount: Int) {
        self.client = client
        self.index = index
        self.endpointCount = endpointCount
    }

    /// Asks each endpoint whether it takes bulk requests, then the first about the data stream.
    func finding() -> DeliveryError? {
        for endpoint in 0..<endpointCount {
            if let finding = bulkFinding(endpoint) { return finding }
        }
        return placeFinding()
    }

    // MARK: Bulk requests

    private func bulkFinding(_ endpoint: Int) -> DeliveryError? {
        let about: HTTPAnswer
        switch ask(.get, "/", endpoint) {
        case .failure(let error): return error
        case .success(let answer): about = answer
        }
        // A key that may only create documents is refused here with 403 and yet good.
        if about.status == 401 || about.status == 429 || about.status >= 500 {
            return about.refusal(eventCount: 0)
        }
        if let old = versionFinding(about) { return old }
        let bulk: HTTPAnswer
        switch ask(.post, "/_bulk", endpoint, Array("\n".utf8)) {
        case .failure(let error): return error
        case .success(let answer): bulk = answer
        }
        // A cluster answers 400, because there is nothing to do; others answer an empty success.
        let isObject = reader.readObject(bulk.body)
        if isObject, bulk.status == 400 || bulk.status == 200 && reader.has("items") { return nil }
        switch bulk.refusal(eventCount: 0) {
        case .alarm(_, .authorization), .retry: return bulk.refusal(eventCount: 0)
        case .alarm, .partial, .split, nil: return strange(bulk, about)
        }
    }

    private func strange(_ bulk: HTTPAnswer, _ about: HTTPAnswer) -> DeliveryError {
        var sentence = "POST /_bulk answers \(bulk.sentence)"
        if reader.readObject(about.body), about.status == 200 {
            sentence += "; the server is there, but takes no bulk requests under this path"
        } else {
            sentence += "; this is no receiver of bulk requests, but a proxy or something else"
        }
        return .alarm(
            reason: sentence + ": write the endpoint with the path in front of /_bulk",
            code: .place)
    }

    private func versionFinding(_ about: HTTPAnswer) -> DeliveryError? {
        guard about.status == 200, reader.readObject(about.body),
            let number = reader.text(["version", "number"]),
            reader.text(["version", "distribution"]) != "opensearch"
        else { return nil }
        let parts = number.split(separator: ".").map { Int($0) }
        guard parts.count >= 2, let major = parts[0], let minor = parts[1],
            (major, minor) < ElasticsearchProbe.oldestVersion
        else { return nil }
        let words = DeliveryText.oneLine(number, byteLimit: HTTPLimit.quotedByteCount)
        return .alarm(
            reason: "the cluster has version \(words), which has no data streams; "
                + "run 7.9 or newer",
            code: .place)
    }

    // MARK: The data stream and the rights to it

    private func placeFinding() -> DeliveryError? {
        var body = ByteWriter()
        body.append("{\"index\":[{\"names\":[")
        body.append(jsonString: index)
        body.append("],\"privileges\":[\"create_doc\",\"auto_configure\",\"create_index\"]}]}")
        var mayCreatePlace: Bool?
        if let answer = known(.post, "/_security/user/_has_privileges", body.makeArray()) {
            let rights = ["index", index]
            if reader.flag(rights + ["create_doc"]) == false {
                return .alarm(
                    reason: "the cluster knows who we are, but create_doc on \(index) is not "
                        + "allowed: grant that privilege",
                    code: .authorization)
            }
            let others = ["auto_configure", "create_index"].map { reader.flag(rights + [$0]) }
            if answer.status == 200, others.allSatisfy({ $0 != nil }) {
                mayCreatePlace = others.contains(true)
            }
        }
        guard isMissing else { return nil }
        if mayCreatePlace == false {
            return .alarm(
                reason: "there is no data stream or index \(index), and creating it is not "
                    + "allowed: create it, or grant auto_configure",
                code: .place)
        }
        guard isAutomaticCreationOff else { return nil }
        return .alarm(
            reason: "there is no data stream or index \(index), and action.auto_create_index "
                + "is false: create it",
            code: .place)
    }

    /// True only when the cluster says so.
    private var isMissing: Bool {
        // The only character that both an index and an escape in a path may have.
        let name = index.split(separator: "%", omittingEmptySubsequences: false)
            .joined(separator: "%25")
        for path in ["/_data_stream/\(name)", "/\(name)/_alias"] {
            guard case .success(let answer) = ask(.get, path), answer.status == 404,
                reader.readObject(answer.body),
                reader.text(["error", "type"]) == "index_not_found_exception"
            else { return false }
        }
        return true
    }

    private var isAutomaticCreationOff: Bool {
        let path =
            "/_cluster/settings?include_defaults=true&flat_settings=true"
            + "&filter_path=*.action.auto_create_index"
        guard known(.get, path) != nil else { return false }
        for layer in ["transient", "persistent", "defaults"] {
            if let value = reader.text([layer, "action.auto_create_index"]) {
                return value == "false"
            }
        }
        return false
    }

    // MARK: Questions

    /// The answer to a question that is understood, read and ready to be looked into.
    private func known(
        _ method: HTTPRequest.Method, _ path: String, _ body: [UInt8]? = nil
    ) -> HTTPAnswer? {
        guard case .success(let answer) = ask(method, path, 0, body), answer.status == 200,
            reader.readObject(answer.body)
        else { return nil }
        return answer
    }

    private func ask(
        _ method: HTTPRequest.Method, _ path: String, _ endpoint: Int = 0, _ body: [UInt8]? = nil
    ) -> Result<HTTPAnswer, DeliveryError> {
        var request = HTTPRequest(method, path)
        request.endpointIndex = endpoint
        if let body {
            // The client's own lines speak of bulk bodies, which may be compressed.
            let type = path == "/_bulk" ? "application/x-ndjson" : "application/json"
            request.headers = ["Content-Type: \(type)", "Content-Encoding:"]
            client.start(request, body.span, ticket: .max)
        } else {
            client.start(request, ticket: .max)
        }
        return client.answer(to: .max)
    }
}

extension JSONReader {
    /// Reads a text; true when it is an object, which the other calls then look into.
    fileprivate func readObject(_ body: [UInt8]) -> Bool {
        read(body.span) && tree.count > 0 && tree[0].kind == .object
    }

    /// True when the object has a list of this name.
    fileprivate func has(_ list: String) -> Bool {
        node([list]).map { tree[$0].kind == .array } ?? false
    }

    /// The text at a path of members.
    fileprivate func text(_ path: [String]) -> String? {
        node(path).flatMap { tree.string(of: $0) }
    }

    /// True or false at a path of members.
    fileprivate func flag(_ path: [String]) -> Bool? {
        node(path).flatMap { index in
            switch tree[index].kind {
            case .true: true
            case .false: false
            case .object, .array, .string, .integer, .unsigned, .double, .null, .bigNumber: nil
            }
        }
    }

    private func node(_ path: [String]) -> Int? {
        var index = 0
        for name in path {
            guard let next = tree.member(JSONKey(name), of: index) else { return nil }
            index = next
        }
        return index
    }
}
