// SPDX-License-Identifier: Apache-2.0
import Platform

/// Asks one service for credentials: says what to send next and reads what comes back.
///
/// It does neither itself. Nothing that a service answers gets into a sentence but its status,
/// because an answer may hold a key.
struct CredentialLookup {
    /// What is to be done.
    enum Step {
        case ask(HTTPRequest, body: [UInt8])
        case found(AWSCredentials)
    }

    private enum Stage {
        case start, instanceToken, instanceRole(Secret), credentials
    }

    private let source: CredentialSource
    private var stage = Stage.start

    /// How long one question may take.
    static let timeLimit = Duration.seconds(5)
    /// The seconds for which an instance's session is asked.
    private static let sessionSeconds = 21_600
    private static let rolePath = "/latest/meta-data/iam/security-credentials/"

    /// Looks at one source.
    init(_ source: CredentialSource) {
        self.source = source
    }

    /// The first question, or the credentials where none has to be asked.
    ///
    /// `read` gives the content of a small file on this machine.
    mutating func begin(
        read: (String) throws(SystemError) -> [UInt8]
    ) throws(CredentialProblem) -> Step {
        switch source {
        case .fixed(let credentials, _):
            return .found(credentials)
        case .file(let path, let profile):
            let content = try contents(path, read)
            guard let found = SharedCredentialsFile.credentials(of: profile, in: content) else {
                throw CredentialProblem(
                    "\(path) has no keys for the profile \(profile); add them, or set "
                        + "auth.profile")
            }
            return .found(found)
        case .webIdentity(let file, let role, let session, let place):
            stage = .credentials
            let token = CredentialLookup.line(try contents(file, read))
            var request = ask(.post, place.origin("/"))
            request.headers = ["Content-Type: application/x-www-form-urlencoded"]
            let form = PercentEncoding.query([
                ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"),
                ("RoleArn", role), ("RoleSessionName", session), ("WebIdentityToken", token),
            ])
            return .ask(request, body: Array(form.utf8))
        case .container(let place, let path, let token):
            stage = .credentials
            var request = ask(.get, (place, path))
            request.headers = ["Accept: application/json"]
            switch token {
            case .none: break
            case .text(let secret): request.authorize(secret)
            case .file(let file):
                request.authorize(
                    Secret(Array(CredentialLookup.line(try contents(file, read)).utf8)))
            }
            return .ask(request, body: [])
        case .instance(let place):
            stage = .instanceToken
            var request = ask(.put, place.origin("/latest/api/token"))
            request.headers = [
                "X-aws-ec2-metadata-token-ttl-seconds: \(CredentialLookup.sessionSeconds)"
            ]
            return .ask(request, body: [])
        }
    }

    /// Takes the answer to the last question.
    mutating func took(_ answer: HTTPAnswer) throws(CredentialProblem) -> Step {
        guard answer.status == 200 else { throw refusal(answer) }
        switch (source, stage) {
        case (.instance(let place), .instanceToken):
            let token = Secret(answer.body)
            guard token.byteCount > 0, token.isPrintable else { throw nonsense }
            stage = .instanceRole(token)
            return instance(place, CredentialLookup.rolePath, token)
        case (.instance(let place), .instanceRole(let token)):
            let role = CredentialLookup.line(answer.body)
            guard !role.isEmpty, role.utf8.count <= 128 else {
                throw CredentialProblem(
                    "\(source.words) knows of no role for this instance; give it one, or "
                        + "set auth")
            }
            stage = .credentials
            return instance(place, CredentialLookup.rolePath + PercentEncoding.encode(role), token)
        case (.webIdentity, .credentials):
            guard let found = AWSCredentials(xml: answer.body) else { throw nonsense }
            return .found(found)
        case (_, .credentials):
            guard let found = AWSCredentials(json: answer.body) else { throw nonsense }
            return .found(found)
        default:
            throw nonsense
        }
    }

    // MARK: Inside

    private var nonsense: CredentialProblem {
        CredentialProblem("\(source.words) answered something else than credentials; set auth")
    }

    private func refusal(_ answer: HTTPAnswer) -> CredentialProblem {
        // The code is a word of the protocol; what else was said stays unsaid.
        let code = AWSFault(answer).code
        let more = code.isEmpty ? "" : " (\(code))"
        return CredentialProblem(
            "\(source.words) answered HTTP \(answer.status)\(more); look at the rights of "
                + "this machine, or set auth",
            isPassing: answer.status >= 500 || answer.status == 429)
    }

    private func ask(_ method: HTTPRequest.Method, _ place: (Endpoint, String)) -> HTTPRequest {
        var request = HTTPRequest(method, place.1)
        request.origin = place.0
        request.timeLimit = CredentialLookup.timeLimit
        request.answerHeaders = ["x-amzn-errortype"]
        return request
    }

    private func instance(_ place: Endpoint, _ path: String, _ token: Secret) -> Step {
        var request = ask(.get, place.origin(path))
        request.secretHeaders = [
            HTTPRequest.SecretHeader(name: "X-aws-ec2-metadata-token", value: token)
        ]
        return .ask(request, body: [])
    }

    private func contents(
        _ path: String, _ read: (String) throws(SystemError) -> [UInt8]
    ) throws(CredentialProblem) -> [UInt8] {
        do throws(SystemError) {
            return try read(path)
        } catch {
            throw CredentialProblem(error.description)
        }
    }

    /// The first line, without what surrounds it.
    private static func line(_ bytes: [UInt8]) -> String {
        let line = bytes.drop { $0 <= 0x20 }.prefix { $0 > 0x20 && $0 < 0x7F }
        return String(decoding: line, as: UTF8.self)
    }
}

extension Endpoint {
    fileprivate func origin(_ path: String) -> (Endpoint, String) { (self, path) }
}

extension HTTPRequest {
    fileprivate mutating func authorize(_ secret: Secret) {
        secretHeaders = [SecretHeader(name: "Authorization", value: secret)]
    }
}

extension Secret {
    fileprivate var isPrintable: Bool {
        withBytes { bytes in
            for index in bytes.indices where !(0x21...0x7E).contains(bytes[index]) { return false }
            return true
        }
    }
}
