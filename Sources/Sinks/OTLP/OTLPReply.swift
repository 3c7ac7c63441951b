// SPDX-License-Identifier: Apache-2.0
import Platform

/// Reads what a receiver of OTLP says: `ExportLogsServiceResponse` of a success and
/// `google.rpc.Status` of a failure.
enum OTLPReply {
    /// What the answer to a success says.
    struct PartialSuccess: Equatable {
        /// How many records the receiver will never take.
        var rejectedCount: Int64 = 0
        /// Why, or a warning when it has taken all.
        var message = ""
    }

    /// What an `ExportLogsServiceResponse` says; nil when it is none.
    ///
    /// No bytes at all are a message whose every field is unset: all was taken.
    static func partialSuccess(_ body: [UInt8]) -> PartialSuccess? {
        let bytes = body.span
        var result = PartialSuccess()
        var reader = ProtobufReader(0..<bytes.count)
        while let (number, value) = reader.next(bytes) {
            guard number == 1 else { continue }
            guard case .bytes(let range) = value else { return nil }
            var inner = ProtobufReader(range)
            while let (number, value) = inner.next(bytes) {
                switch (number, value) {
                case (1, .integer(let count)): result.rejectedCount = Int64(bitPattern: count)
                case (2, .bytes(let text)):
                    guard let message = message(bytes, text) else { return nil }
                    result.message = message
                case (1, _), (2, _): return nil
                default: continue
                }
            }
            if inner.isDamaged { return nil }
        }
        return reader.isDamaged ? nil : result
    }

    /// The message of a `google.rpc.Status`; nil when the body is none or says nothing.
    static func statusMessage(_ body: [UInt8]) -> String? {
        let bytes = body.span
        var result: String?
        var reader = ProtobufReader(0..<bytes.count)
        while let (number, value) = reader.next(bytes) {
            switch (number, value) {
            case (1, .integer), (3, .bytes): continue
            case (2, .bytes(let text)):
                guard let message = message(bytes, text) else { return nil }
                result = message
            // A text that happens to look like a message is not one.
            default: return nil
            }
        }
        return reader.isDamaged || result?.isEmpty == true ? nil : result
    }

    private static func message(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String? {
        guard UTF8Repair.isValid(bytes, range) else { return nil }
        // Cut before it is made a text; what is cut in the middle is mended.
        let end = min(range.upperBound, range.lowerBound + Rejection.textByteLimit)
        var text: [UInt8] = []
        for index in range.lowerBound..<end { text.append(bytes[index]) }
        return DeliveryText.oneLine(
            String(decoding: text, as: UTF8.self), byteLimit: Rejection.textByteLimit)
    }
}
