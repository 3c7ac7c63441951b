// SPDX-License-Identifier: Apache-2.0
import Platform

/// Asks an agent on this machine for one of its pages, as `sealtail status` does.
public enum LocalRequest {
    /// How long an agent may take to answer.
    public static let patience = Duration.seconds(5)

    /// What an agent answered.
    public struct Answer: Sendable {
        /// The HTTP status.
        public let status: Int
        /// The body.
        public let body: [UInt8]
    }

    /// Why there is no answer: one sentence.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// One sentence.
        public let description: String
    }

    /// Gets a page.
    ///
    /// - Parameters:
    ///   - place: host and port, as `127.0.0.1:9464`.
    ///   - certificate: the file of the certificate that the agent shows, whatever name is in it;
    ///     nil for plain HTTP. Another key is refused before the token is sent.
    ///   - token: sent as `Authorization: Bearer`.
    public static func get(
        _ path: String, at place: String, certificate: String?, token: Secret?
    ) throws(Failure) -> Answer {
        var tls = TLSOptions()
        if let certificate {
            tls.isUnverified = true
            tls.pins = [try pin(of: certificate)]
        }
        let scheme = certificate == nil ? "http" : "https"
        guard let endpoint = Endpoint(text: "\(scheme)://\(place)") else {
            throw Failure(description: "\(place): is no address to ask at")
        }
        let options = HTTPOptions(
            endpoint, tls: tls, authentication: token.map { .bearer($0) }, timeout: patience)
        let client: HTTPClient
        do throws(SinkError) {
            client = try HTTPClient(sink: "status", options, headers: [], inFlight: 1)
        } catch {
            throw Failure(description: error.sentence)
        }
        client.get(path, ticket: 0)
        switch client.answer(to: 0) {
        case .success(let answer): return Answer(status: answer.status, body: answer.body)
        case .failure(let error): throw Failure(description: error.sentence)
        }
    }

    private static func pin(of path: String) throws(Failure) -> String {
        do {
            return try CertificateChain.pin(pem: FileSystem.read(path, byteLimit: 1 << 20))
        } catch let error as CertificateError {
            throw Failure(description: "\(path): \(error)")
        } catch {
            throw Failure(description: "\(error)")
        }
    }
}
