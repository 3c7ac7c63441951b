// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Sockets that are listened on. Nothing here waits.
public enum Socket {
    /// How many connections may wait to be accepted.
    public static let backlog: Int32 = 128
    /// The longest datagram there is.
    public static let datagramByteLimit = 65_536
    /// The most datagrams received at once.
    public static let datagramCountLimit = Int(SEALTAIL_DATAGRAM_LIMIT)

    /// Opens a socket that takes connections.
    public static func listen(_ address: ListenAddress) throws(SystemError) -> File {
        let file = try open(address, SOCK_STREAM)
        guard Glibc.listen(file.descriptor, backlog) == 0 else {
            throw SystemError(call: "listen on", path: address.text)
        }
        return file
    }

    /// Takes the next connection, whose path names the peer; nil when there is none.
    ///
    /// Throws when the process has no room for another one (EMFILE); then it goes on waiting.
    public static func accept(_ listener: File) throws(SystemError) -> File? {
        let descriptor = sealtail_accept(listener.descriptor)
        if descriptor >= 0 { return File(adopting: descriptor, path: peer(of: descriptor)) }
        if errno == EAGAIN { return nil }
        throw SystemError(call: "accept a connection on", path: listener.path)
    }

    /// Who is at the other end, as `192.0.2.1:514` or `[2001:db8::1]:514`.
    private static func peer(of descriptor: Int32) -> String {
        withPeer(of: descriptor) { text($0, $1) } ?? "a connection"
    }

    /// Whether a socket is connected by now.
    static func hasPeer(_ descriptor: Int32) -> Bool {
        withPeer(of: descriptor) { _, _ in true } ?? false
    }

    // Safe because the address lives for the call.
    private static func withPeer<Result>(
        of descriptor: Int32, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result?
    ) -> Result? {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // Safe because the structure has room for every address and begins as sockaddr does.
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard getpeername(descriptor, generic, &size) == 0 else { return nil }
                return body(generic, size)
            }
        }
    }

    // Safe because the caller owns the address for the call.
    /// An address and its port, as `192.0.2.1:514` or `[2001:db8::1]:514`.
    static func text(_ address: UnsafePointer<sockaddr>, _ size: socklen_t) -> String? {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        // Safe because both texts are told their room and end with a zero.
        let result = getnameinfo(
            address, size, &host, socklen_t(host.count), &service, socklen_t(service.count),
            NI_NUMERICHOST | NI_NUMERICSERV)
        guard result == 0 else { return nil }
        let name = text(host)
        return (name.contains(":") ? "[\(name)]" : name) + ":" + text(service)
    }

    private static func text(_ bytes: [CChar]) -> String {
        String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Opens a socket that takes datagrams, and asks the kernel to keep so many bytes of them.
    public static func datagrams(
        _ address: ListenAddress, receiveBuffer: Int
    ) throws(SystemError) -> File {
        let file = try open(address, SOCK_DGRAM)
        guard sealtail_set_receive_buffer(file.descriptor, Int32(clamping: receiveBuffer)) == 0
        else { throw SystemError(call: "set the receive buffer of", path: address.text) }
        return file
    }

    /// The bytes of datagrams that the kernel keeps, by its own way of counting.
    public static func receiveBuffer(of file: File) -> Int {
        var byteCount: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // Safe because both live for the call and the size says how much room there is.
        guard getsockopt(file.descriptor, SOL_SOCKET, SO_RCVBUF, &byteCount, &size) == 0 else {
            return 0
        }
        // socket(7): the kernel doubles what was asked for, to have room for its own books.
        return Int(byteCount) / 2
    }

    /// How many datagrams the kernel has dropped since the socket was opened, modulo 2^32.
    public static func droppedDatagrams(of file: File) -> UInt32 {
        sealtail_dropped_datagrams(file.descriptor)
    }

    /// The port that the kernel gave to an address with port 0.
    public static func port(of file: File) -> UInt16 {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // Safe because the structure has room for every address and begins as sockaddr does; the
        // port stands at the same place in both families.
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = getsockname(file.descriptor, $0, &size)
            }
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
    }

    private static func open(
        _ address: ListenAddress, _ type: __socket_type
    ) throws(SystemError) -> File {
        let flags = Int32(type.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, flags, 0)
        guard descriptor >= 0 else { throw SystemError(call: "open a socket", path: address.text) }
        let file = File(adopting: descriptor, path: address.text)
        var yes: Int32 = 1
        // Safe because the number lives for the call. A restart must not wait for old connections.
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard address.withSocketAddress({ bind(descriptor, $0, $1) }) == 0 else {
            throw SystemError(call: "listen on", path: address.text)
        }
        return file
    }
}

/// Room for datagrams that are received together; one thread uses it.
public struct DatagramBuffer: ~Copyable {
    private var bytes: [UInt8]
    private var sizes: [Int]
    private var senders: [UInt8]

    /// Makes room for `Socket.datagramCountLimit` datagrams.
    public init() {
        bytes = [UInt8](
            repeating: 0, count: Socket.datagramCountLimit * Socket.datagramByteLimit)
        sizes = [Int](repeating: 0, count: Socket.datagramCountLimit)
        senders = [UInt8](
            repeating: 0, count: Socket.datagramCountLimit * Int(SEALTAIL_SENDER_BYTE_COUNT))
    }

    /// Receives what is there and says how many datagrams that are; 0 for none.
    public mutating func receive(from file: File) throws(SystemError) -> Int {
        // Safe because the buffer has room for as many datagrams of the longest kind as are asked.
        let count = bytes.withUnsafeMutableBufferPointer { room in
            sizes.withUnsafeMutableBufferPointer { sizes in
                // Safe because all three outlive the call, and there is room for each sender.
                sealtail_receive_datagrams(
                    file.descriptor, room.baseAddress, Socket.datagramByteLimit,
                    UInt32(Socket.datagramCountLimit), sizes.baseAddress, &senders)
            }
        }
        if count >= 0 { return Int(count) }
        if errno == EAGAIN { return 0 }
        throw SystemError(call: "receive on", path: file.path)
    }

    /// The bytes of one of the datagrams received last.
    public func datagram(_ index: Int) -> ArraySlice<UInt8> {
        let start = index * Socket.datagramByteLimit
        return bytes[start..<start + min(sizes[index], Socket.datagramByteLimit)]
    }

    /// The socket that sent one of the datagrams received last, in the kernel's words: to tell one
    /// from another.
    public func sender(_ index: Int) -> [UInt8] {
        let count = Int(SEALTAIL_SENDER_BYTE_COUNT)
        return Array(senders[index * count..<(index + 1) * count])
    }
}

/// Waits for one of many descriptors; one thread uses it.
public struct Poller {
    private var entries: [pollfd] = []

    /// Makes a poller that waits for nothing.
    public init() {}

    /// Forgets all descriptors.
    public mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// Adds a descriptor and says at which index it was added.
    @discardableResult
    public mutating func add(_ file: File, toRead: Bool = true, toWrite: Bool = false) -> Int {
        let events = (toRead ? POLLIN : 0) | (toWrite ? POLLOUT : 0)
        entries.append(pollfd(fd: file.descriptor, events: Int16(events), revents: 0))
        return entries.count - 1
    }

    /// Waits until a descriptor is ready, the bell is rung or the time is up.
    ///
    /// True when the bell was rung; it is silent again.
    public mutating func wait(_ bell: Bell, timeout: Duration) -> Bool {
        entries.append(pollfd(fd: bell.descriptor, events: Int16(POLLIN), revents: 0))
        defer { entries.removeLast() }
        // poll(2) counts in milliseconds; a rest of one is rounded up, so that nobody spins.
        let milliseconds = (max(0, timeout.wholeNanoseconds) + 999_999) / 1_000_000
        // Safe because the array outlives the call, which is told its length.
        let count = poll(&entries, nfds_t(entries.count), Int32(clamping: milliseconds))
        guard count > 0 else {
            for index in entries.indices { entries[index].revents = 0 }
            return false
        }
        guard entries[entries.count - 1].revents != 0 else { return false }
        bell.silence()
        return true
    }

    /// True when the descriptor that was added at the index can be read or written, or has failed.
    public func isReady(_ index: Int) -> Bool { entries[index].revents != 0 }
}
