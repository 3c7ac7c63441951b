// SPDX-License-Identifier: Apache-2.0
import Platform
import Synchronization

/// What a reading thread sleeps on, and what any other thread can wake it by.
final class WatchSource: Sendable {
    /// Nil when the kernel refuses inotify, or when a test does.
    let watcher: DirectoryWatcher?
    /// Whether changes in a folder are reported at all: not for what other machines do.
    let reportsChanges: @Sendable (String) -> Bool
    private let bell: Bell
    private let isWoken = Atomic(false)

    /// Opens inotify, and does without when that is refused.
    init(
        isWatching: Bool = true,
        reportsChanges: @escaping @Sendable (String) -> Bool = FileSystem.reportsChanges
    ) throws(SystemError) {
        self.reportsChanges = reportsChanges
        bell = try Bell()
        // Refused means that no instance is left for this user: polling does the same, later.
        watcher = isWatching ? try? DirectoryWatcher() : nil
    }

    /// Ends the wait of the reading thread, or its next one.
    func wake() {
        isWoken.store(true, ordering: .releasing)
        if let watcher { watcher.wake() } else { bell.ring() }
    }

    /// Whether somebody woke it since the last time it was asked.
    func takeWake() -> Bool {
        isWoken.exchange(false, ordering: .acquiring)
    }

    /// Sleeps whatever happens in the folders, unless it is woken.
    func rest(_ duration: Duration) {
        _ = watcher?.rest(duration) ?? bell.wait(timeout: duration)
    }

    /// Waits for events; none come without inotify.
    func wait(timeout: Duration) throws(SystemError) -> [WatchEvent] {
        if let watcher { return try watcher.wait(timeout: timeout) }
        if timeout > .zero { _ = bell.wait(timeout: timeout) }
        return []
    }
}

/// Watches folders by inotify(7) and says which paths changed.
///
/// It is used by one thread. A folder that cannot be watched is refused, and the files in it have
/// to be looked at again and again.
final class FolderWatch {
    /// What happened.
    enum Change: Sendable, Hashable {
        /// The content of the file at the path.
        case content(String)
        /// The permissions or the owner of what is at the path.
        case attributes(String)
        /// Names came, went or changed, or events were lost: everything has to be looked at.
        case names
    }

    private let source: WatchSource
    private var folders: [Int: String] = [:]
    private var numbers: [String: Int] = [:]
    private var refusals: [String: SystemError] = [:]
    private var silent: Set<String> = []

    init(_ source: WatchSource) {
        self.source = source
    }

    /// True when at least one folder, or all of them, cannot be watched.
    var isRefused: Bool { source.watcher == nil || !refusals.isEmpty || !silent.isEmpty }

    /// Whether changes in a folder are reported.
    func covers(_ folder: String) -> Bool { numbers[folder] != nil && !silent.contains(folder) }

    /// Why a folder is not watched, when the kernel said so.
    func refusal(of folder: String) -> SystemError? { refusals[folder] }

    /// Watches a folder. A refusal is kept and tried again at the next call.
    func add(_ folder: String) {
        guard let watcher = source.watcher else { return }
        if source.reportsChanges(folder) {
            silent.remove(folder)
        } else {
            silent.insert(folder)
        }
        do throws(SystemError) {
            // The folder at a path may be another one by now; then it gets another number.
            let number = try watcher.add(folder, [.folder, .attributes])
            if let old = numbers[folder], old != number { folders[old] = nil }
            numbers[folder] = number
            folders[number] = folder
            refusals[folder] = nil
        } catch {
            refusals[folder] = error.isNotFound ? nil : error
        }
    }

    /// Waits for changes, at most this long.
    func wait(timeout: Duration) -> (changes: [Change], isWoken: Bool) {
        // A wait that fails is like one that tells nothing: the regular looks go on.
        let events = (try? source.wait(timeout: timeout)) ?? []
        var changes: [Change] = []
        for event in events {
            let change = change(event)
            if let change, change != changes.last { changes.append(change) }
        }
        return (changes, source.takeWake())
    }

    /// Sleeps without being told of changes; true when somebody woke it.
    func rest(_ duration: Duration) -> Bool {
        source.rest(duration)
        return source.takeWake()
    }

    private func change(_ event: WatchEvent) -> Change? {
        if event.kinds.contains(.overflow) { return .names }
        guard let folder = folders[event.watch] else { return nil }
        if event.kinds.contains(.ended) {
            folders[event.watch] = nil
            numbers[folder] = nil
            return .names
        }
        let path = folder == "/" ? "/" + event.name : folder + "/" + event.name
        if event.kinds == .modified { return .content(path) }
        if event.kinds == .attributes { return event.name.isEmpty ? .names : .attributes(path) }
        return .names
    }
}
