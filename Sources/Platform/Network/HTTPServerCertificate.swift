// SPDX-License-Identifier: Apache-2.0

extension HTTPServer {
    /// What TLS shows to clients, and proves.
    public struct Certificate: Sendable, Equatable {
        /// The most bytes of a file of certificates.
        public static let byteLimit = 1 << 20

        /// The chain, the server's own first, as PEM text.
        public var chain: String
        /// The key, as PEM text.
        public var key: Secret
        /// When the first certificate of the chain expires.
        public let expiry: Timestamp

        /// Reads both files, and sees to it that they belong together and that the authorities of
        /// clients, where they are named, can be used.
        public init(
            chain: String, key: String, clientAuthorities: String? = nil
        ) throws(TLSError) {
            let server = try TLSServer(
                certificate: chain, key: key, clientAuthorities: clientAuthorities)
            var bytes = try Certificate.bytes(of: key)
            self.key = Secret(wiping: &bytes)
            self.chain = try Certificate.text(of: chain)
            expiry = server.expiry
        }

        /// The text of a file in PEM.
        public static func text(of path: String) throws(TLSError) -> String {
            String(decoding: try bytes(of: path), as: UTF8.self)
        }

        static func bytes(of path: String) throws(TLSError) -> [UInt8] {
            do throws(SystemError) {
                return try FileSystem.read(path, byteLimit: byteLimit)
            } catch {
                throw TLSError(path: path, reason: "\(error); \(error.advice)")
            }
        }
    }
}
