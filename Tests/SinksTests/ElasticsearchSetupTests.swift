// SPDX-License-Identifier: Apache-2.0
import Platform
import TestSupport
import Testing

@testable import Sinks

@Suite struct ElasticsearchSetupTests {
    private func folder(_ templates: [String: String]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for endpoint in ["_component_template", "_index_template"] {
            try FileSystem.createFolders("\(folder.path)/\(endpoint)", permissions: 0o700)
        }
        for (path, text) in templates {
            try FileSystem.write("\(folder.path)/\(path)", Array(text.utf8).span)
        }
        return folder
    }

    private func setup(
        _ endpoint: String, _ folder: TemporaryFolder, _ more: String = "auth: {api_key: k3y}"
    ) throws -> ElasticsearchSetup {
        let (read, problems) = Samples.configuration(
            "{id: siem, type: elasticsearch, endpoint: '\(endpoint)', \(more)}")
        #expect(problems == [])
        return try ElasticsearchSetup(try #require(read), folder: folder.path)
    }

    private static let templates = [
        "_component_template/b@settings.json": "{\"b\":1}",
        "_component_template/a@mappings.json": "{\"a\":1}",
        "_component_template/notes.txt": "not a template",
        "_index_template/a.json": "{\"composed_of\":[]}",
    ]

    @Test func componentsAreInstalledBeforeWhatIsComposedOfThem() throws {
        let server = try FakeHTTPServer(always: .reply(200, "{\"acknowledged\":true}"))
        defer { server.stop() }
        let folder = try folder(Self.templates)
        var installed: [String] = []
        try setup(server.endpoint, folder).install { installed.append($0.path) }
        let paths = [
            "/_component_template/a@mappings", "/_component_template/b@settings",
            "/_index_template/a",
        ]
        #expect(installed == paths)
        #expect(server.requests.map(\.path) == paths)
        for request in server.requests {
            #expect(request.method == "PUT")
            #expect(request.headers["content-type"] == "application/json")
            #expect(request.headers["authorization"] == "ApiKey k3y")
        }
        #expect(server.requests.first?.body == Array("{\"a\":1}".utf8))
    }

    @Test func theFirstRefusalEndsItAndSaysWhatTheClusterSaid() throws {
        let server = try FakeHTTPServer { _, number in
            number == 0
                ? .reply(200, "{\"acknowledged\":true}")
                : .reply(400, "{\"error\":{\"reason\":\"no such setting\"}}")
        }
        defer { server.stop() }
        let folder = try folder(Self.templates)
        let setup = try setup(server.endpoint, folder)
        let error = #expect(throws: SinkError.self) { try setup.install { _ in } }
        let sentence = try #require(error).sentence
        #expect(sentence.contains("PUT /_component_template/b@settings: HTTP 400"))
        #expect(sentence.contains("no such setting"))
        #expect(server.requests.count == 2)
    }

    @Test func aKeyThatMayNotInstallIsToldWhatItLacks() throws {
        let server = try FakeHTTPServer(always: .reply(403, "{}"))
        defer { server.stop() }
        let folder = try folder(Self.templates)
        let setup = try setup(server.endpoint, folder)
        let error = #expect(throws: SinkError.self) { try setup.install { _ in } }
        let sentence = try #require(error).sentence
        #expect(sentence.contains("manage_index_templates"))
        #expect(!sentence.contains("k3y"))
    }

    @Test(arguments: [
        ("format: canonical", "format: the templates are for ecs"),
        ("index: audit", "index: the templates are for logs-oauth.audit-*, is audit"),
    ])
    func aSinkThatTheTemplatesAreNotForIsRefused(more: String, sentence: String) throws {
        let folder = try folder(Self.templates)
        let error = #expect(throws: SinkError.self) {
            _ = try setup("http://127.0.0.1:9", folder, more)
        }
        #expect(try #require(error).sentence.contains(sentence))
    }

    @Test func aFolderWithoutTemplatesIsSaid() throws {
        let empty = try folder([:])
        let error = #expect(throws: SinkError.self) { _ = try setup("http://127.0.0.1:9", empty) }
        #expect(try #require(error).sentence.contains("has no templates; --templates DIR"))
        let bare = try TemporaryFolder()
        let other = #expect(throws: SinkError.self) { _ = try setup("http://127.0.0.1:9", bare) }
        #expect(try #require(other).sentence.contains("--templates DIR says where"))
    }
}
