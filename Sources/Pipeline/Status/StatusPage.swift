// SPDX-License-Identifier: Apache-2.0
import Platform

/// The page that people look at: one file, `status.html`, which the build puts into the agent.
///
/// The browser may run and apply what the file holds and nothing else, and may talk to nobody but
/// this agent: the policy names the hashes of the file's one style and one script.
struct StatusPage: Sendable {
    private let body: [UInt8]
    private let policy: String

    /// Reads the page that was built in.
    init() {
        self.init(html: PackageResources.status_html)
    }

    init(html: [UInt8]) {
        body = html
        policy = [
            "default-src 'none'", "style-src \(StatusPage.hash(of: "style", in: html))",
            "script-src \(StatusPage.hash(of: "script", in: html))", "connect-src 'self'",
            "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        ].joined(separator: "; ")
    }

    /// What `/` answers.
    var answer: StatusServer.Answer {
        var answer = StatusServer.Answer(
            status: 200, contentType: "text/html; charset=utf-8", body: body)
        answer.fields = [
            "Content-Security-Policy", policy, "X-Frame-Options", "DENY",
            "Referrer-Policy", "no-referrer", "Cross-Origin-Opener-Policy", "same-origin",
            "Cross-Origin-Resource-Policy", "same-origin",
        ]
        return answer
    }

    /// The source expression of Content Security Policy Level 3 for an element's text; `'none'`
    /// where there is no such element.
    static func hash(of element: String, in html: [UInt8]) -> String {
        let (start, end) = (Array("<\(element)>".utf8), Array("</\(element)>".utf8))
        guard let first = ByteSearch.first(start, in: html.span, 0..<html.count),
            let last = ByteSearch.first(end, in: html.span, (first + start.count)..<html.count)
        else { return "'none'" }
        let text = Array(html[(first + start.count)..<last])
        return "'sha256-\(Base64.encode(SHA256.digest(text).bytes))'"
    }
}
