// SPDX-License-Identifier: Apache-2.0
import Platform

/// What AWS, or who speaks its language, says when it does not do what was asked.
///
/// Services answer in JSON (`{"__type":"…#ThrottlingException","message":…}`), object stores and
/// emulators in XML (`<Error><Code>…`); both are read, whatever the request was.
struct AWSFault: Sendable, Equatable {
    /// The HTTP status.
    var status: Int
    /// The word of the protocol, as `ThrottlingException`; empty when there is none.
    var code: String
    /// The sentence for people, on one line.
    var message: String
    /// What the far side's clock says.
    var date: Timestamp?
    /// The delay that the far side asks for.
    var retryAfter: Duration?
    /// The region that the bucket is in, when the far side says so.
    var region: String?

    /// What a fault asks for.
    enum Meaning: Sendable {
        /// The credentials were good once.
        case expired
        /// The key is not known, or not any more.
        case unknownKey
        /// The signature does not fit: the secret key or the clock is wrong.
        case signature
        /// The key is known and may not do this.
        case forbidden
        /// What was named is not there.
        case missing
        /// It is there already.
        case existing
        /// Too much in a short time.
        case busy
        /// Damaged on the way.
        case damaged
        /// More at once than is taken.
        case tooLarge
        /// Somebody has to change the configuration here or there.
        case configuration
        /// The request is not understood or not wanted.
        case refused
        /// A fault of the far side.
        case server
    }

    /// The names of the header lines of an answer that are read.
    static let headerNames = ["x-amzn-errortype", "date", "x-amz-bucket-region"]
    private static let codeByteLimit = 128

    /// Reads an answer that is no success.
    init(_ answer: HTTPAnswer) {
        status = answer.status
        retryAfter = answer.retryAfter
        date = answer.headers["date"].flatMap { WrittenTime.http($0) }
        let body = String(
            decoding: answer.body.prefix(AWSCredentials.documentByteLimit), as: UTF8.self)
        var code = answer.headers["x-amzn-errortype"]
        var message: String?
        var region = answer.headers["x-amz-bucket-region"]
        if body.utf8.first(where: { $0 > 0x20 }) == UInt8(ascii: "{"),
            let document = try? JSONDocument(reading: answer.body)
        {
            code = document["__type"]?.string ?? code ?? document["code"]?.string
            message = document["message"]?.string ?? document["Message"]?.string
        } else if body.utf8.contains(UInt8(ascii: "<")) {
            code = XMLText.element("Code", in: body) ?? code
            message = XMLText.element("Message", in: body)
            region = XMLText.element("Region", in: body) ?? region
        }
        // `com.amazonaws.logs#ThrottlingException:http://…` is ThrottlingException.
        let word = (code ?? "").prefix { $0 != ":" }
        let bare = word.split(separator: "#").last.map(String.init) ?? ""
        self.code = DeliveryText.oneLine(bare, byteLimit: AWSFault.codeByteLimit)
        self.message = DeliveryText.oneLine(
            message ?? (code == nil ? body : ""), byteLimit: HTTPLimit.quotedByteCount)
        self.region = region.map { DeliveryText.oneLine($0, byteLimit: AWSFault.codeByteLimit) }
    }

    /// What has to be done about it, by its code or else by its status.
    var meaning: Meaning {
        if let known = AWSFault.meanings[code] { return known }
        switch status {
        case 413: return .tooLarge
        case 401, 403, 407: return .forbidden
        case 404: return .missing
        case 300...399: return .configuration
        case 408, 425, 429: return .busy
        case 400...499: return .refused
        default: return .server
        }
    }

    /// The status, the code and the message.
    var sentence: String {
        let words = [code, message].filter { !$0.isEmpty }.joined(separator: ": ")
        return words.isEmpty ? "HTTP \(status)" : "HTTP \(status): \(words)"
    }

    /// How far this machine's clock is from the far side's, where that may be the reason.
    func clockWords(at now: Timestamp) -> String {
        guard let date else { return "" }
        let ahead = now.since(date).components.seconds
        guard abs(ahead) >= AWSFault.skewSeconds else { return "" }
        let way = ahead > 0 ? "ahead of" : "behind"
        return "; this machine's clock is \(abs(ahead)) s \(way) the server's: set it by NTP"
    }

    /// The services allow five minutes, and fifteen in an object store.
    private static let skewSeconds: Int64 = 60

    private static let meanings: [String: Meaning] = [
        "ExpiredToken": .expired, "ExpiredTokenException": .expired,
        "TokenRefreshRequired": .expired,
        "InvalidAccessKeyId": .unknownKey, "InvalidClientTokenId": .unknownKey,
        "UnrecognizedClientException": .unknownKey, "InvalidToken": .unknownKey,
        "InvalidSignatureException": .signature, "SignatureDoesNotMatch": .signature,
        "RequestTimeTooSkewed": .signature, "RequestExpired": .signature,
        "RequestInTheFuture": .signature,
        "IncompleteSignatureException": .signature, "IncompleteSignature": .signature,
        "AccessDenied": .forbidden, "AccessDeniedException": .forbidden,
        "AllAccessDisabled": .forbidden, "MissingAuthenticationToken": .forbidden,
        "NotAuthorized": .forbidden, "OptInRequired": .forbidden, "AuthFailure": .forbidden,
        "MissingAuthenticationTokenException": .forbidden,
        "SubscriptionRequiredException": .forbidden,
        "ResourceNotFoundException": .missing, "NoSuchBucket": .missing,
        "ResourceAlreadyExistsException": .existing,
        "ThrottlingException": .busy, "Throttling": .busy, "SlowDown": .busy,
        "ThrottledException": .busy, "RequestThrottled": .busy,
        "RequestThrottledException": .busy, "PriorRequestNotComplete": .busy,
        "RequestLimitExceeded": .busy, "RequestTimeout": .busy, "OperationAborted": .busy,
        "OperationAbortedException": .busy, "RequestTimeoutException": .busy,
        "TooManyRequestsException": .busy, "InvalidSequenceTokenException": .busy,
        "BadDigest": .damaged, "XAmzContentSHA256Mismatch": .damaged, "IncompleteBody": .damaged,
        "InvalidDigest": .damaged, "XAmzContentChecksumMismatch": .damaged,
        "EntityTooLarge": .tooLarge, "RequestEntityTooLargeException": .tooLarge,
        "PermanentRedirect": .configuration, "TemporaryRedirect": .configuration,
        "AuthorizationHeaderMalformed": .configuration, "LimitExceededException": .configuration,
        "UnknownOperationException": .configuration, "InvalidAction": .configuration,
        "ServiceUnavailable": .server, "ServiceUnavailableException": .server,
        "InternalError": .server, "InternalFailure": .server,
    ]
}

extension AWSFault {
    /// What becomes of a request; an event is rejected only when it alone was refused.
    ///
    /// - Parameters:
    ///   - eventCount: how many events the request brought.
    ///   - readsEvents: false for a far side to which events are mere bytes, so that no refusal
    ///     can be about one of them but for its size.
    func refusal(
        eventCount: Int, readsEvents: Bool, at now: Timestamp
    ) -> DeliveryError {
        switch meaning {
        case .expired, .unknownKey, .forbidden:
            return .alarm(reason: sentence, code: .authorization)
        case .signature:
            return .alarm(
                reason: "\(sentence)\(clockWords(at: now))", code: .authorization)
        case .missing, .existing:
            return .alarm(reason: sentence, code: .place)
        case .configuration:
            let there = region.map { "; the far side says the region is \($0)" } ?? ""
            return .alarm(reason: "\(sentence)\(there)", code: .place)
        case .busy:
            return .retry(after: retryAfter, reason: sentence, code: .busy)
        case .server, .damaged:
            return .retry(after: retryAfter, reason: sentence, code: .server)
        case .tooLarge:
            return eventCount > 1 ? .split(reason: sentence, code: .size) : reject(.size)
        case .refused:
            guard readsEvents else { return .alarm(reason: sentence, code: .place) }
            return eventCount > 1 ? .split(reason: sentence, code: .refused) : reject(.refused)
        }
    }

    private func reject(_ code: DeliveryCode) -> DeliveryError {
        .partial(
            retry: [], reject: [Rejection(index: 0, reason: sentence, code: code)], after: nil)
    }
}
