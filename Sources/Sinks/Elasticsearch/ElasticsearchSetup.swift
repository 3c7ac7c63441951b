// SPDX-License-Identifier: Apache-2.0
import Platform

/// Installs the templates that a cluster needs before the first document comes.
///
/// A template is a file; its folder is the endpoint that takes it, its name is the template's:
/// `_component_template/NAME.json`, `_index_template/NAME.json`. Installing twice changes nothing.
public struct ElasticsearchSetup: Sendable {
    /// One template.
    public struct Template: Sendable {
        /// The file it was read from.
        public let file: String
        /// The path of the request that installs it.
        public let path: String
        let body: [UInt8]

        /// How long the body of the request is.
        public var byteCount: Int { body.count }
    }

    /// Where the package puts the templates.
    public static let systemFolder = "/usr/share/sealtail/elasticsearch"
    /// The longest template.
    static let templateByteLimit = 1 << 20
    /// What the names of the data streams begin with that the templates are for.
    static let streamPrefix = "logs-oauth.audit-"
    // An index template is refused while a component template that it names is not there.
    private static let endpoints = ["_component_template", "_index_template"]

    /// The templates in the order in which they are installed.
    public let templates: [Template]
    /// The data stream that the sink writes to.
    public let stream: String
    private let sink: String
    private let http: HTTPOptions

    /// Reads the templates in `folder` for a sink; nothing is connected yet.
    ///
    /// Throws when the sink is of another type, writes another format or to an index that the
    /// templates are not for, and when there is no template that can be read.
    public init(_ configuration: SinkConfiguration, folder: String) throws(SinkError) {
        sink = configuration.id
        guard let options = configuration.options as? ElasticsearchOptions else {
            throw SinkError(sink: sink, "type: must be elasticsearch, is \(configuration.type)")
        }
        guard configuration.format == .ecs else {
            throw SinkError(
                sink: sink,
                "format: the templates are for ecs, is \(configuration.format.rawValue); "
                    + "set format: ecs")
        }
        guard options.index.hasPrefix(ElasticsearchSetup.streamPrefix) else {
            throw SinkError(
                sink: sink,
                "index: the templates are for \(ElasticsearchSetup.streamPrefix)*, is "
                    + "\(options.index); name it like that, or install templates of your own")
        }
        http = options.http
        stream = options.index
        do throws(SystemError) {
            templates = try ElasticsearchSetup.read(folder)
        } catch {
            throw SinkError(
                sink: sink, "the templates cannot be read; --templates DIR says where: \(error)")
        }
        guard !templates.isEmpty else {
            throw SinkError(
                sink: sink, "\(folder) has no templates; --templates DIR says where they are")
        }
    }

    private static func read(_ folder: String) throws(SystemError) -> [Template] {
        var found: [Template] = []
        for endpoint in endpoints {
            let place = "\(folder)/\(endpoint)"
            for name in try FileSystem.names(in: place).sorted() where name.hasSuffix(".json") {
                let file = "\(place)/\(name)"
                let body = try FileSystem.read(file, byteLimit: templateByteLimit)
                found.append(
                    Template(
                        file: file, path: "/\(endpoint)/\(name.dropLast(5))", body: body))
            }
        }
        return found
    }

    /// Puts one template after the other and says of each that it is there.
    ///
    /// Throws what the cluster says about the first one that it does not take; those after it were
    /// not tried.
    public func install(_ installed: (Template) -> Void) throws(SinkError) {
        let headers = ["Content-Type: application/json", "Accept: application/json"]
        let client = try HTTPClient(sink: sink, http, headers: headers, inFlight: 1)
        defer { client.close() }
        for template in templates {
            client.start(HTTPRequest(.put, template.path), template.body.span, ticket: 0)
            if let refusal = answer(client) {
                throw SinkError(sink: sink, "PUT \(template.path): \(refusal)")
            }
            installed(template)
        }
    }

    private func answer(_ client: HTTPClient) -> String? {
        while client.runningCount > 0 {
            for (_, result) in client.finished(waitingAtMost: HTTPLimit.exchangeTime) {
                switch result {
                case .failure(let error):
                    return error.sentence
                case .success(let answer) where answer.status == 401 || answer.status == 403:
                    return answer.sentence
                        + "; installing needs the cluster privilege manage_index_templates, which "
                        + "a sink's own key need not have: use a configuration with another auth"
                case .success(let answer):
                    return (200...299).contains(answer.status) ? nil : answer.sentence
                }
            }
        }
        return "no answer"
    }
}
