// SPDX-License-Identifier: Apache-2.0

/// A source file as the rules read it: every line as written, and every line with nothing but
/// its code, so that a word in a comment or a text is not taken for code.
struct SourceFile {
    /// The path from the root of the repository.
    let path: String
    /// The lines as written.
    let lines: [String]
    /// The same lines; comments are gone and every text literal is `""`.
    let code: [String]
    /// Whether a line begins inside a text literal of several lines.
    let beginsInText: [Bool]
    /// The modules that the file imports, with the index of the line.
    let imports: [(module: String, index: Int)]

    init(_ path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var scanner = CodeScanner(text)
        scanner.scan()
        code = scanner.lines
        beginsInText = scanner.beginsInText
        imports = SourceFile.imports(scanner.lines)
    }

    /// The first folder below `Sources` or `Tests`.
    var module: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    /// The folder that holds the file.
    var folder: String {
        path.split(separator: "/").dropLast().joined(separator: "/")
    }

    /// A place as an editor understands it.
    func place(_ index: Int) -> String { "\(path):\(index + 1)" }

    private static func imports(_ code: [String]) -> [(module: String, index: Int)] {
        code.indices.compactMap { index in
            // Few lines have it, and taking a line apart is slow.
            guard code[index].contains("import") else { return nil }
            var words = code[index].split { $0 == " " || $0 == "\t" }.map(String.init)
            while let first = words.first, first != "import" {
                let isModifier = first.hasPrefix("@") || SourceFile.importModifiers.contains(first)
                guard isModifier else { return nil }
                words.removeFirst()
            }
            guard words.count >= 2 else { return nil }
            let isScoped = words.count > 2 && SourceFile.importKinds.contains(words[1])
            let name = words[isScoped ? 2 : 1]
            return (String(name.prefix { $0 != "." && $0 != ";" }), index)
        }
    }

    private static let importModifiers: Set<String> = [
        "public", "package", "internal", "fileprivate", "private",
    ]
    private static let importKinds: Set<String> = [
        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
    ]
}

/// Takes comments and texts out of Swift source. It knows nested comments, raw texts, texts of
/// several lines and interpolation; it does not know regular expression literals.
private struct CodeScanner {
    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var line = ""
    private(set) var lines: [String] = []
    private(set) var beginsInText = [false]

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    mutating func scan() {
        scanCode(endsAtParenthesis: false, isShown: true)
        lines.append(line)
    }

    private mutating func scanCode(endsAtParenthesis: Bool, isShown: Bool) {
        var depth = 0
        while index < scalars.count {
            if hasPrefix("//") {
                while index < scalars.count, scalars[index] != "\n" { index += 1 }
            } else if hasPrefix("/*") {
                skipComment()
            } else if let hashes = textStart() {
                if isShown { line += "\"\"" }
                skipText(hashes: hashes)
            } else {
                let scalar = scalars[index]
                if scalar == "(" { depth += 1 }
                if scalar == ")" {
                    depth -= 1
                    if endsAtParenthesis && depth < 0 { return }
                }
                if isShown && scalar != "\n" { line.unicodeScalars.append(scalar) }
                advance(inText: endsAtParenthesis)
            }
        }
    }

    private mutating func skipComment() {
        var depth = 0
        repeat {
            if hasPrefix("/*") {
                depth += 1
                index += 2
            } else if hasPrefix("*/") {
                depth -= 1
                index += 2
            } else {
                advance(inText: false)
            }
        } while depth > 0 && index < scalars.count
    }

    /// The number of `#` before the quotes when a text begins here.
    private func textStart() -> Int? {
        var position = index
        while position < scalars.count, scalars[position] == "#" { position += 1 }
        guard position < scalars.count, scalars[position] == "\"" else { return nil }
        return position - index
    }

    private mutating func skipText(hashes: Int) {
        index += hashes
        let hash = String(repeating: "#", count: hashes)
        let quotes = hasPrefix("\"\"\"") ? "\"\"\"" : "\""
        index += quotes.unicodeScalars.count
        while index < scalars.count {
            if hasPrefix(quotes + hash) {
                index += quotes.unicodeScalars.count + hashes
                return
            }
            if hasPrefix("\\" + hash + "(") {
                index += hashes + 2
                scanCode(endsAtParenthesis: true, isShown: false)
                index += 1
            } else if hashes == 0 && scalars[index] == "\\" {
                index += 1
                advance(inText: true)
            } else {
                advance(inText: true)
            }
        }
    }

    /// Goes on by one and keeps count of the lines.
    private mutating func advance(inText: Bool) {
        guard index < scalars.count else { return }
        if scalars[index] == "\n" {
            lines.append(line)
            beginsInText.append(inText)
            line = ""
        }
        index += 1
    }

    private func hasPrefix(_ text: String) -> Bool {
        var position = index
        for scalar in text.unicodeScalars {
            guard position < scalars.count, scalars[position] == scalar else { return false }
            position += 1
        }
        return true
    }
}
