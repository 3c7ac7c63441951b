// SPDX-License-Identifier: Apache-2.0
import Platform

/// The way to an HTTP endpoint: the key `proxy` of a sink.
///
/// An endpoint on loopback is always reached directly.
enum ProxyOptions: Sendable {
    /// As the environment of the process says, read by libcurl: `HTTPS_PROXY` for endpoints that
    /// begin with `https`, `http_proxy` for others, `NO_PROXY` for exceptions.
    case environment
    /// Directly, whatever the environment says.
    case none
    /// Through this proxy, whatever the environment says.
    case through(Endpoint, username: String, password: Secret?)

    /// Reads `proxy` and reports every mistake.
    init(reading reader: inout ConfigurationReader) {
        self = .environment
        guard let node = reader.node("proxy") else { return }
        if let text = node.scalar {
            if text == "none" {
                self = .none
            } else if let endpoint = ProxyOptions.endpoint(text) {
                self = .through(endpoint, username: "", password: nil)
            } else {
                reader.problem("proxy", "\(ProxyOptions.rule), or none" + Endpoint.shown(node))
            }
            return
        }
        guard var child = reader.child("proxy") else { return }
        let text = child.requiredString("endpoint")
        let login = child.login("basic")
        if let endpoint = ProxyOptions.endpoint(text) {
            self = .through(
                endpoint, username: login?.username ?? "", password: login?.password)
        } else if !text.isEmpty {
            child.problem(
                "endpoint", ProxyOptions.rule + Endpoint.shown(child.node("endpoint")))
        }
        child.finish()
    }

    private static let rule = "must look like http://host:port, credentials under basic"

    private static func endpoint(_ text: String) -> Endpoint? {
        guard let endpoint = Endpoint(text: text), !endpoint.isSecure, endpoint.path.isEmpty else {
            return nil
        }
        return endpoint
    }
}

extension Endpoint {
    /// The end of a sentence about a value that is no endpoint: what was written, unless there
    /// may be a password in it.
    static func shown(_ node: ConfigurationNode?) -> String {
        if node?.scalar?.utf8.contains(UInt8(ascii: "@")) == true { return "" }
        return ", is \(node?.shown ?? "empty")"
    }
}

extension ConfigurationReader {
    /// A user's name and password under a key; nil when they are missing or there is a mistake.
    mutating func login(_ key: String) -> (username: String, password: Secret)? {
        guard var pair = child(key) else { return nil }
        defer { pair.finish() }
        let username = pair.requiredString("username")
        if username.utf8.contains(UInt8(ascii: ":")) {
            pair.problem("username", "must not hold a colon")
        }
        let password = pair.secret("password")
        if password == nil, pair.node("password") == nil {
            pair.problem("password", "must be set")
        }
        return password.map { (username, $0) }
    }
}
