// SPDX-License-Identifier: Apache-2.0
#ifndef SEALTAIL_CRDKAFKA_H
#define SEALTAIL_CRDKAFKA_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

// librdkafka is opened at run time, so that only who has a sink of type kafka needs it. Its header
// gives the types; nothing here links against it.
//
// A `problem` is room for `size` bytes, which gets a text that ends in a zero byte.

// The functions of an opened library. It is never closed: its threads may outlive their owner.
typedef struct sealtail_kafka sealtail_kafka;

// Opens the library by its file name; NULL with a problem when it is not there or too old.
sealtail_kafka *sealtail_kafka_open(const char *name, char *problem, size_t size);
void sealtail_kafka_free(sealtail_kafka *kafka);

// What the library calls an error; constant texts.
const char *sealtail_kafka_words(const sealtail_kafka *kafka, rd_kafka_resp_err_t error);

// Settings, owned by the caller until a producer is made of them.
rd_kafka_conf_t *sealtail_kafka_settings(const sealtail_kafka *kafka);
void sealtail_kafka_settings_free(const sealtail_kafka *kafka, rd_kafka_conf_t *settings);
// 0, or -1 with a problem, which may quote the value. The library keeps a copy of both.
int sealtail_kafka_set(
    const sealtail_kafka *kafka, rd_kafka_conf_t *settings, const char *name, const char *value,
    char *problem, size_t size);

typedef struct sealtail_kafka_producer sealtail_kafka_producer;

// Starts a producer, whose threads connect at once; the settings are gone then, also after a
// failure. `bell` is an eventfd that the library rings when there is something to report; it must
// not be closed before the producer has stopped.
sealtail_kafka_producer *sealtail_kafka_start(
    const sealtail_kafka *kafka, rd_kafka_conf_t *settings, int bell, char *problem, size_t size);

// Gives up what is on its way, without reports, and ends the threads of the producer.
void sealtail_kafka_stop(sealtail_kafka_producer *producer);

typedef struct {
    const void *bytes;
    size_t size;
} sealtail_kafka_bytes;

typedef struct {
    const char *topic;
    sealtail_kafka_bytes key;
    sealtail_kafka_bytes value;
    // Headers: names that end in a zero byte, and as many values.
    const char *const *names;
    const sealtail_kafka_bytes *values;
    size_t header_count;
    // Comes back in the report.
    uint64_t mark;
} sealtail_kafka_message;

// Takes a copy of a message. Without an error there will be exactly one report about it.
rd_kafka_resp_err_t sealtail_kafka_produce(
    sealtail_kafka_producer *producer, const sealtail_kafka_message *message);

typedef enum {
    SEALTAIL_KAFKA_NOTHING,
    // What became of the message with this mark.
    SEALTAIL_KAFKA_OUTCOME,
    // Something is wrong with the producer or its brokers.
    SEALTAIL_KAFKA_TROUBLE,
} sealtail_kafka_kind;

typedef struct {
    sealtail_kafka_kind kind;
    rd_kafka_resp_err_t error;
    uint64_t mark;
    // True for a trouble after which the producer takes nothing any more.
    int is_fatal;
    // Words about a trouble, until the next call.
    const char *words;
} sealtail_kafka_report;

// The next report; never waits.
sealtail_kafka_report sealtail_kafka_next(sealtail_kafka_producer *producer);

// Ends the waiting of what has not been sent yet; reports about it follow.
void sealtail_kafka_purge(sealtail_kafka_producer *producer);

// Asks a broker about a topic and waits for the answer, `milliseconds` at most.
rd_kafka_resp_err_t sealtail_kafka_ask(
    sealtail_kafka_producer *producer, const char *topic, int milliseconds);

#endif
