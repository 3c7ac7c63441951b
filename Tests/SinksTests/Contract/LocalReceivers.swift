// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import TestSupport
import Testing

@testable import Sinks

/// A file, whose disk is full or whose folder is missing.
final class FileReceiver: ContractReceiver {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.createFolder("there")
    }

    func makeSink(_ format: SinkFormat, isImpatient: Bool) throws -> any Sink {
        try Samples.sink(
            "{id: archive, type: file, path: '\(folder("there/out"))', format: \(format.rawValue)}")
    }

    func behave(_ behaviour: ReceiverBehaviour) throws {
        if FileSystem.exists(folder("away")) { try folder.rename("away", to: "there") }
        if FileSystem.exists(folder("there/kept")) {
            try folder.rename("there/kept", to: "there/out")
        }
        switch behaviour {
        case .letNobodyIn, .beAway:
            try folder.rename("there", to: "away")
        case .beBusy:
            if FileSystem.exists(folder("there/out")) {
                try folder.rename("there/out", to: "there/kept")
            } else {
                try folder.write("there/kept", "")
            }
            guard symlink("/dev/full", folder("there/out")) == 0 else {
                throw SystemError(call: "symlink")
            }
        default: break
        }
    }

    func arrived(_ count: Int) throws -> [String] {
        String(decoding: try folder.read("there/out"), as: UTF8.self).split(separator: "\n")
            .map { String($0) }
    }

    func stop() {}
}

/// A pipe as standard output, whose reader comes and goes.
final class PipeReceiver: ContractReceiver {
    private struct State: Sendable {
        var reader: Int32 = -1
        var pieceByteCount = 1 << 16
        var received: [UInt8] = []
        var isOver = false
    }

    private let folder: TemporaryFolder
    private let state = Monitor(State())

    init() throws {
        Signals.ignoreBrokenPipes()
        folder = try TemporaryFolder()
        try folder.createPipe("pipe")
        try behave(.take)
        _ = try Thread.start(name: "pipe-reader") { [self] in drain() }
    }

    func makeSink(_ format: SinkFormat, isImpatient: Bool) throws -> any Sink {
        let configuration = try #require(
            Samples.configuration("{id: out, type: stdout, format: \(format.rawValue)}")
                .configuration)
        return try StandardOutputSink(configuration, File(folder("pipe"), .write))
    }

    func behave(_ behaviour: ReceiverBehaviour) throws {
        // Opened before it is needed: a writer that opens a pipe waits for a reader.
        let reader = behaviour == .beAway ? -1 : open(folder("pipe"), O_RDONLY | O_NONBLOCK)
        state.update { state in
            if state.reader >= 0 { close(state.reader) }
            state.reader = reader
            state.pieceByteCount = behaviour == .beSlow ? 1 : 1 << 16
        }
    }

    func arrived(_ count: Int) -> [String] {
        let lineFeed = UInt8(ascii: "\n")
        _ = state.wait(timeout: .seconds(10)) { state in
            state.received.count { $0 == lineFeed } >= count ? true : nil
        }
        let bytes = state.withLock { $0.received }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0) }
    }

    func stop() { state.update { $0.isOver = true } }

    private func drain() {
        var isOver = false
        while !isOver {
            // Read under the lock, so that nobody closes the descriptor meanwhile.
            let count = state.update { state -> Int in
                isOver = state.isOver
                guard state.reader >= 0 else { return 0 }
                var piece = [UInt8](repeating: 0, count: state.pieceByteCount)
                let count = read(state.reader, &piece, piece.count)
                if count > 0 { state.received += piece[..<count] }
                return count
            }
            if count <= 0 { usleep(1000) }
        }
        state.update { if $0.reader >= 0 { close($0.reader) } }
    }
}
