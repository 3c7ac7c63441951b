// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Events
import Platform
import Synchronization

/// Delivers each event as one message to a topic of Apache Kafka.
///
/// The stream is the key, so the events of one agent's stream go to one partition, in the order of
/// their numbers unless some had to be sent again. librdkafka has threads and retries of its own;
/// here they end after `KafkaPatience.message`, so that every batch comes to an outcome.
// Safe because one thread makes all calls but wake, which touches only the flag and the bell.
final class KafkaSink: Sink, @unchecked Sendable {
    static let entry = SinkEntry(
        type: "kafka", formats: [.canonical, .ecs, .ocsf],
        promise: "An event counts as delivered when all in-sync replicas have it (acks=all).",
        options: KafkaOptions.self
    ) { (configuration, options) throws(SinkError) in try KafkaSink(configuration, options) }

    private let options: KafkaOptions
    private let settings: KafkaSettings
    private let patience: KafkaPatience
    private let clock = SystemClock()
    private let library: KafkaLibrary
    private let bell: Bell
    private let isWoken = Atomic<Bool>(false)
    // Made when first needed: a producer connects as soon as it is there.
    private var usual: KafkaProducer?
    // Sends every message in a set of its own, so that a refusal speaks of that message.
    private var careful: KafkaProducer?
    private var needsCare = false
    private var isBroken = false
    // The certificates, and which state of theirs the producers were made with.
    private var material: TLSMaterial?
    private var materialVersion = 0
    // What is wrong at present, as far as the producers have said.
    private var trouble: KafkaFailure?
    // When a message last got through, or the first that waits was handed over.
    private var progressAt = MonotonicInstant(nanoseconds: 0)
    private var rendering: EventRendering
    private var fields = BodyFields()
    private var value = ByteWriter(capacity: 1 << 13)
    private var sent: [UInt32: KafkaTicket] = [:]
    private var nextNumber: UInt32 = 0
    private var settled: [DeliveryOutcome] = []

    init(
        _ configuration: SinkConfiguration, _ options: KafkaOptions,
        patience: KafkaPatience = KafkaPatience()
    ) throws(SinkError) {
        if let tls = options.tls {
            material = try TLSMaterial(
                tls, sink: configuration.id, at: clock.monotonic())
        }
        library = try KafkaLibrary(sink: configuration.id)
        do throws(SystemError) {
            bell = try Bell()
        } catch {
            throw SinkError(sink: configuration.id, "\(error)")
        }
        self.options = options
        self.patience = patience
        settings = KafkaSettings(configuration, options, patience)
        rendering = EventRendering(configuration.format)
    }

    func deliver(_ batch: DeliveryBatch, ticket: UInt64) {
        let isCareful = needsCare && batch.count == 1
        let producer: KafkaProducer
        do throws(DeliveryError) {
            producer = try self.producer(isCareful: isCareful)
        } catch {
            settled.append((ticket, .failure(error)))
            return
        }
        if openCount == 0 { progressAt = clock.monotonic() }
        let number = nextNumber
        nextNumber &+= 1
        var open = KafkaTicket(ticket: ticket, eventCount: batch.count, isCareful: isCareful)
        batch.forEach { index, sealed, event in
            guard let message = message(sealed, event, UInt64(number) << 32 | UInt64(index)) else {
                open.reject(.unrenderable(index))
                return
            }
            let error = value.withBytes { bytes in
                producer.produce(
                    message, topic: options.topic,
                    value: bytes.extracting(0..<bytes.count - 1))
            }
            guard let error else {
                open.openCount += 1
                return
            }
            let failure = failure(error)
            if failure.fate.isAlarm { startOver(failure) }
            if case .refused(let code) = failure.fate {
                // The library judges each message by itself.
                open.reject(Rejection(index: index, reason: failure.reason, code: code))
            } else {
                open.fail(index, failure)
            }
        }
        if open.openCount == 0 {
            settled.append((ticket, open.result))
        } else {
            sent[number] = open
        }
    }

    func outcomes(
        waitingAtMost timeout: Duration
    ) -> [DeliveryOutcome] {
        let deadline = clock.monotonic().advanced(by: timeout)
        while true {
            drain()
            material?.refresh(at: clock.monotonic())
            giveUpInTrouble()
            let wasWoken = isWoken.exchange(false, ordering: .acquiring)
            let left = deadline.duration(since: clock.monotonic())
            if !settled.isEmpty || wasWoken || left <= .zero { break }
            _ = bell.wait(timeout: min(left, patience.look))
        }
        defer { settled.removeAll(keepingCapacity: true) }
        return settled
    }

    func wake() {
        isWoken.store(true, ordering: .releasing)
        bell.ring()
    }

    func probe() -> DeliveryError? {
        let producer: KafkaProducer
        do throws(DeliveryError) {
            producer = try self.producer(isCareful: false)
        } catch {
            return error
        }
        trouble = nil
        // Longer and longer, so that what is wrong is known early and a slow broker has its time.
        for patience in KafkaLimit.probeTimes {
            guard let error = producer.ask(options.topic, waitingAtMost: patience) else {
                return nil
            }
            drain()
            let failure = failure(error)
            let isAnswered =
                switch KafkaFate(error) {
                case .troubled, .retry(.connection): false
                case .retry, .alarm, .refused: true
                }
            if isAnswered { return failure.error }
            if let trouble { return trouble.error }
        }
        return failure(RD_KAFKA_RESP_ERR__TIMED_OUT).error
    }

    var condition: SinkCondition {
        SinkCondition(certificateExpiry: material?.content.expiry, problem: material?.problem)
    }

    func close() {
        dropProducers()
        sent.removeAll()
        settled.removeAll()
    }

    // MARK: Producers

    private func producer(isCareful: Bool) throws(DeliveryError) -> KafkaProducer {
        if isBroken {
            // Nothing more comes out of it; another one starts when all is settled.
            guard openCount == 0 else {
                throw failure(RD_KAFKA_RESP_ERR__FATAL).error
            }
            dropProducers()
        }
        // A renewed certificate counts for connections that are yet to be made.
        if let material, material.version != materialVersion, openCount == 0 { dropProducers() }
        if let producer = isCareful ? careful : usual { return producer }
        do throws(KafkaProblem) {
            let producer = try KafkaProducer(
                library, settings.list(isCareful: isCareful, material?.content), bell: bell)
            materialVersion = material?.version ?? 0
            if isCareful { careful = producer } else { usual = producer }
            return producer
        } catch {
            // Certificates that librdkafka does not take, for one: somebody has to act.
            throw .alarm(reason: error.words, code: .tls)
        }
    }

    private var openCount: Int { (usual?.openCount ?? 0) + (careful?.openCount ?? 0) }

    private func dropProducers() {
        usual = nil
        careful = nil
        isBroken = false
        // What was wrong with these says nothing about those that come.
        trouble = nil
    }

    // MARK: Messages

    /// The message of an event, whose value stands in `value` with a line feed behind it.
    private func message(
        _ batch: borrowing SealedBatch, _ event: Int, _ mark: UInt64
    ) -> KafkaMessage? {
        value.removeAll()
        guard fields.read(batch, event: event), let id = text(batch, .id),
            let action = text(batch, .action), let schema = text(batch, .schema),
            rendering.append(batch, event: event, to: &value)
        else { return nil }
        // No timestamp of the event's own: brokers delete by it, and would delete a replay at once.
        return KafkaMessage(
            key: Array(batch.stream.utf8),
            headers: [
                ("event_id", id), ("action", action), ("schema", schema),
                ("content_type", Self.contentType),
            ],
            mark: mark)
    }

    private static let contentType = Array("application/json".utf8)

    /// A word of the body without its quotes; nothing that JSON escapes is in one.
    private func text(_ batch: borrowing SealedBatch, _ field: Field) -> [UInt8]? {
        guard let range = fields.range(of: field), range.count >= 2 else { return nil }
        return Array(batch.bodies[range.lowerBound + 1..<range.upperBound - 1])
    }

    // MARK: Reports

    private func drain() {
        for producer in [usual, careful].compactMap({ $0 }) {
            while let report = producer.next() {
                switch report {
                case .outcome(let mark, let error): note(mark, error)
                case .trouble(let error, let words, let isFatal):
                    let isAlarm = note(error, words, isFatal: isFatal)
                    // What waits in the library would wait in vain: it comes back at once, with
                    // the reason, and not when its time is up.
                    if isAlarm || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN {
                        producer.purge()
                    }
                }
            }
        }
    }

    /// Takes note of what is wrong; true when nothing will be sent until somebody acts.
    private func note(_ error: rd_kafka_resp_err_t, _ words: String, isFatal: Bool) -> Bool {
        // That all brokers are down was said of each before, with the reason.
        if error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, trouble != nil { return false }
        let reason = DeliveryText.oneLine(words, byteLimit: Rejection.textByteLimit)
        let failure = KafkaFailure(fate: KafkaFate(error, reason), reason: reason)
        trouble = failure
        guard isFatal || failure.fate.isAlarm else { return false }
        startOver(failure)
        return true
    }

    /// Takes back what has not been sent while brokers cannot be reached, so that the delivery loop
    /// knows about it before the time of the messages is up.
    private func giveUpInTrouble() {
        let now = clock.monotonic()
        guard trouble != nil, openCount > 0,
            now.duration(since: progressAt) >= patience.trouble
        else { return }
        progressAt = now
        usual?.purge()
        careful?.purge()
    }

    /// Asks for another producer as soon as this one has nothing under way.
    ///
    /// The library keeps in mind for minutes that a topic was barred.
    private func startOver(_ failure: KafkaFailure) {
        trouble = failure
        isBroken = true
    }

    private func note(_ mark: UInt64, _ error: rd_kafka_resp_err_t?) {
        // What an error means may hang on what is wrong otherwise, so that is forgotten only when
        // something goes well.
        if error == nil {
            trouble = nil
            progressAt = clock.monotonic()
        }
        let number = UInt32(truncatingIfNeeded: mark >> 32)
        guard var open = sent[number] else { return }
        open.openCount -= 1
        if let error {
            let failure = failure(error)
            if failure.fate.isAlarm { startOver(failure) }
            open.fail(Int(UInt32(truncatingIfNeeded: mark)), failure)
        }
        guard open.openCount == 0 else {
            sent[number] = open
            return
        }
        sent[number] = nil
        if open.needsCare { needsCare = true }
        settled.append((open.ticket, open.result))
    }

    /// What an error about a message means at this moment.
    private func failure(_ error: rd_kafka_resp_err_t) -> KafkaFailure {
        let fate = KafkaFate(error)
        if fate == .troubled, let trouble { return trouble }
        let place = "topic \(options.topic): \(library.words(error))"
        return KafkaFailure(fate: fate, reason: place)
    }
}
