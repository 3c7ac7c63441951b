// SPDX-License-Identifier: Apache-2.0
import Platform

/// Decides who sees the status page and its numbers. A pure value.
///
/// On loopback whoever is on the machine may look, unless a token is set; a browser may do so for a
/// page of its own machine only, which the Host header tells (DNS rebinding: a name of an attacker
/// that leads to 127.0.0.1). Elsewhere it takes the token, or a client certificate.
struct StatusAccess: Sendable {
    /// What a browser shows beside its question for the token.
    static let realm = "sealtail status: any user name, the token as password"

    /// True when only this machine can reach the page.
    var isLoopback: Bool
    var token: Secret?
    /// In lower case.
    var hosts: [String] = []

    /// The answer to a request that may not see the page; nil for one that may.
    func refusal(_ head: HTTPServer.Head) -> HTTPServer.Response? {
        if head.hasClientCertificate { return nil }
        if let token {
            return isToken(head.fields["authorization"], token) ? nil : StatusAccess.unauthorized
        }
        guard isLoopback else { return StatusAccess.closed }
        guard isOwnName(head.fields["host"]) else { return StatusAccess.strange }
        return nil
    }

    /// `Bearer TOKEN`, or `Basic` with the token as password of whatever user (RFC 7617).
    private func isToken(_ field: String?, _ token: Secret) -> Bool {
        guard let field, let space = field.firstIndex(of: " ") else { return false }
        let rest = field[field.index(after: space)...].drop { $0 == " " }
        switch field[..<space].lowercased() {
        case "bearer": return Secret(Array(rest.utf8)) == token
        case "basic":
            guard let pair = Base64.decode(String(rest)),
                let colon = pair.firstIndex(of: UInt8(ascii: ":"))
            else { return false }
            return Secret(Array(pair[(colon + 1)...])) == token
        case _: return false
        }
    }

    /// True for the names of this machine's loopback and those that are configured.
    private func isOwnName(_ field: String?) -> Bool {
        // HTTP/1.0 without the header comes from no browser.
        guard let field = field?.lowercased() else { return true }
        let host: Substring
        if field.hasPrefix("[") {
            host = field.prefix { $0 != "]" }.dropFirst()
        } else {
            host = field.prefix { $0 != ":" }
        }
        return host == "localhost" || host == "::1" || isLoopbackAddress(host)
            || hosts.contains(String(host))
    }

    private func isLoopbackAddress(_ host: Substring) -> Bool {
        ListenAddress("\(host):0")?.isLoopback ?? false
    }

    static let unauthorized = HTTPServer.Response(
        status: 401, text: "The token is missing or wrong; agent.status.token has it.\n",
        fields: ["WWW-Authenticate", "Basic realm=\"\(realm)\", charset=\"UTF-8\""])

    static let closed = HTTPServer.Response(
        status: 403,
        text: "The status page is open on loopback only. To see it here, set agent.status.token "
            + "or agent.status.tls.client_ca_file; /metrics, /livez and /readyz are open.\n")

    static let strange = HTTPServer.Response(
        status: 403,
        text: "The status page does not answer to this host name; use localhost, or name it in "
            + "agent.status.hosts.\n")
}
