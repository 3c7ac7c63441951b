// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A thread of our own, for code that blocks in the kernel or in a C library.
///
/// A thread that nobody joins runs on and cleans up after itself.
public final class Thread: Sendable {
    /// The stack of a thread unless the caller says otherwise.
    public static let defaultStackByteCount = 1 << 20
    /// The kernel keeps this many bytes of a thread's name.
    public static let nameByteLimit = 15

    private let handle: pthread_t
    private let isJoined = Monitor(false)

    private init(handle: pthread_t) {
        self.handle = handle
    }

    /// Starts a thread that runs `body` once.
    ///
    /// The name is cut to `nameByteLimit` bytes. Throws when the kernel has no room for a thread.
    public static func start(
        name: String, stackByteCount: Int = defaultStackByteCount,
        _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> Thread {
        var attributes = pthread_attr_t()
        // Safe because the attributes live until pthread_create has returned.
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackByteCount)
        var cut = name
        while cut.utf8.count > nameByteLimit { cut.removeLast() }
        let box = Unmanaged.passRetained(ThreadBody(name: cut, run: body))
        var handle = pthread_t()
        // Safe because the retained box is released exactly once: by the thread, or below.
        let result = pthread_create(
            &handle, &attributes,
            { argument in
                guard let argument = argument else { bug("a thread without a body") }
                let body = Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
                _ = sealtail_name_thread(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SystemError(call: "start a thread", path: name, number: result)
        }
        return Thread(handle: handle)
    }

    /// Waits until the thread has ended. A thread can be joined once.
    public func join() {
        let wasJoined = isJoined.withLock { joined in
            defer { joined = true }
            return joined
        }
        if wasJoined { bug("a thread was joined twice") }
        // Safe because the handle is valid until the one join or the detach in deinit.
        guard pthread_join(handle, nil) == 0 else { bug("pthread_join failed") }
    }

    deinit {
        if isJoined.withLock({ !$0 }) { pthread_detach(handle) }
    }
}

private final class ThreadBody: Sendable {
    let name: String
    let run: @Sendable () -> Void

    init(name: String, run: @escaping @Sendable () -> Void) {
        self.name = name
        self.run = run
    }
}
