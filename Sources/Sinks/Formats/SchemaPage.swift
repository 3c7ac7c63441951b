// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// The canonical schema and its mappings, for people and for machines that make content of it.
public struct SchemaPage {
    /// Makes the page.
    public init() {}

    // MARK: For machines

    /// One JSON object: `fields`, in the order in which people read them, and `actions`.
    ///
    /// A field has `field`, `type`, `words` where the list is closed, `description`, `ecs` and
    /// `ocsf` with the paths and the conditions of each, `cim`, `otlp` and `cef`. An action has
    /// what the models make of it. Members without content are left out. `documents` lists every
    /// path of a sealed document of each model, constants too, with the type of its value; a part
    /// `name[]` of a path is an array of objects.
    public var json: String {
        var output = ByteWriter(capacity: 64 << 10)
        output.append("{\"schema\":\"1.0\",\"ecs\":\"9.4.0\",\"ocsf\":\"1.8.0\",\"fields\":[\n")
        for (index, row) in FieldMapping.table.enumerated() {
            if index > 0 { output.append(",\n") }
            append(row, to: &output)
        }
        output.append("\n],\"actions\":[\n")
        for (index, entry) in ActionEntry.table.enumerated() {
            if index > 0 { output.append(",\n") }
            append(entry, to: &output)
        }
        output.append("\n],\"documents\":{")
        for (index, (name, model)) in [("ecs", DocumentModel.ecs()), ("ocsf", .ocsf)].enumerated() {
            output.append("\(index == 0 ? "" : ",\n")\"\(name)\":[")
            for (index, (path, type)) in DocumentOutline.paths(of: model).enumerated() {
                output.append("\(index == 0 ? "" : ",")\n{\"path\":\"\(path)\",")
                output.append("\"type\":\"\(type.rawValue)\"}")
            }
            output.append("]")
        }
        output.append("}}\n")
        return output.makeString()
    }

    private func append(_ row: FieldMapping, to output: inout ByteWriter) {
        output.append("{\"field\":")
        output.append(jsonString: row.field.path)
        output.append(",\"type\":")
        output.append(jsonString: DocumentType(row.field).rawValue)
        let words = SchemaPage.words(row.field)
        if !words.isEmpty { append("words", words, to: &output) }
        output.append(",\"description\":")
        output.append(jsonString: row.meaning)
        append("ecs", row.ecs, to: &output)
        append("ocsf", row.ocsf, to: &output)
        if !row.cim.isEmpty { append("cim", row.cim, to: &output) }
        for (name, value) in [("otlp", row.otlp), ("cef", row.cef)] {
            guard let value else { continue }
            output.append(",\"\(name)\":")
            output.append(jsonString: value)
        }
        output.append("}")
    }

    private func append(
        _ name: String, _ members: [DocumentMember], to output: inout ByteWriter
    ) {
        guard !members.isEmpty else { return }
        output.append(",\"\(name)\":[")
        for (index, member) in members.enumerated() {
            output.append(index == 0 ? "{\"path\":" : ",{\"path\":")
            output.append(jsonString: member.path)
            let conditions = SchemaPage.conditions(member)
            if !conditions.isEmpty { append("when", conditions, to: &output) }
            output.append("}")
        }
        output.append("]")
    }

    private func append(_ name: String, _ values: [String], to output: inout ByteWriter) {
        output.append(",\"\(name)\":[")
        for (index, value) in values.enumerated() {
            if index > 0 { output.append(",") }
            output.append(jsonString: value)
        }
        output.append("]")
    }

    private func append(_ entry: ActionEntry, to output: inout ByteWriter) {
        output.append("{\"action\":")
        output.append(jsonString: String(describing: entry.name))
        append("outcome", entry.outcomes.map { String(describing: $0.word) }, to: &output)
        output.append(",\"severity\":")
        output.append(jsonString: String(describing: entry.severity.word))
        output.append(",\"ecs\":{\"category\":[")
        output.append(SchemaPage.quoted(entry.ecsCategories))
        output.append("],\"type\":[")
        output.append(SchemaPage.quoted(entry.ecsTypes))
        output.append("]},\"ocsf\":{\"class_uid\":\(entry.ocsfClass.rawValue)")
        output.append(",\"activity_id\":\(entry.ocsfActivity)}")
        if let cim = entry.cim {
            output.append(",\"cim\":{\"model\":\"\(cim.name)\",\"action\":\"\(cim.action)\"}")
        }
        output.append("}")
    }

    // MARK: For people

    /// The page docs/schema.md.
    public var markdown: String {
        """
        # The canonical event

        This page is made from the tables in `Sources/Events` and `Sources/Sinks/Formats` by
        `make schema`; a test fails when it is old. `sealtail schema --json` prints the same for
        machines, as in [schema.json](schema.json).

        An event is one JSON object of fields and groups of fields, `actor.id`. Times are UTC with
        six digits of a second. Sets are sorted and hold each text once. Nothing is null or empty.
        `format: ecs` and `format: ocsf` wrap the signed bytes into a document of that model:
        `event.original` and `unmapped.signed_event` hold them, `sealtail verify` makes the rest
        again from them and names every member that differs.

        ## Fields

        \(FieldMapping.table.map(section).joined(separator: "\n"))
        ## Actions

        What happened, how it can end, how much attention it deserves unless the configuration says
        otherwise, and what the models call it.

        | action | outcome | severity | ECS category: type | OCSF class: activity | CIM |
        | --- | --- | --- | --- | --- | --- |
        \(ActionEntry.table.map(SchemaPage.row).joined(separator: "\n"))

        """
    }

    private func section(_ row: FieldMapping) -> String {
        var lines = ["### \(row.field.path)", ""]
        lines.append(
            row.meaning.prefix(1).uppercased() + row.meaning.dropFirst()
                + ". Type: \(DocumentType(row.field).rawValue).")
        let words = SchemaPage.words(row.field)
        if !words.isEmpty, row.field != .action {
            lines.append("One of \(words.map { "`\($0)`" }.joined(separator: ", ")).")
        }
        lines.append("")
        let models: [(String, [String])] = [
            ("ECS", row.ecs.map(SchemaPage.line)), ("OCSF", row.ocsf.map(SchemaPage.line)),
            ("CIM", row.cim.map { "`\($0)`" }),
            ("OpenTelemetry", row.otlp.map { ["`\($0)`"] } ?? []),
            ("CEF", row.cef.map { ["`\($0)`"] } ?? []),
        ]
        for (name, places) in models where !places.isEmpty {
            lines.append("- \(name): \(places.joined(separator: ", "))")
        }
        if models.allSatisfy({ $0.1.isEmpty }) {
            lines.append("- only in the signed bytes")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ member: DocumentMember) -> String {
        let conditions = conditions(member)
        let suffix = conditions.isEmpty ? "" : " (\(conditions.joined(separator: "; ")))"
        return "`\(member.path)`\(suffix)"
    }

    private static func row(_ entry: ActionEntry) -> String {
        let outcomes = entry.outcomes.map { "\($0.word)" }.joined(separator: ", ")
        let categories = entry.ecsCategories.map { "\($0)" }.joined(separator: ", ")
        let types = entry.ecsTypes.map { "\($0)" }.joined(separator: ", ")
        let cim = entry.cim.map { "\($0.name): \($0.action)" } ?? ""
        return "| \(entry.name) | \(outcomes) | \(entry.severity.word) "
            + "| \(categories): \(types) "
            + "| \(entry.ocsfClass.rawValue): \(entry.ocsfActivity) | \(cim) |"
    }

    // MARK: Words

    /// The closed list of a field, or nothing.
    private static func words(_ field: Field) -> [String] {
        switch field {
        case .action: Action.allCases.map(\.name)
        case .outcome: Outcome.allCases.map { "\($0.word)" }
        case .severity: Severity.allCases.map { "\($0.word)" }
        case .errorCode: ErrorCode.allCases.map { "\($0.word)" }
        default: field.entry.words.map { "\($0)" }
        }
    }

    /// When a member is there, in words.
    private static func conditions(_ member: DocumentMember) -> [String] {
        var result: [String] = []
        if member.classes.count < OCSFClass.allCases.count {
            let classes = member.classes.map { "\($0.rawValue)" }.sorted()
            result.append("in " + classes.joined(separator: ", "))
        }
        let facts = EventFact.allCases
        result += facts.filter { member.needs.contains($0) }.map { "when \($0.phrase)" }
        result += facts.filter { member.excludes.contains($0) }.map { "unless \($0.phrase)" }
        if !member.without.isEmpty {
            result.append("without " + member.without.map(\.path).joined(separator: ", "))
        }
        return result
    }

    private static func quoted(_ words: [StaticString]) -> String {
        words.map { "\"\($0)\"" }.joined(separator: ",")
    }
}
