// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

@testable import Sinks

/// What holds for the documents of every model.
@Suite struct DocumentMappingTests {
    enum Model: String, CaseIterable, Sendable {
        case ecs, ocsf

        func rendering() -> DocumentRendering {
            switch self {
            case .ecs: .ecs()
            case .ocsf: .ocsf()
            }
        }

        func comparer() -> DocumentComparer {
            switch self {
            case .ecs: .ecs()
            case .ocsf: .ocsf()
            }
        }

        var carrier: String {
            switch self {
            case .ecs: "event.original"
            case .ocsf: "unmapped.signed_event"
            }
        }
    }

    /// Bodies of all actions with all kinds of actors and targets, full ones and sparse ones.
    static let bodies: [String] = {
        var numbers = SeededNumbers(seed: 20_261_121)
        let required: Set<Field> = [
            .action, .id, .observed, .outcome, .severity, .time, .schema, .providerVendor,
            .providerProduct,
        ]
        return Action.allCases.flatMap { action in
            (0..<2).map { round in
                let target = Field.targetType.entry.words.randomElement(using: &numbers) ?? "user"
                let actor = Field.actorType.entry.words.randomElement(using: &numbers) ?? "user"
                let left = Field.allCases.filter { field in
                    round > 0 && !required.contains(field)
                        && Bool.random(using: &numbers)
                }
                return Samples.full(
                    action: action.name, target: "\(target)", actor: "\(actor)",
                    leavingOut: Set(left))
            }
        }
    }()

    static let oneOfEachClass = OCSFClass.allCases.compactMap { wanted in
        Action.allCases.first { $0.entry.ocsfClass == wanted }
    }

    @Test func everyFieldHasOneRow() {
        #expect(FieldMapping.table.map(\.field).sorted() == Field.allCases)
        for row in FieldMapping.table { #expect(!row.meaning.isEmpty) }
    }

    /// A member that stands twice would be told apart by nobody.
    @Test(arguments: Model.allCases)
    func everyDocumentIsSoundAndHasEachMemberOnce(model: Model) throws {
        var rendering = model.rendering()
        let batch = Samples.batch(Self.bodies, first: 7)
        for (index, body) in Self.bodies.enumerated() {
            var output = ByteWriter()
            #expect(rendering.append(batch, event: index, to: &output), "\(body)")
            let bytes = output.makeArray()
            let document = try JSONDocument(reading: bytes)
            let isValid = UTF8Repair.isValid(bytes.span)
            #expect(isValid && !bytes.contains(0x0A))
            #expect(Self.hasEachMemberOnce(document), "\(output.makeString())")
            #expect(document.value(at: model.carrier)?.string == body)
        }
    }

    private static func hasEachMemberOnce(_ document: JSONDocument) -> Bool {
        switch document {
        case .object(let members):
            !members.isEmpty && Set(members.map(\.key)).count == members.count
                && members.allSatisfy { hasEachMemberOnce($0.value) }
        case .array(let elements):
            !elements.isEmpty && elements.allSatisfy(hasEachMemberOnce)
        case .string(let text): !text.isEmpty
        case .integer, .number, .bool: true
        case .null: false
        }
    }

    /// What the document says can be looked up: each value of the event stands somewhere in it.
    @Test func nothingIsLostOnTheWayToOCSF() throws {
        let only: Set<String> = ["schema", "raw", "agent", "origin", "severity", "outcome"]
        var rendering = DocumentRendering.ocsf()
        for body in Self.bodies {
            var output = ByteWriter()
            #expect(rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output))
            let document = try JSONDocument(reading: output.makeArray())
            let said = Set(Self.leaves(document, without: "signed_event"))
            for member in try JSONDocument(reading: Array(body.utf8)).members ?? []
            where !only.contains(member.key) && member.key != "labels" {
                for (key, value) in Self.named(member) where !Self.mayBeLost(key, in: document) {
                    #expect(Self.leaves(value, without: "").allSatisfy(said.contains), "\(key)")
                }
            }
        }
    }

    // Types become numbers and moments milliseconds; the host has no place in some classes, and
    // a set of members only for the first.
    private static func mayBeLost(_ key: String, in document: JSONDocument) -> Bool {
        ["actor.type", "target.type", "observed", "token.expires"].contains(key)
            || key == "provider.host" && document["dst_endpoint"] == nil
            || key == "target.email"
    }

    private static func named(_ member: JSONDocument.Member) -> [(String, JSONDocument)] {
        guard let members = member.value.members else { return [(member.key, member.value)] }
        return members.map { ("\(member.key).\($0.key)", $0.value) }
    }

    private static func leaves(_ document: JSONDocument, without: String) -> [JSONDocument] {
        switch document {
        case .object(let members):
            members.filter { $0.key != without }.flatMap { leaves($0.value, without: without) }
        case .array(let elements): elements.flatMap { leaves($0, without: without) }
        default: [document]
        }
    }

    // MARK: Verification

    @Test(arguments: Model.allCases)
    func everyMemberThatIsAlteredMissingOrAddedIsNamed(model: Model) throws {
        var rendering = model.rendering()
        let comparer = model.comparer()
        let actions = model == .ecs ? [.loginFailed] : Self.oneOfEachClass
        let bodies = actions.map {
            Samples.full(action: $0.name, target: "policy", actor: "user")
        }
        let batch = Samples.batch(bodies, first: 7)
        var changedCount = 0
        for (index, body) in bodies.enumerated() {
            var output = ByteWriter()
            #expect(rendering.append(batch, event: index, to: &output))
            let document = try JSONDocument(reading: output.makeArray())
            func differences(_ changed: JSONDocument) -> [String] {
                let found = comparer.compare(
                    document: Array(changed.text.utf8).span, signedBytes: Array(body.utf8).span)
                guard case .compared(let list) = found else { return ["\(found)"] }
                return list.map(\.description)
            }
            #expect(differences(document) == [])
            for path in document.paths where !Self.isVouchedFor(path.joined(separator: ".")) {
                let name = path.joined(separator: ".")
                changedCount += 1
                #expect(differences(document.removing(path)) == ["\(name): missing"])
                let altered = differences(document.altering(path))
                if name == "oauth.mapping" || name == "unmapped.mapping" {
                    #expect(altered.first?.hasPrefix("notCompared") == true)
                } else {
                    #expect(altered == ["\(name): altered"])
                }
                if changedCount % 7 > 0 { continue }
                var inside = path
                inside[inside.count - 1] += "_x"
                let added = inside.joined(separator: ".")
                #expect(
                    differences(document.adding(inside, .bool(true)))
                        == ["\(added): added, unsigned"])
            }
        }
        #expect(changedCount > (model == .ecs ? 60 : 400))
    }

    // The seal vouches for these, and the stream of data is where the document went.
    private static func isVouchedFor(_ path: String) -> Bool {
        path.hasPrefix("integrity.") || path.hasPrefix("unmapped.integrity.")
            || path.hasPrefix("data_stream.")
    }

    // MARK: Hostile texts

    @Test(arguments: Model.allCases)
    func hostileTextsStandInDocumentsAsTheyWere(model: Model) throws {
        let texts = [
            #"\"},\"class_uid\":1,{\""#, #"\\"#, #"\\\""#, #"\u0000\u001f"#, "\u{7F}\u{85}\u{2028}",
            "]}}", "🙂é", #"a@b.c\"d"#, "${jndi:ldap://192.0.2.1}", "h1:\u{202E}",
        ]
        var rendering = model.rendering()
        for text in texts {
            for action in Self.oneOfEachClass {
                let body = Samples.full(action: action.name, target: "user", actor: "user")
                    .split(separator: "actor.", omittingEmptySubsequences: false)
                    .joined(separator: text)
                    .split(separator: "target.", omittingEmptySubsequences: false)
                    .joined(separator: text)
                    .split(separator: "{\"k\":\"v\"}", omittingEmptySubsequences: false)
                    .joined(separator: "{\"\(text)\":\"\(text)\"}")
                    .split(separator: "change.", omittingEmptySubsequences: false)
                    .joined(separator: text)
                var output = ByteWriter()
                #expect(
                    rendering.append(body: Array(body.utf8).span, leaf: .zero, to: &output),
                    "\(body)")
                let bytes = output.makeArray()
                let document = try JSONDocument(reading: bytes)
                #expect(document.value(at: model.carrier)?.string == body)
                let isValid = UTF8Repair.isValid(bytes.span)
                #expect(isValid)
                #expect(Self.hasEachMemberOnce(document))
            }
        }
    }

    @Test(arguments: Model.allCases)
    func aBodyCutOrChangedAnywhereMakesSoundJSONOrNothing(model: Model) throws {
        var rendering = model.rendering()
        var output = ByteWriter()
        var numbers = SeededNumbers(seed: 7)
        let bytes = Array("\n\",\\]}0[{:t".utf8)
        for body in Self.bodies {
            var changed = Array(body.utf8)
            for _ in 0..<8 {
                let at = Int.random(in: changed.indices, using: &numbers)
                let before = changed[at]
                changed[at] = bytes.randomElement(using: &numbers) ?? 0
                output.removeAll()
                if rendering.append(body: changed.span, leaf: .zero, to: &output) {
                    _ = try JSONDocument(reading: output.makeArray())
                } else {
                    #expect(output.count == 0)
                }
                changed[at] = before
            }
        }
    }

    // A value of another kind than its field has cannot come from this agent, and is sound yet.
    @Test(arguments: Model.allCases)
    func valuesOfOtherKindsMakeSoundJSON(model: Model) throws {
        var rendering = model.rendering()
        let values = ["true", "-7", "[\"a\",\"b\"]", "{\"k\":\"v\",\"n\":[\"x\"]}", "\"w\""]
        for action in Self.oneOfEachClass {
            let body = Samples.full(action: action.name, target: "user", actor: "user")
            for (index, field) in Field.allCases.enumerated() where field.entry.kind != .time {
                let key = "\"\(field.entry.key)\":"
                let parts = body.split(separator: key, maxSplits: 1)
                guard parts.count == 2, let end = parts[1].firstIndex(of: ",") else { continue }
                let value = values[(index + Int(action.rawValue)) % values.count]
                let changed = Array((parts[0] + key + value + parts[1][end...]).utf8)
                var output = ByteWriter()
                guard rendering.append(body: changed.span, leaf: .zero, to: &output) else {
                    continue
                }
                _ = try JSONDocument(reading: output.makeArray())
            }
        }
    }

    // MARK: Documentation

    @Test func thePagesOfTheSchemaAreMadeFromTheTables() throws {
        let root = FileSystem.folder(of: FileSystem.folder(of: FileSystem.folder(of: #filePath)))
        let page = SchemaPage()
        for (name, made) in [("schema.md", page.markdown), ("schema.json", page.json)] {
            let written = try FileSystem.read(root + "/docs/" + name, byteLimit: 1 << 20)
            #expect(String(decoding: written, as: UTF8.self) == made, "run make schema")
        }
        #expect(try JSONDocument(reading: Array(page.json.utf8))["fields"]?.array?.count == 81)
    }
}

extension JSONDocument {
    /// The paths of all members that are no objects.
    fileprivate var paths: [[String]] {
        guard let members else { return [] }
        return members.flatMap { member in
            member.value.members == nil
                ? [[member.key]] : member.value.paths.map { [member.key] + $0 }
        }
    }

    fileprivate func removing(_ path: [String]) -> JSONDocument {
        changing(path[...]) { _ in nil }
    }

    fileprivate func altering(_ path: [String]) -> JSONDocument {
        changing(path[...]) { $0.map(JSONDocument.other) }
    }

    fileprivate func adding(_ path: [String], _ value: JSONDocument) -> JSONDocument {
        changing(path[...]) { _ in value }
    }

    private func changing(
        _ path: ArraySlice<String>, _ change: (JSONDocument?) -> JSONDocument?
    ) -> JSONDocument {
        guard case .object(var members) = self, let key = path.first else { return self }
        let at = members.firstIndex { $0.key == key }
        let old = at.map { members[$0].value }
        let new = path.count == 1 ? change(old) : old?.changing(path.dropFirst(), change)
        if let at { members.remove(at: at) }
        if let new, !(new.members?.isEmpty ?? false) {
            members.append(Member(key: key, value: new))
        }
        return .object(members)
    }

    private static func other(_ value: JSONDocument) -> JSONDocument {
        switch value {
        case .string(let text): .string(text + "x")
        case .integer(let number): .integer(number + 1)
        case .number(let text): .number("1" + text)
        case .bool(let truth): .bool(!truth)
        case .array(let elements):
            .array(elements.dropLast() + [elements.last.map(other) ?? .null])
        case .object(let members):
            .object(members.map { Member(key: $0.key, value: other($0.value)) })
        case .null: .bool(false)
        }
    }

    fileprivate var text: String {
        switch self {
        case .object(let members):
            "{"
                + members.map { JSONDocument.quoted($0.key) + ":" + $0.value.text }
                .joined(separator: ",") + "}"
        case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
        case .string(let text): JSONDocument.quoted(text)
        case .integer(let number): "\(number)"
        case .number(let text): text
        case .bool(let truth): "\(truth)"
        case .null: "null"
        }
    }

    private static func quoted(_ text: String) -> String {
        var writer = ByteWriter()
        writer.append(jsonString: text)
        return writer.makeString()
    }
}
