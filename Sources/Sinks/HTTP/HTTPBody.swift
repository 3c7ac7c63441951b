// SPDX-License-Identifier: Apache-2.0
import Platform

/// What has to be known of a request with events until its answer comes.
struct SentEvents {
    /// The indices of the events in the request, in order.
    var indices: [Int] = []
    /// Those that never got into it.
    var rejections: [Rejection] = []

    /// An error that speaks of events by their place in the request, as one about the batch.
    func blaming(_ error: DeliveryError) -> DeliveryError {
        guard case .partial(let retry, let reject, let after) = error else { return error }
        var all = rejections
        for rejection in reject {
            all.append(
                Rejection(
                    index: indices[rejection.index], reason: rejection.reason,
                    code: rejection.code))
        }
        return .partial(
            retry: retry.map { indices[$0] }, reject: all.sorted { $0.index < $1.index },
            after: after)
    }
}

/// Makes request bodies smaller where the configuration wants it; one serves one thread.
struct BodyCompression: ~Copyable {
    private let gzip: GzipEncoder?
    private var compressed: [UInt8] = []

    /// The header lines that say what is done to bodies.
    let headers: [String]

    /// Prepares to compress, or not to.
    init(_ compression: HTTPOptions.Compression) {
        gzip = compression == .gzip ? GzipEncoder(level: 1) : nil
        headers = compression == .gzip ? ["Content-Encoding: gzip"] : []
    }

    /// Hands the body to the closure as it has to be sent; the closure must not keep it.
    mutating func withBytes(of body: borrowing ByteWriter, _ send: (Span<UInt8>) -> Void) {
        guard let gzip else {
            body.withBytes(send)
            return
        }
        compressed.removeAll(keepingCapacity: true)
        body.withBytes { gzip.compress($0, into: &compressed) }
        send(compressed.span)
    }
}
