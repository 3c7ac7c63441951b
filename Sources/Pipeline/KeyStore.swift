// SPDX-License-Identifier: Apache-2.0
import Parsing
import Platform
import Sealing

/// The keys of an agent: given by the configuration, or made at the first start and kept.
struct KeyStore {
    /// Signs groups and checkpoints.
    let signing: SigningKey
    /// True when the state folder held keys before this start: the agent has lived before.
    let hadKeys: Bool
    /// Makes fingerprints.
    let privacy: PrivacyPolicy

    /// Reads or makes the keys; the folder is made with 0700.
    init(_ configuration: AgentConfiguration) throws(PipelineError) {
        hadKeys = ["signing.key", "privacy.key"].contains { name in
            let status = try? FileSystem.status(configuration.keyFolder + "/" + name)
            return (status?.byteCount ?? 0) > 0
        }
        do throws(SystemError) {
            try FileSystem.createFolders(configuration.keyFolder, permissions: 0o700)
        } catch {
            throw .stage(
                "agent.state_dir: \(error); \(error.advice)", exit: .permission)
        }
        do throws(SealingError) {
            if let text = configuration.signingKey {
                let spelled = text.withBytes { span in
                    String(decoding: span.indices.map { span[$0] }, as: UTF8.self)
                }
                signing = try SigningKey(text: spelled.trimmingLineEnd)
                guard signing.name == configuration.name else {
                    throw SealingError(
                        .otherName,
                        "signing.key: the key belongs to \(signing.name), the agent is called "
                            + "\(configuration.name); set agent.name or make another key")
                }
            } else {
                signing = try SigningKey.loadOrCreate(
                    configuration.keyFolder + "/signing.key", name: configuration.name
                ).key
            }
        } catch {
            throw .stage(error.description, exit: .configuration)
        }
        let key = try KeyStore.privacyKey(configuration)
        privacy = PrivacyPolicy(
            key: key, generation: 1, pseudonymized: configuration.privacy.pseudonymized)
    }

    /// The key of fingerprints: 64 hexadecimal digits in the configuration or in a file of 0600.
    private static func privacyKey(
        _ configuration: AgentConfiguration
    ) throws(PipelineError) -> Secret {
        if let key = configuration.privacy.key { return key }
        let path = configuration.keyFolder + "/privacy.key"
        let digits = try PipelineError.wrapping { () throws(SystemError) in
            if FileSystem.exists(path) {
                let text = try FileSystem.read(path, byteLimit: 1024)
                return String(decoding: text, as: UTF8.self).trimmingLineEnd
            }
            let digits = Hex.encode(RandomBytes.make(PrivacyPolicy.keyByteCount).span)
            try FileSystem.write(path, Array((digits + "\n").utf8).span, permissions: 0o600)
            return digits
        }
        guard let bytes = Hex.decode(digits), bytes.count == PrivacyPolicy.keyByteCount else {
            throw .stage(
                "\(path): must be 64 hexadecimal digits; restore it from a backup, because a new "
                    + "key breaks the link to earlier fingerprints",
                exit: .configuration)
        }
        return Secret(bytes)
    }
}

extension String {
    /// The text without one line feed at its end.
    fileprivate var trimmingLineEnd: String { last?.isNewline == true ? String(dropLast()) : self }
}
