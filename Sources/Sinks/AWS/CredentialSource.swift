// SPDX-License-Identifier: Apache-2.0
import Platform

/// One place that credentials come from.
enum CredentialSource: Sendable, Equatable {
    /// They were handed over once and for all; `place` names where.
    case fixed(AWSCredentials, place: String)
    /// A profile of a shared credentials file.
    case file(path: String, profile: String)
    /// A token in a file, for which the token service lends credentials of a role.
    case webIdentity(tokenFile: String, role: String, session: String, Endpoint)
    /// The service beside a container: ECS, and the identities of pods in EKS.
    case container(Endpoint, path: String, token: Token)
    /// The metadata service of an EC2 instance, in its second version only.
    case instance(Endpoint)

    /// How a container says who it is.
    enum Token: Sendable, Equatable {
        case none
        case text(Secret)
        /// Read at each lookup, because it is replaced before it ends.
        case file(String)
    }

    /// The places to look at, in this order; all but the last are looked at without waiting.
    ///
    /// It is the order of the AWS SDKs: the configuration, the environment, a web identity, the
    /// shared file, the container, the instance. A place that was named on purpose is the only
    /// one. Throws a sentence when what was named cannot be one.
    static func chain(
        written: AWSOptions.Authentication?, region: String,
        environment: (String) -> String?
    ) throws(CredentialProblem) -> [CredentialSource] {
        func variable(_ name: String) -> String? {
            environment(name).flatMap { $0.isEmpty ? nil : $0 }
        }
        let home = variable("HOME").map { $0 + "/.aws/credentials" }
        let usualFile = variable("AWS_SHARED_CREDENTIALS_FILE") ?? home
        switch written {
        case .key(let credentials):
            return [.fixed(credentials, place: "auth")]
        case .profile(let profile, let path):
            guard let path = path ?? usualFile else {
                throw CredentialProblem("auth.credentials_file: must be set where HOME is not")
            }
            return [.file(path: path, profile: profile)]
        case nil:
            break
        }
        if let id = variable("AWS_ACCESS_KEY_ID") {
            let found = AWSCredentials(
                accessKeyID: id, secretAccessKey: variable("AWS_SECRET_ACCESS_KEY"),
                sessionToken: variable("AWS_SESSION_TOKEN"))
            guard let found else {
                throw CredentialProblem(
                    "AWS_ACCESS_KEY_ID is set: AWS_SECRET_ACCESS_KEY must be too, and all of "
                        + "printable characters")
            }
            return [.fixed(found, place: "the environment")]
        }
        if let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
            return [try webIdentity(tokenFile: file, region, variable)]
        }
        var sources: [CredentialSource] = []
        let profile = variable("AWS_PROFILE")
        if let usualFile {
            sources.append(.file(path: usualFile, profile: profile ?? "default"))
            if profile != nil { return sources }
        }
        if let container = try container(variable) {
            sources.append(container)
        } else if variable("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" {
            let written = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            guard let place = Endpoint(text: written ?? CredentialSource.instanceService) else {
                throw CredentialProblem("AWS_EC2_METADATA_SERVICE_ENDPOINT must be a URL")
            }
            sources.append(.instance(place))
        }
        return sources
    }

    private static let instanceService = "http://169.254.169.254"
    private static let containerService = "http://169.254.170.2"

    /// Those that may be asked over plain HTTP beside this machine, which only it can reach.
    private static let containerHosts: Set<String> = [
        "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
    ]

    private static func webIdentity(
        tokenFile: String, _ region: String, _ variable: (String) -> String?
    ) throws(CredentialProblem) -> CredentialSource {
        guard let role = variable("AWS_ROLE_ARN") else {
            throw CredentialProblem("AWS_WEB_IDENTITY_TOKEN_FILE is set: AWS_ROLE_ARN must be too")
        }
        let service =
            variable("AWS_ENDPOINT_URL_STS")
            ?? "https://\(AWSOptions.host(of: "sts", region: region))"
        guard let place = Endpoint(text: service) else {
            throw CredentialProblem("AWS_ENDPOINT_URL_STS must be a URL")
        }
        return .webIdentity(
            tokenFile: tokenFile, role: role,
            session: variable("AWS_ROLE_SESSION_NAME") ?? "sealtail", place)
    }

    private static func container(
        _ variable: (String) -> String?
    ) throws(CredentialProblem) -> CredentialSource? {
        let name: String
        let url: String
        if let path = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            (name, url) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", containerService + path)
        } else if let whole = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            (name, url) = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", whole)
        } else {
            return nil
        }
        guard let (place, path) = split(url) else {
            throw CredentialProblem("\(name) must be a URL with a path")
        }
        guard place.isSecure || place.isLoopback || containerHosts.contains(place.host) else {
            throw CredentialProblem(
                "\(name) names \(place.host): over plain HTTP only this machine and the services "
                    + "of ECS and EKS are asked; name an address with https://")
        }
        let token: Token
        if let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            token = .file(file)
        } else if let text = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
            token = .text(Secret(Array(text.utf8)))
        } else {
            token = .none
        }
        return .container(place, path: path, token: token)
    }

    /// A URL as its place and what is asked for there, which may have a query.
    private static func split(_ url: String) -> (Endpoint, path: String)? {
        let scheme = url.hasPrefix("https://") ? 8 : 7
        guard let slash = url.dropFirst(scheme).firstIndex(of: "/"),
            let place = Endpoint(text: String(url[..<slash])),
            url[slash...].utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x23 })
        else { return nil }
        return (place, String(url[slash...]))
    }

    /// What the source is, for people.
    var words: String {
        switch self {
        case .fixed(_, let place): place
        case .file(let path, let profile): "profile \(profile) of \(path)"
        case .webIdentity(let file, let role, _, let place):
            "role \(role) for the token in \(file), of \(place.urlHost)"
        case .container(let place, _, _): "the container's service at \(place.urlHost)"
        case .instance(let place): "the instance's metadata service at \(place.urlHost)"
        }
    }
}

/// Why there are no credentials: a sentence without any of them.
struct CredentialProblem: Error, Sendable, Equatable {
    /// The sentence.
    let sentence: String
    /// True when it may be gone soon by itself: a service that does not answer.
    let isPassing: Bool

    /// Words a problem, on one line.
    init(_ sentence: String, isPassing: Bool = false) {
        self.sentence = DeliveryText.oneLine(sentence, byteLimit: Rejection.textByteLimit)
        self.isPassing = isPassing
    }

    /// What a delivery comes to without credentials.
    var deliveryError: DeliveryError {
        isPassing
            ? .retry(after: nil, reason: sentence, code: .authorization)
            : .alarm(reason: sentence, code: .authorization)
    }
}
