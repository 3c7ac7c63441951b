// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The mapping to ArcSight's Common Event Format, version 0: the one list of what goes where.
///
/// `CEF:0|Sealtail|sealtail|VERSION|ACTION|ACTION|SEVERITY|key=value key=value …`. Vendor and
/// product are the agent's, because the signature ids, the actions, are; which identity provider
/// it was stands in `destinationServiceName`. The signed bytes are not carried: they are longer
/// than any key may be. `externalId`, `deviceExternalId` (the stream), `cn1` (the number) and
/// `cs6` (the proof) name the event that another copy, an archive or the ledger, proves.
enum CEFMapping {
    static let mapping = PairMapping(
        head: "CEF:0|Sealtail|sealtail|\(sealtailVersion)|", hasNameAndSeverity: true, tail: "|",
        delimiter: UInt8(ascii: " "), spelling: .escaped, rows: rows)

    static let rows: [PairRow] = [
        PairRow("rt", .milliseconds(.time)),
        PairRow("externalId", .field(.id), byteLimit: 40),
        PairRow("outcome", .field(.outcome), byteLimit: 63),
        PairRow("cat", .field(.providerEvent)),
        PairRow("destinationServiceName", .field(.providerProduct)),
        PairRow("dvchost", .field(.providerHost), byteLimit: 100),
        PairRow("deviceExternalId", .stream, byteLimit: 255),
        PairRow("suid", .field(.actorID)),
        PairRow("suser", .field(.actorName)),
        PairRow("suser", .field(.actorEmail)),
        PairRow("duid", .field(.targetID)),
        PairRow("duser", .field(.targetName)),
        PairRow("duser", .field(.targetEmail)),
        PairRow("src", .version4(.sourceIP)),
        PairRow("c6a2", .version6(.sourceIP), label: "Source IPv6 Address"),
        PairRow("spt", .field(.sourcePort)),
        PairRow("requestClientApplication", .field(.sourceUserAgent)),
        PairRow("requestMethod", .field(.requestMethod)),
        PairRow("request", .field(.requestPath)),
        PairRow("sourceServiceName", .field(.clientID)),
        PairRow("reason", .field(.errorCode)),
        PairRow("msg", .field(.errorReason)),
        PairRow(
            "cs1", .field(.providerTenant), label: "tenant", byteLimit: PairRow.customByteLimit),
        PairRow(
            "cs1", .field(.providerIssuer), label: "issuer", byteLimit: PairRow.customByteLimit),
        PairRow("cs2", .field(.sessionID), label: "session", byteLimit: PairRow.customByteLimit),
        PairRow("cs3", .field(.grantID), label: "grant", byteLimit: PairRow.customByteLimit),
        PairRow(
            "cs3", .field(.grantType), label: "grant type", byteLimit: PairRow.customByteLimit),
        PairRow(
            "cs4", .field(.scopeGranted), label: "scope granted",
            byteLimit: PairRow.customByteLimit),
        PairRow(
            "cs4", .field(.scopeRequested), label: "scope requested",
            byteLimit: PairRow.customByteLimit),
        PairRow("cs4", .field(.changeAdded), label: "added", byteLimit: PairRow.customByteLimit),
        PairRow(
            "cs4", .field(.changeRemoved), label: "removed", byteLimit: PairRow.customByteLimit),
        PairRow("cs5", .field(.tokenID), label: "token", byteLimit: PairRow.customByteLimit),
        PairRow("cs6", .proof, label: "proof", byteLimit: PairRow.customByteLimit),
        PairRow("cn1", .sequence, label: "seq"),
        PairRow("cn2", .field(.requestStatus), label: "HTTP status"),
        PairRow("flexString1", .field(.targetType), label: "target type"),
        PairRow("deviceCustomDate1", .milliseconds(.observed), label: "observed"),
    ]
}
