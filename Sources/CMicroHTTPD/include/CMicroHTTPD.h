// SPDX-License-Identifier: Apache-2.0
#ifndef SEALTAIL_CMICROHTTPD_H
#define SEALTAIL_CMICROHTTPD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/socket.h>

// How a daemon is started; certificate and key are PEM texts, or NULL for plain HTTP.
typedef struct {
    int listener;
    unsigned int connection_limit;
    unsigned int timeout_seconds;
    const char *certificate;
    const char *key;
    // PEM text, or NULL: whom clients may have a certificate of. They are asked, not made to.
    const char *client_authorities;
} sealtail_http_options;

// MHD_start_daemon takes variadic options, which Swift cannot call. The daemon closes the listener.
struct MHD_Daemon *sealtail_http_start(
    const sealtail_http_options *options, MHD_AccessHandlerCallback handler,
    MHD_RequestCompletedCallback completed, void *context);

// True when the client of a connection under TLS has shown a certificate that the authorities signed
// and that is valid now.
bool sealtail_http_has_client_certificate(struct MHD_Connection *connection);

// Answers one request with a copy of the body; what MHD_queue_response says. `fields` are names
// and values of headers in turn.
enum MHD_Result sealtail_http_answer(
    struct MHD_Connection *connection, unsigned int status, const char *const *fields,
    size_t field_count, const void *body, size_t body_size);

#endif
