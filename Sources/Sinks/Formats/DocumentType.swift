// SPDX-License-Identifier: Apache-2.0
import Events

/// Of what kind a value is, for those who make an index or a table of documents.
enum DocumentType: String, Sendable {
    case text, word, integer, boolean, time, set, map
    /// An array of objects.
    case objects

    /// What a field of the canonical event holds.
    init(_ field: Field) {
        switch field.entry.kind {
        case .text: self = .text
        case .word: self = .word
        case .integer: self = .integer
        case .boolean: self = .boolean
        case .time: self = .time
        case .set: self = .set
        case .map: self = .map
        }
    }

    /// What some JSON is.
    private init(json: String) {
        switch json.first {
        case "[": self = .set
        case "{": self = .map
        case "\"": self = .word
        case "t", "f": self = .boolean
        default: self = .integer
        }
    }

    /// What a member holds that is made of a field, or of none.
    init(_ form: DocumentForm, of field: Field?) {
        switch form {
        case .copy: self = field.map { DocumentType($0) } ?? .map
        case .constant(let value): self = DocumentType(json: value)
        case .byAction(let make): self = DocumentType(json: make(ActionEntry.table[0]))
        case .byOutcome(let make): self = DocumentType(json: make(.success))
        case .bySeverity(let make): self = DocumentType(json: make(.info))
        case .translated(let words, _):
            self = words.first.map { DocumentType(json: "\($0.1)") } ?? .word
        case .gathered, .pairs: self = .set
        case .pseudonym, .first, .signedBytes, .leaf: self = .text
        case .milliseconds, .sequence: self = .integer
        case .identifiers, .factors: self = .objects
        case .integrity: self = .map
        }
    }
}

extension DocumentOutline {
    /// Every path that a sealed document of a model can have, each once, in order.
    static func paths(of model: DocumentModel) -> [(path: String, type: DocumentType)] {
        var found: [(path: String, type: DocumentType)] = []
        var known: Set<String> = []
        func add(_ path: String, _ type: DocumentType) {
            if known.insert(path).inserted { found.append((path, type)) }
        }
        let classes: [OCSFClass?] = model.classes.isEmpty ? [nil] : model.classes
        for entry in classes.flatMap({ DocumentOutline(model, $0).entries }) {
            let path = (entry.container + [entry.name]).joined(separator: ".")
            if case .integrity = entry.member.form {
                add(path + ".stream", .text)
                add(path + ".seq", .integer)
                add(path + ".proof", .text)
            } else if let group = entry.group {
                for field in Field.allCases
                where field.path.hasPrefix("\(group).") {
                    add(path + "." + String(describing: field.entry.key), DocumentType(field))
                }
            } else {
                add(path, DocumentType(entry.member.form, of: entry.fields.first))
            }
        }
        return found
    }
}
