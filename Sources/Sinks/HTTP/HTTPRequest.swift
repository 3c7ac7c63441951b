// SPDX-License-Identifier: Apache-2.0
import Platform

/// What a request is, beside its body.
struct HTTPRequest {
    /// The methods that sinks use.
    enum Method: String {
        case delete = "DELETE"
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case put = "PUT"
    }

    /// A header line whose value is never printed.
    struct SecretHeader {
        /// As `Authorization`.
        var name: String
        /// The value.
        var value: Secret

        /// The value without the word in front that says its kind, as `Bearer`.
        var bareValue: Secret {
            value.withBytes { bytes in
                let space = bytes.indices.first { bytes[$0] == 0x20 }
                guard let space, space + 1 < bytes.count else { return value }
                var bare = (space + 1..<bytes.count).map { bytes[$0] }
                return Secret(wiping: &bare)
            }
        }
    }

    /// The method.
    var method: Method
    /// Begins with a slash, may have a query, and is sent as it is. It is added to the path of
    /// the endpoint or of `origin`.
    var path: String
    /// Lines as `Name: value` that this request carries beside those of the client; a line of the
    /// same name takes the place of the client's. Line breaks are sent as spaces.
    var headers: [String] = []
    /// Further lines, with values that are never printed.
    var secretHeaders: [SecretHeader] = []
    /// Another place than the sink's endpoint, such as one that hands out credentials.
    ///
    /// Such a request carries none of the client's lines and no authentication, goes through no
    /// proxy, and over TLS trusts the system's authorities and shows no certificate.
    var origin: Endpoint?
    /// Which of the endpoints it goes to, where it matters, as for a question about what
    /// `HTTPAnswer.endpointIndex` has taken; else it goes to the one that serves at the moment.
    var endpointIndex: Int?
    /// True when the body must not reach the far side twice by itself.
    ///
    /// libcurl repeats a request whose connection, one that was kept, breaks before the first byte
    /// of the answer, and nobody learns of it. With true such a request fails instead.
    var isSentOnce = false
    /// How many events the request brings, which is what the answer may be long for.
    var eventCount = 0
    /// From the first byte of the request to the last of the answer; nil is the sink's `timeout`.
    var timeLimit: Duration?
    /// The names of the header lines that the answer is to have in `HTTPAnswer.headers`.
    var answerHeaders: [String] = []

    /// Describes a request.
    init(_ method: Method, _ path: String) {
        self.method = method
        self.path = path
    }
}
