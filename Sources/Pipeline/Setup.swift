// SPDX-License-Identifier: Apache-2.0
import Inputs
import Parsing
import Platform
import Sealing
import Sinks

/// A configuration with all that it refers to, read and checked: keys, parsers, certificates.
///
/// Making one changes nothing that runs, so a reload can make one and throw it away again.
struct Setup: Sendable {
    let configuration: AgentConfiguration
    let keys: KeyStore
    /// How each input's records are parsed, in the order of the configuration.
    let plans: [InputPlan]
    /// What is wrong with parsers that no input names.
    let parserWarnings: [String]
    /// The content of the files that the blocks of sinks and inputs name, as hashes.
    private let materials: [String: Digest]

    /// The most bytes of a file that is hashed.
    private static let materialByteLimit = 1 << 20

    /// Reads keys and what blocks refer to.
    ///
    /// - Parameters:
    ///   - assembly: that of the configuration.
    ///   - generation: a number that no earlier setup had.
    init(
        _ configuration: AgentConfiguration, _ assembly: Assembly, generation: UInt64 = 0
    ) throws(PipelineError) {
        self.configuration = configuration
        keys = try KeyStore(configuration)
        var plans = assembly.plans(privacy: keys.privacy)
        parserWarnings = assembly.warnings
        let needsTenants = configuration.filters.values.contains { $0.needsTenants }
        for index in plans.indices {
            plans[index].generation = generation
            plans[index].needsTenants = needsTenants
        }
        self.plans = plans
        materials = Setup.hash(configuration)
    }

    /// Finds the parsers too, and throws all mistakes in them in sentences.
    init(
        _ configuration: AgentConfiguration, generation: UInt64 = 0
    ) throws(PipelineError) {
        let problems = ConfigurationProblems()
        let assembly = Assembly(configuration, problems: problems)
        guard problems.isEmpty else {
            let sentences = problems.list.map(\.description).joined(separator: "\n")
            throw .stage(sentences, exit: .configuration)
        }
        try self.init(configuration, assembly, generation: generation)
    }

    private static func hash(_ configuration: AgentConfiguration) -> [String: Digest] {
        let nodes = Array(configuration.sinkNodes.values) + configuration.inputs.map(\.node)
        var materials: [String: Digest] = [:]
        for path in Set(nodes.flatMap(\.namedFiles)) {
            // What cannot be read is said by the one who needs it.
            guard let bytes = try? FileSystem.read(path, byteLimit: materialByteLimit) else {
                continue
            }
            materials[path] = SHA256.digest(bytes.span)
        }
        return materials
    }

    /// What the files named by a block hold.
    func materials(of node: ConfigurationNode) -> [String: Digest] {
        materials.filter { node.namedFiles.contains($0.key) }
    }

    /// True when the configuration names this input.
    func names(input: String) -> Bool { configuration.inputs.contains { $0.id == input } }

    /// What begins a record of this input, where its parsers join lines.
    func recordStarts(of input: String) -> [String?] {
        plans.first { $0.id == input }?.recordStarts ?? []
    }

    /// What streams are signed with and who gets their events.
    var terms: StreamTerms {
        StreamTerms(
            key: keys.signing,
            sinks: configuration.sinks.map { (id: $0.id, filter: configuration.filters[$0.id]) })
    }
}
