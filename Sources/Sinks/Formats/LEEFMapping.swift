// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The mapping to IBM's Log Event Extended Format 2.0: the one list of what goes where.
///
/// `LEEF:2.0|Sealtail|sealtail|VERSION|ACTION|DELIMITER|key=value<delimiter>key=value…`. Keys
/// that IBM defines come first, those of our own behind them. The signed bytes are not carried;
/// `eventId`, `stream`, `seq` and `proof` name the event that another copy, an archive or the
/// ledger, proves.
enum LEEFMapping {
    /// A tab, which IBM takes when the header names no other.
    static let defaultDelimiter = UInt8(ascii: "\t")

    /// Whether a sign can stand between pairs: none that ids, proofs, times or addresses hold.
    static func isDelimiter(_ byte: UInt8) -> Bool {
        byte == defaultDelimiter || "!#$%&*;?^`{}~".utf8.contains(byte)
    }

    static func mapping(delimiter: UInt8) -> PairMapping {
        PairMapping(
            head: "LEEF:2.0|Sealtail|sealtail|\(sealtailVersion)|", hasNameAndSeverity: false,
            tail: "|x" + Hex.encode([delimiter]) + "|", delimiter: delimiter, spelling: .spaced,
            rows: rows)
    }

    static let rows: [PairRow] = [
        PairRow("cat", .category),
        PairRow("devTime", .milliseconds(.time)),
        PairRow("sev", .severity),
        PairRow("usrName", .field(.actorName)),
        PairRow("usrName", .field(.actorID)),
        PairRow("usrName", .field(.actorEmail)),
        PairRow("src", .version4(.sourceIP)),
        PairRow("src", .version6(.sourceIP)),
        PairRow("srcPort", .field(.sourcePort)),
        PairRow("realm", .field(.providerTenant)),
        PairRow("resource", .field(.targetName)),
        PairRow("resource", .field(.targetID)),
        PairRow("url", .field(.requestPath)),
        PairRow("eventId", .field(.id)),
        PairRow("outcome", .field(.outcome)),
        PairRow("observed", .milliseconds(.observed)),
        PairRow("provider", .field(.providerProduct)),
        PairRow("providerHost", .field(.providerHost)),
        PairRow("providerEvent", .field(.providerEvent)),
        PairRow("issuer", .field(.providerIssuer)),
        PairRow("actorId", .field(.actorID)),
        PairRow("actorEmail", .field(.actorEmail)),
        PairRow("targetType", .field(.targetType)),
        PairRow("targetId", .field(.targetID)),
        PairRow("targetEmail", .field(.targetEmail)),
        PairRow("clientId", .field(.clientID)),
        PairRow("clientName", .field(.clientName)),
        PairRow("sessionId", .field(.sessionID)),
        PairRow("grantId", .field(.grantID)),
        PairRow("grantType", .field(.grantType)),
        PairRow("tokenId", .field(.tokenID)),
        PairRow("tokenType", .field(.tokenType)),
        PairRow("scopeRequested", .field(.scopeRequested), byteLimit: PairRow.customByteLimit),
        PairRow("scopeGranted", .field(.scopeGranted), byteLimit: PairRow.customByteLimit),
        PairRow("added", .field(.changeAdded), byteLimit: PairRow.customByteLimit),
        PairRow("removed", .field(.changeRemoved), byteLimit: PairRow.customByteLimit),
        PairRow("errorCode", .field(.errorCode)),
        PairRow("reason", .field(.errorReason)),
        PairRow("requestMethod", .field(.requestMethod)),
        PairRow("status", .field(.requestStatus)),
        PairRow("userAgent", .field(.sourceUserAgent)),
        PairRow("stream", .stream),
        PairRow("seq", .sequence),
        PairRow("proof", .proof),
    ]
}
