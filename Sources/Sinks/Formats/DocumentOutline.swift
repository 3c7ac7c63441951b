// SPDX-License-Identifier: Apache-2.0
import Events

/// The members of one class of documents in the order in which they are written.
///
/// The members of an object stand together, whatever the order of the rows they come from.
struct DocumentOutline {
    /// One member.
    struct Entry {
        let member: DocumentMember
        /// The objects it stands in, and its name there.
        let container: [String]
        let name: String
        /// The fields that it is made of; empty for a constant and for a group.
        var fields: [Field]
        /// The group that it is made of.
        var group: BodyGroup?

        /// Where `BodyFields` keeps the values that it is made of.
        var values: [Int] {
            group.map { [BodyFields.index(of: $0)] } ?? fields.map { Int($0.rawValue) }
        }
    }

    private(set) var entries: [Entry] = []
    private var nodes = [Node(name: "")]

    private struct Node {
        let name: String
        var children: [Int] = []
        var entries: [Entry] = []
    }

    /// Gathers the members of a model, or of one class of a model that has classes.
    init(_ model: DocumentModel, _ ocsfClass: OCSFClass?) {
        func isWanted(_ member: DocumentMember) -> Bool {
            ocsfClass.map { member.classes.contains($0) } ?? true
        }
        for place in model.head {
            switch place {
            case .path(let path): _ = node(path)
            case .member(let member): if isWanted(member) { add(member, nil) }
            }
        }
        for row in FieldMapping.table {
            for member in model.members(row) where isWanted(member) { add(member, row.field) }
        }
        for member in model.tail where isWanted(member) { add(member, nil) }
        for group in BodyGroup.allCases { copyWhole(group) }
        write(0)
    }

    private mutating func add(_ member: DocumentMember, _ field: Field?) {
        let node = node(member.path)
        switch member.form {
        case .gathered, .pseudonym:
            // One member made of several fields, each of which names it.
            let same = nodes[node].entries.firstIndex {
                $0.member.needs == member.needs && $0.member.excludes == member.excludes
                    && $0.member.without == member.without
            }
            if let same, let field {
                nodes[node].entries[same].fields.append(field)
                return
            }
        default: break
        }
        let parts = member.path.split(separator: ".").map { String($0) }
        nodes[node].entries.append(
            Entry(
                member: member, container: parts.dropLast(), name: parts[parts.count - 1],
                fields: field.map { [$0] } ?? []))
    }

    /// The node of a path, made where it is missing.
    private mutating func node(_ path: String) -> Int {
        path.split(separator: ".").reduce(0) { parent, part in
            if let known = nodes[parent].children.first(where: { nodes[$0].name == part }) {
                return known
            }
            nodes.append(Node(name: String(part)))
            nodes[parent].children.append(nodes.count - 1)
            return nodes.count - 1
        }
    }

    /// Copies a group in one piece where all its fields keep their names under one path.
    private mutating func copyWhole(_ group: BodyGroup) {
        let name = String(describing: group)
        let fields = Field.allCases.filter {
            $0.entry.group.map { String(describing: $0) } == name
        }
        for parent in nodes.indices {
            let found = fields.compactMap { copy(of: $0, in: parent) }
            guard found.count == fields.count, let first = found.first,
                found.allSatisfy({ isAlike($0, first) })
            else { continue }
            let model = nodes[first.node].entries[first.entry]
            for place in found.reversed() { nodes[place.node].entries.remove(at: place.entry) }
            nodes[parent].entries.append(
                Entry(
                    member: model.member, container: model.container.dropLast(),
                    name: nodes[parent].name, fields: [], group: group))
        }
    }

    private func copy(of field: Field, in parent: Int) -> (node: Int, entry: Int)? {
        let key = String(describing: field.entry.key)
        guard let node = nodes[parent].children.first(where: { nodes[$0].name == key }),
            let entry = nodes[node].entries.firstIndex(where: {
                guard case .copy = $0.member.form else { return false }
                return $0.fields == [field]
            })
        else { return nil }
        return (node, entry)
    }

    private func isAlike(
        _ left: (node: Int, entry: Int), _ right: (node: Int, entry: Int)
    ) -> Bool {
        let left = nodes[left.node].entries[left.entry].member
        let right = nodes[right.node].entries[right.entry].member
        return left.needs == right.needs && left.excludes == right.excludes
            && left.without == right.without
    }

    private mutating func write(_ node: Int) {
        entries += nodes[node].entries
        for child in nodes[node].children { write(child) }
    }
}
