// SPDX-License-Identifier: Apache-2.0

/// The table of which sink keeps which clause, and how.
enum SinkContractPage {
    /// The table and the remarks under it, as Markdown.
    static func text(_ rows: [SinkContractRow]) -> String {
        var remarks: [String] = []
        func cell(_ term: SinkContractRow.Term?) -> String {
            let (word, remark): (String, String?) =
                switch term {
                case nil: ("yes", nil)
                case .kept(let remark): ("yes", remark)
                case .absent(let remark): ("no such thing", remark)
                }
            guard let remark else { return word }
            let number = remarks.firstIndex(of: remark) ?? remarks.count
            if number == remarks.count { remarks.append(remark) }
            return "\(word) (\(number + 1))"
        }
        let headings = ["sink"] + SinkClause.allCases.map(\.heading)
        var lines = [headings, headings.map { _ in "---" }]
        for row in rows {
            lines.append([row.name] + SinkClause.allCases.map { cell(row.terms[$0]) })
        }
        let table = lines.map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
        let list = remarks.enumerated().map { "\($0.offset + 1). \($0.element)\n" }.joined()
        return "\n\(table)\n\(list)\n"
    }
}
