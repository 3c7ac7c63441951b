// SPDX-License-Identifier: Apache-2.0
#ifndef SEALTAIL_CMICROHTTPD_H
#define SEALTAIL_CMICROHTTPD_H

#include <microhttpd.h>
#include <sys/socket.h>

// MHD_start_daemon takes variadic options, which Swift cannot call.
struct MHD_Daemon *sealtail_http_start(
    const struct sockaddr *address, MHD_AccessHandlerCallback handler, void *context,
    unsigned int connection_limit, unsigned int timeout_seconds);

// Answers one request with a copy of the body; what MHD_queue_response says.
enum MHD_Result sealtail_http_answer(
    struct MHD_Connection *connection, unsigned int status, const char *content_type,
    const void *body, size_t body_size);

#endif
