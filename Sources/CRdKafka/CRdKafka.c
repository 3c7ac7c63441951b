// SPDX-License-Identifier: Apache-2.0
#include "CRdKafka.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Every function that is used. `rd_kafka_produceva` is the youngest: librdkafka 1.8.
#define FUNCTIONS(each) \
    each(conf_new) \
    each(conf_destroy) \
    each(conf_set) \
    each(conf_set_events) \
    each(conf_set_log_cb) \
    each(destroy_flags) \
    each(err2str) \
    each(error_code) \
    each(error_destroy) \
    each(event_destroy) \
    each(event_error) \
    each(event_error_is_fatal) \
    each(event_error_string) \
    each(event_message_next) \
    each(event_type) \
    each(fatal_error) \
    each(header_add) \
    each(headers_destroy) \
    each(headers_new) \
    each(metadata) \
    each(metadata_destroy) \
    each(new) \
    each(produceva) \
    each(purge) \
    each(queue_destroy) \
    each(queue_get_main) \
    each(queue_io_event_enable) \
    each(queue_poll) \
    each(topic_destroy) \
    each(topic_new)

struct sealtail_kafka {
#define MEMBER(name) __typeof__(rd_kafka_##name) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

struct sealtail_kafka_producer {
    const sealtail_kafka *kafka;
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    // The event whose messages are being reported, or whose words were.
    rd_kafka_event_t *event;
    // The words about the error that ended the producer.
    char words[512];
};

_Static_assert(sizeof(void *) == sizeof(uint64_t), "a mark travels as a pointer");

sealtail_kafka *sealtail_kafka_open(const char *name, char *problem, size_t size) {
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *words = dlerror();
        snprintf(problem, size, "%s", words == NULL ? name : words);
        return NULL;
    }
    sealtail_kafka *kafka = calloc(1, sizeof *kafka);
    if (kafka == NULL) abort();
#define FIND(function) \
    *(void **)&kafka->function = dlsym(library, "rd_kafka_" #function); \
    if (kafka->function == NULL) { \
        snprintf(problem, size, "%s: too old, it has no rd_kafka_" #function, name); \
        free(kafka); \
        return NULL; \
    }
    FUNCTIONS(FIND)
#undef FIND
    return kafka;
}

void sealtail_kafka_free(sealtail_kafka *kafka) {
    free(kafka);
}

const char *sealtail_kafka_words(const sealtail_kafka *kafka, rd_kafka_resp_err_t error) {
    return kafka->err2str(error);
}

// Without this the library would write to standard error.
static void log_nothing(const rd_kafka_t *handle, int level, const char *facility, const char *text) {
    (void)handle, (void)level, (void)facility, (void)text;
}

rd_kafka_conf_t *sealtail_kafka_settings(const sealtail_kafka *kafka) {
    rd_kafka_conf_t *settings = kafka->conf_new();
    kafka->conf_set_log_cb(settings, log_nothing);
    kafka->conf_set_events(settings, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    return settings;
}

void sealtail_kafka_settings_free(const sealtail_kafka *kafka, rd_kafka_conf_t *settings) {
    kafka->conf_destroy(settings);
}

int sealtail_kafka_set(
    const sealtail_kafka *kafka, rd_kafka_conf_t *settings, const char *name, const char *value,
    char *problem, size_t size) {
    return kafka->conf_set(settings, name, value, problem, size) == RD_KAFKA_CONF_OK ? 0 : -1;
}

sealtail_kafka_producer *sealtail_kafka_start(
    const sealtail_kafka *kafka, rd_kafka_conf_t *settings, int bell, char *problem, size_t size) {
    sealtail_kafka_producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL) abort();
    producer->kafka = kafka;
    producer->handle = kafka->new(RD_KAFKA_PRODUCER, settings, problem, size);
    if (producer->handle == NULL) {
        // The library takes the settings only when all went well.
        kafka->conf_destroy(settings);
        free(producer);
        return NULL;
    }
    producer->queue = kafka->queue_get_main(producer->handle);
    // eventfd(2) takes eight bytes, in the order of the machine.
    const uint64_t ring = 1;
    kafka->queue_io_event_enable(producer->queue, bell, &ring, sizeof ring);
    return producer;
}

void sealtail_kafka_stop(sealtail_kafka_producer *producer) {
    const sealtail_kafka *kafka = producer->kafka;
    if (producer->event != NULL) kafka->event_destroy(producer->event);
    kafka->queue_io_event_enable(producer->queue, -1, NULL, 0);
    kafka->purge(
        producer->handle,
        RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    kafka->queue_destroy(producer->queue);
    kafka->destroy_flags(producer->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(producer);
}

rd_kafka_resp_err_t sealtail_kafka_produce(
    sealtail_kafka_producer *producer, const sealtail_kafka_message *message) {
    const sealtail_kafka *kafka = producer->kafka;
    // A list of our own, and not headers one by one: those librdkafka 2.0 frees twice when it
    // refuses the message.
    rd_kafka_headers_t *headers = kafka->headers_new(message->header_count);
    for (size_t index = 0; index < message->header_count; index++) {
        const sealtail_kafka_bytes value = message->values[index];
        kafka->header_add(
            headers, message->names[index], -1, value.bytes, (ssize_t)value.size);
    }
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = message->topic},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)message->key.bytes, message->key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)message->value.bytes, message->value.size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)message->mark},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error =
        kafka->produceva(producer->handle, parts, sizeof parts / sizeof parts[0]);
    // The library takes the list only together with the message.
    if (error == NULL) return RD_KAFKA_RESP_ERR_NO_ERROR;
    kafka->headers_destroy(headers);
    rd_kafka_resp_err_t code = kafka->error_code(error);
    kafka->error_destroy(error);
    return code;
}

sealtail_kafka_report sealtail_kafka_next(sealtail_kafka_producer *producer) {
    const sealtail_kafka *kafka = producer->kafka;
    sealtail_kafka_report report = {.kind = SEALTAIL_KAFKA_NOTHING};
    while (1) {
        if (producer->event != NULL && kafka->event_type(producer->event) == RD_KAFKA_EVENT_DR) {
            const rd_kafka_message_t *message = kafka->event_message_next(producer->event);
            if (message != NULL) {
                report.kind = SEALTAIL_KAFKA_OUTCOME;
                report.error = message->err;
                report.mark = (uint64_t)(uintptr_t)message->_private;
                return report;
            }
        }
        if (producer->event != NULL) kafka->event_destroy(producer->event);
        producer->event = kafka->queue_poll(producer->queue, 0);
        if (producer->event == NULL) return report;
        if (kafka->event_type(producer->event) == RD_KAFKA_EVENT_ERROR) {
            report.kind = SEALTAIL_KAFKA_TROUBLE;
            report.error = kafka->event_error(producer->event);
            report.is_fatal = kafka->event_error_is_fatal(producer->event);
            report.words = kafka->event_error_string(producer->event);
            if (report.is_fatal) {
                // The event says only that there is one.
                report.words = producer->words;
                report.error =
                    kafka->fatal_error(producer->handle, producer->words, sizeof producer->words);
            }
            return report;
        }
    }
}

void sealtail_kafka_purge(sealtail_kafka_producer *producer) {
    producer->kafka->purge(
        producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

rd_kafka_resp_err_t sealtail_kafka_ask(
    sealtail_kafka_producer *producer, const char *topic, int milliseconds) {
    const sealtail_kafka *kafka = producer->kafka;
    rd_kafka_topic_t *handle = kafka->topic_new(producer->handle, topic, NULL);
    if (handle == NULL) return RD_KAFKA_RESP_ERR__INVALID_ARG;
    const struct rd_kafka_metadata *answer = NULL;
    rd_kafka_resp_err_t error =
        kafka->metadata(producer->handle, 0, handle, &answer, milliseconds);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = answer->topic_cnt == 1 ? answer->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
        kafka->metadata_destroy(answer);
    }
    kafka->topic_destroy(handle);
    return error;
}
