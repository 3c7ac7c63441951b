// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Platform

/// librdkafka, opened when a sink of type `kafka` is made.
final class KafkaLibrary {
    /// The file that Debian's `librdkafka1` installs.
    static let fileName = "librdkafka.so.1"
    // Safe because init makes the table, deinit frees it, and producers keep the library alive.
    fileprivate let functions: OpaquePointer

    /// Opens the library; throws a sentence that names the package when it is not there.
    init(_ fileName: String = KafkaLibrary.fileName, sink: String) throws(SinkError) {
        var problem = ProblemText()
        // Safe because both texts end in a zero byte and outlive the call.
        let functions = problem.fill { text, size in sealtail_kafka_open(fileName, text, size) }
        guard let functions else {
            throw SinkError(
                sink: sink,
                "the library for Kafka cannot be used: \(problem.words); install the package "
                    + "librdkafka1")
        }
        self.functions = functions
    }

    deinit {
        // Safe because no producer is left: each holds a reference.
        sealtail_kafka_free(functions)
    }

    /// What the library calls an error.
    func words(_ error: rd_kafka_resp_err_t) -> String {
        // Safe because the library gives constant texts.
        sealtail_kafka_words(functions, error).map { String(cString: $0) } ?? "unknown error"
    }
}

/// One message as it is handed over; everything is copied.
struct KafkaMessage {
    /// Decides the partition.
    var key: [UInt8]
    /// The names and values of the headers.
    var headers: [(name: StaticString, value: [UInt8])]
    /// Comes back in the report.
    var mark: UInt64
}

/// What a producer has to say.
enum KafkaReport {
    /// What became of a message; nil is delivered.
    case outcome(mark: UInt64, error: rd_kafka_resp_err_t?)
    /// Something is wrong with the brokers, or with the producer for good.
    case trouble(error: rd_kafka_resp_err_t, words: String, isFatal: Bool)
}

/// A producer of librdkafka, which has threads of its own and connects by itself.
///
/// One thread makes all calls.
final class KafkaProducer {
    private let library: KafkaLibrary
    // Kept open for as long as the producer may ring it.
    private let bell: Bell
    // Safe because init makes it, deinit stops it, and one thread uses it.
    private let producer: OpaquePointer
    /// How many messages have been taken and not been reported on.
    private(set) var openCount = 0

    /// Starts a producer; throws librdkafka's words when it does not like a setting or a file.
    ///
    /// - Parameters:
    ///   - settings: names and values, in order; values are wiped from memory here.
    ///   - bell: rung when `next` has something to say.
    init(
        _ library: KafkaLibrary, _ settings: [(name: String, value: Secret)], bell: Bell
    ) throws(KafkaProblem) {
        self.library = library
        self.bell = bell
        var problem = ProblemText()
        // Safe because the settings are freed here or given to the producer, which frees them.
        guard let handle = sealtail_kafka_settings(library.functions) else {
            bug("no memory for the settings of a producer")
        }
        for (name, value) in settings {
            let result = value.withBytes { bytes -> Int32 in
                var text: [UInt8] = []
                for index in bytes.indices { text.append(bytes[index]) }
                text.append(0)
                defer { Secret.wipe(&text) }
                return problem.fill { words, size in
                    text.withUnsafeBytes { text in
                        // Safe because the texts end in a zero byte and outlive the call.
                        sealtail_kafka_set(
                            library.functions, handle, name,
                            text.bindMemory(to: CChar.self).baseAddress, words, size)
                    }
                }
            }
            guard result == 0 else {
                sealtail_kafka_settings_free(library.functions, handle)
                // Not the library's words, which quote the value.
                throw KafkaProblem(words: "librdkafka does not take the setting \(name)")
            }
        }
        // Safe because the bell outlives the producer: this object holds both.
        let producer = problem.fill { words, size in
            sealtail_kafka_start(library.functions, handle, bell.descriptor, words, size)
        }
        guard let producer else { throw KafkaProblem(words: problem.words) }
        self.producer = producer
    }

    deinit {
        // Safe because this is the last use.
        sealtail_kafka_stop(producer)
    }

    /// Hands a message over; an error says that there will be no report about it.
    func produce(
        _ message: KafkaMessage, topic: String, value: Span<UInt8>
    ) -> rd_kafka_resp_err_t? {
        var sizes: [Int] = []
        var joined: [UInt8] = []
        for header in message.headers {
            sizes.append(header.value.count)
            joined += header.value
        }
        let names = message.headers.map { name -> UnsafePointer<CChar>? in
            // Safe because a StaticString ends in a zero byte and is never freed.
            UnsafeRawPointer(name.name.utf8Start).bindMemory(
                to: CChar.self, capacity: name.name.utf8CodeUnitCount + 1)
        }
        // Safe because all bytes outlive the call, which copies them.
        let error = value.withUnsafeBytes { value in
            message.key.withUnsafeBytes { key in
                joined.withUnsafeBytes { joined in
                    var values: [sealtail_kafka_bytes] = []
                    var at = 0
                    for size in sizes {
                        values.append(
                            sealtail_kafka_bytes(
                                bytes: joined.baseAddress?.advanced(by: at), size: size))
                        at += size
                    }
                    return call(
                        topic, sealtail_kafka_bytes(bytes: key.baseAddress, size: key.count),
                        sealtail_kafka_bytes(bytes: value.baseAddress, size: value.count),
                        names, values, message.mark)
                }
            }
        }
        if error == RD_KAFKA_RESP_ERR_NO_ERROR {
            openCount += 1
            return nil
        }
        return error
    }

    // Safe because the pointers are used for this call only, during which all bytes live.
    private func call(
        _ topic: String, _ key: sealtail_kafka_bytes, _ value: sealtail_kafka_bytes,
        _ names: [UnsafePointer<CChar>?], _ values: [sealtail_kafka_bytes], _ mark: UInt64
    ) -> rd_kafka_resp_err_t {
        topic.withCString { topic in
            names.withUnsafeBufferPointer { names in
                values.withUnsafeBufferPointer { values in
                    // Safe because everything outlives the call, which copies what it keeps.
                    var message = sealtail_kafka_message(
                        topic: topic, key: key, value: value, names: names.baseAddress,
                        values: values.baseAddress, header_count: values.count, mark: mark)
                    return sealtail_kafka_produce(producer, &message)
                }
            }
        }
    }

    /// The next report, nil when there is none; never waits.
    func next() -> KafkaReport? {
        let report = sealtail_kafka_next(producer)
        switch report.kind {
        case SEALTAIL_KAFKA_OUTCOME:
            openCount -= 1
            let isDelivered = report.error == RD_KAFKA_RESP_ERR_NO_ERROR
            return .outcome(mark: report.mark, error: isDelivered ? nil : report.error)
        case SEALTAIL_KAFKA_TROUBLE:
            // Safe because the words live until the next call and end in a zero byte.
            let words = report.words.map { String(cString: $0) } ?? ""
            return .trouble(error: report.error, words: words, isFatal: report.is_fatal != 0)
        default:
            return nil
        }
    }

    /// Ends the waiting of what has not been sent yet; reports about it follow.
    func purge() {
        sealtail_kafka_purge(producer)
    }

    /// Asks a broker about a topic and waits for the answer; nil when the topic is there.
    func ask(_ topic: String, waitingAtMost timeout: Duration) -> rd_kafka_resp_err_t? {
        let error = sealtail_kafka_ask(
            producer, topic, Int32(clamping: timeout.wholeNanoseconds / 1_000_000))
        return error == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : error
    }
}

/// Why a producer cannot be started, in librdkafka's words.
struct KafkaProblem: Error {
    let words: String
}

/// Room for a text that librdkafka writes about a problem.
private struct ProblemText {
    private var bytes = [CChar](repeating: 0, count: 512)

    /// Lends the room to a call.
    mutating func fill<Result>(
        _ body: (_ text: UnsafeMutablePointer<CChar>?, _ size: Int) -> Result
    ) -> Result {
        // Safe because the call writes at most `size` bytes, of which the last is zero.
        bytes.withUnsafeMutableBufferPointer { body($0.baseAddress, $0.count) }
    }

    /// What was written, on one line.
    var words: String {
        let text = bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return DeliveryText.oneLine(
            String(decoding: text, as: UTF8.self), byteLimit: Rejection.textByteLimit)
    }
}
