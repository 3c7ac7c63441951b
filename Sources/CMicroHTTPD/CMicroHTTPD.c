// SPDX-License-Identifier: Apache-2.0
#include "CMicroHTTPD.h"

struct MHD_Daemon *sealtail_http_start(
    const struct sockaddr *address, MHD_AccessHandlerCallback handler, void *context,
    unsigned int connection_limit, unsigned int timeout_seconds) {
    unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
    if (address->sa_family == AF_INET6) flags |= MHD_USE_IPv6;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, handler, context,
        MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 * 1024),
        MHD_OPTION_END);
}

enum MHD_Result sealtail_http_answer(
    struct MHD_Connection *connection, unsigned int status, const char *content_type,
    const void *body, size_t body_size) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body_size, (void *)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}
