// SPDX-License-Identifier: Apache-2.0
import Glibc

// Safe because every access to `state` holds `mutex`, and both live as long as the monitor.
/// A value that threads share under one lock, and can wait on until it changes.
///
/// Blocks the thread, so it belongs on threads of our own, never on Swift's cooperative pool.
public final class Monitor<State: ~Copyable>: @unchecked Sendable {
    // Safe because init makes all three and deinit frees them.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let state: UnsafeMutablePointer<State>

    /// Puts a value under a new lock.
    public init(_ state: consuming sending State) {
        // Safe because the three blocks are initialised here and freed only in deinit.
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: state)
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let made = pthread_mutex_init(mutex, nil) | pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        guard made == 0 else { bug("a monitor could not be made") }
    }

    deinit {
        // Safe because the last reference is gone, so no thread holds the lock or waits.
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        state.deinitialize(count: 1)
        state.deallocate()
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` while no other thread can see the value. `body` must not use the monitor.
    public func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        lock()
        defer { unlock() }
        // Safe because the lock is held for the whole access.
        return try body(&state.pointee)
    }

    /// Like `withLock`, and afterwards wakes every thread that waits.
    public func update<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        lock()
        defer {
            unlock()
            notifyAll()
        }
        // Safe because the lock is held for the whole access.
        return try body(&state.pointee)
    }

    /// Runs `body` under the lock again after every wake-up until it answers with a value.
    ///
    /// Returns nil when the time is up first; `body` is tried once more before that. Without a
    /// timeout it waits as long as it takes.
    public func wait<Result: ~Copyable, Failure: Error>(
        timeout: Duration? = nil,
        _ body: (inout sending State) throws(Failure) -> sending Result?
    ) throws(Failure) -> sending Result? {
        let deadline = timeout.map { SystemClock().monotonic().advanced(by: $0) }
        lock()
        defer { unlock() }
        while true {
            // Each try is an access of its own: while the thread sleeps, others change the value.
            // Safe because the lock is held here; pthread_cond_wait gives it up only in between.
            if let result = try body(&state.pointee) { return result }
            if !sleep(until: deadline) {
                return try body(&state.pointee)
            }
        }
    }

    /// Wakes every waiting thread.
    public func notifyAll() {
        // Safe because the condition lives as long as the monitor.
        pthread_cond_broadcast(condition)
    }

    private func lock() {
        guard pthread_mutex_lock(mutex) == 0 else { bug("a lock could not be taken") }
    }

    private func unlock() {
        guard pthread_mutex_unlock(mutex) == 0 else { bug("a lock could not be left") }
    }

    /// Waits for a wake-up; false when the deadline has passed.
    private func sleep(until deadline: MonotonicInstant?) -> Bool {
        guard let deadline else {
            pthread_cond_wait(condition, mutex)
            return true
        }
        let nanoseconds = max(0, deadline.nanoseconds)
        var time = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
    }
}
