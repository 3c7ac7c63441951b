// SPDX-License-Identifier: Apache-2.0

/// The rules a machine can check. Each returns the places that break it.
enum TidyRules {
    static let fileLineLimit = 500
    static let functionLineLimit = 70
    static let columnLimit = 100
    /// How far above unsafe code its reason may stand, in lines.
    static let reasonLineLimit = 6
    /// How far below: the reason may be inside the closure, with the call that needs it.
    static let reasonLineLimitInside = 3

    /// The floors from below. A file may import only from floors below its own.
    static let floors: [[String]] = [
        ["Platform"], ["Events"], ["Inputs", "Parsing", "Sealing", "Ledger", "Sinks"],
        ["Pipeline"], ["sealtail"],
    ]

    /// What comes with the toolchain and may be imported everywhere. Foundation may not.
    static let toolchain: Set<String> = ["Swift", "Synchronization"]

    // MARK: - Imports

    static func importsThatDoNotGoDown(
        _ files: [SourceFile], cLibraries: Set<String>
    ) -> [String] {
        files.flatMap { file -> [String] in
            let ownsLibrary = file.imports.contains { cLibraries.contains($0.module) }
            return file.imports.compactMap { (module, index) -> String? in
                if cLibraries.contains(module) || toolchain.contains(module) { return nil }
                // The types of C come with it, as the socket addresses of a library.
                if module == "Glibc" && (file.module == "Platform" || ownsLibrary) { return nil }
                let own = floors.firstIndex { $0.contains(file.module) }
                let other = floors.firstIndex { $0.contains(module) }
                if let own, let other, other < own { return nil }
                return "\(file.place(index)) imports \(module)"
            }
        }
    }

    /// No library, but the calls into the kernel that Swift cannot see; one module may use it
    /// wherever it needs to.
    static let kernelCalls = "CLinux"

    /// A C library belongs to one file, or to the files of one folder inside a module.
    static func cLibrariesWithoutOneOwner(
        _ files: [SourceFile], cLibraries: Set<String>
    ) -> [String] {
        cLibraries.sorted().compactMap { library in
            let owners = files.filter { $0.imports.contains { $0.module == library } }
            if owners.isEmpty { return "\(library) is imported by nobody" }
            let folders = Set(owners.map(\.folder))
            let isPart = folders.count == 1 && folders.allSatisfy(isInsideModule)
            if owners.count == 1 || isPart { return nil }
            if library == kernelCalls && Set(owners.map(\.module)).count == 1 { return nil }
            let names = owners.map(\.path).sorted().joined(separator: ", ")
            return "\(library) is imported by \(names)"
        }
    }

    /// True for a folder inside a module, false for the module's own folder.
    private static func isInsideModule(_ folder: String) -> Bool {
        folder.split(separator: "/").count > 2
    }

    // MARK: - Size and form

    static func filesWithoutLicence(_ files: [SourceFile]) -> [String] {
        files.filter { $0.lines.first != "// SPDX-License-Identifier: Apache-2.0" }.map(\.path)
    }

    static func filesTooLong(_ files: [SourceFile]) -> [String] {
        files.compactMap { file in
            let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
            return count > fileLineLimit ? "\(file.path) has \(count) lines" : nil
        }
    }

    /// A line inside a text of several lines may be as long as the text needs.
    static func linesTooLong(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.lines.indices.compactMap { index in
                let count = file.lines[index].unicodeScalars.count
                guard count > columnLimit, !file.beginsInText[index] else { return nil }
                return "\(file.place(index)) has \(count) columns"
            }
        }
    }

    static func functionsTooLong(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.code.indices.compactMap { index in
                guard isFunction(file.code[index]),
                    let end = bodyEnd(file.code, from: index),
                    end - index + 1 > functionLineLimit
                else { return nil }
                return "\(file.place(index)) has \(end - index + 1) lines"
            }
        }
    }

    static func isFunction(_ code: String) -> Bool {
        let words = words(code)
        if words.contains("func") { return true }
        let starts = ["init", "deinit", "subscript"]
        let head = code.drop { $0 == " " }.prefix { $0 != "(" && $0 != "{" && $0 != "<" }
        guard let last = head.split(separator: " ").last else { return false }
        return starts.contains(last.hasSuffix("?") ? String(last.dropLast()) : String(last))
            && !head.contains("=") && !head.contains(".")
    }

    /// The line with the brace that closes the first one at or after a line. Nil when there is
    /// none before the declaration ends, as in a protocol.
    private static func bodyEnd(_ code: [String], from start: Int) -> Int? {
        var braces = 0
        var parentheses = 0
        for index in start..<code.count {
            for byte in code[index].utf8 {
                switch byte {
                case UInt8(ascii: "("): parentheses += 1
                case UInt8(ascii: ")"): parentheses -= 1
                case UInt8(ascii: "{"): braces += 1
                case UInt8(ascii: "}"):
                    braces -= 1
                    if braces == 0 && parentheses == 0 { return index }
                    if braces < 0 { return nil }
                default: continue
                }
            }
            let ends = code[index].allSatisfy { $0 == " " }
            if braces == 0 && parentheses == 0 && ends { return nil }
        }
        return nil
    }

    // MARK: - Comments and names

    static func publicWithoutDocumentation(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.code.indices.compactMap { index in
                guard isPublic(file.code[index]) else { return nil }
                var above = index - 1
                while above >= 0, isBetween(file.lines[above]) { above -= 1 }
                let isDocumented = above >= 0 && trimmed(file.lines[above]).hasPrefix("///")
                return isDocumented ? nil : file.place(index)
            }
        }
    }

    private static func isPublic(_ code: String) -> Bool {
        let words = words(code)
        guard let keyword = words.firstIndex(where: { declarations.contains($0) }) else {
            return false
        }
        let modifiers = words[..<keyword]
        return (modifiers.contains("public") || modifiers.contains("open"))
            && !modifiers.contains("override") && !modifiers.contains("import")
    }

    /// What may stand between a declaration and what documents it: an attribute, or the reason
    /// why it is safe.
    private static func isBetween(_ line: String) -> Bool {
        let line = trimmed(line)
        return line.hasPrefix("@") || line.hasPrefix("//") && !line.hasPrefix("///")
    }

    private static func trimmed(_ line: String) -> Substring { line.drop { $0 == " " } }

    private static let declarations: Set<String> = [
        "actor", "associatedtype", "class", "enum", "func", "init", "let", "macro", "protocol",
        "struct", "subscript", "typealias", "var",
    ]

    // Spelled in halves, so that this file does not break its own rule.
    private static let wordsForLater = Set(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
    private static let emptyNames = ["Mana" + "ger", "Help" + "er", "Ut" + "il"]

    static func bannedWords(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.lines.indices.compactMap { index in
                let word = words(file.lines[index]).first { wordsForLater.contains($0) }
                return word.map { "\(file.place(index)) says \($0)" }
            }
        }
    }

    static func bannedTypeNames(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.code.indices.flatMap { index in
                let words = words(file.code[index])
                return zip(words, words.dropFirst()).compactMap { (keyword, name) -> String? in
                    guard typeKeywords.contains(keyword),
                        emptyNames.contains(where: { name.contains($0) })
                    else { return nil }
                    return "\(file.place(index)) names a type \(name)"
                }
            }
        }
    }

    private static let typeKeywords: Set<String> = [
        "actor", "class", "enum", "protocol", "struct", "typealias",
    ]

    // MARK: - Dangerous code

    static func unsafeWithoutReason(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.code.indices.compactMap { index in
                guard let word = unsafeWord(file.code[index]) else { return nil }
                let first = max(0, index - reasonLineLimit)
                let last = min(file.lines.count - 1, index + reasonLineLimitInside)
                let hasReason = file.lines[first...last].contains { $0.contains("Safe because") }
                return hasReason ? nil : "\(file.place(index)) uses \(word)"
            }
        }
    }

    /// Pointers belong to Platform and to whoever owns a C library.
    static func pointersOutsidePlatform(
        _ files: [SourceFile], cLibraries: Set<String>
    ) -> [String] {
        files.flatMap { file -> [String] in
            let ownsLibrary = file.imports.contains { cLibraries.contains($0.module) }
            guard file.module != "Platform", !ownsLibrary else { return [] }
            return file.code.indices.compactMap { index in
                let word = words(file.code[index]).first { isPointer($0) }
                return word.map { "\(file.place(index)) uses \($0)" }
            }
        }
    }

    private static func isPointer(_ word: String) -> Bool {
        let isUnsafeCall =
            word.hasPrefix("unsafe") && (word.dropFirst(6).first?.isUppercase ?? true)
        return word.hasPrefix("Unsafe") || word.hasPrefix("withUnsafe") || isUnsafeCall
            || word == "OpaquePointer" || word == "Unmanaged" || word == "withMemoryRebound"
    }

    private static func unsafeWord(_ code: String) -> String? {
        if code.contains("nonisolated(unsafe)") { return "nonisolated(unsafe)" }
        if code.contains("@unchecked") { return "@unchecked Sendable" }
        return words(code).first { isPointer($0) && $0 != "unsafe" }
    }

    static func threadsOutsidePipeline(_ files: [SourceFile]) -> [String] {
        let owners: Set<String> = ["Pipeline", "sealtail"]
        let exceptions: Set<String> = [
            "Sources/Platform/System/Thread.swift",
            // getaddrinfo(3) only blocks, and the threads of getaddrinfo_a(3) are out of sight of
            // the thread sanitizer.
            "Sources/Platform/Network/NameLookup.swift",
        ]
        return files.flatMap { file -> [String] in
            if owners.contains(file.module) || exceptions.contains(file.path) { return [] }
            return file.code.indices.compactMap { index in
                let code = file.code[index]
                let word = threadStarts.first { contains(code, call: $0) }
                return word.map { "\(file.place(index)) uses \($0)" }
            }
        }
    }

    private static let threadStarts = [
        "Thread.start", "Thread(", "Task {", "Task(", "Task.detached", "DispatchQueue",
        "pthread_create",
    ]

    static func forcedTriesAndCasts(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.code.indices.compactMap { index in
                let word = ["try!", "as!"].first { contains(file.code[index], call: $0) }
                return word.map { "\(file.place(index)) uses \($0)" }
            }
        }
    }

    // MARK: - Pairs

    static func parsersWithoutFixture(_ parsers: [String], _ fixtures: [String]) -> [String] {
        let missing = Set(parsers).subtracting(fixtures).sorted()
        let extra = Set(fixtures).subtracting(parsers).sorted()
        return missing.map { "parsers/\($0).yaml has no Tests/Fixtures/parsers/\($0).fixture" }
            + extra.map { "Tests/Fixtures/parsers/\($0).fixture has no parsers/\($0).yaml" }
    }

    // MARK: - Words

    static func words(_ line: String) -> [String] {
        // By bytes: what is not ASCII stands in texts and comments only, and is taken for letters.
        line.utf8.split { !isWordByte[Int($0)] }.map { String(Substring($0)) }
    }

    private static let isWordByte: [Bool] = (UInt8.min...UInt8.max).map { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    /// Whether code contains a word that is not the end of a longer one.
    private static func contains(_ code: String, call: String) -> Bool {
        guard code.contains(call) else { return false }
        var rest = Substring(code)
        var before: Character = " "
        while !rest.isEmpty {
            let isWord = before.isLetter || before.isNumber || before == "_"
            if rest.hasPrefix(call) && !isWord { return true }
            before = rest.removeFirst()
        }
        return false
    }
}
