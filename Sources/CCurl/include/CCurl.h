// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

// The setters and getters of libcurl are variadic, which Swift does not import: one function for
// each type of argument.

static inline CURLcode sealtail_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode sealtail_curl_set_size(CURL *handle, CURLoption option, int64_t value) {
    return curl_easy_setopt(handle, option, (curl_off_t)value);
}

static inline CURLcode sealtail_curl_set_text(
    CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode sealtail_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode sealtail_curl_set_list(
    CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode sealtail_curl_set_copy(
    CURL *handle, CURLoption option, const void *bytes, size_t count) {
    struct curl_blob blob = {(void *)bytes, count, CURL_BLOB_COPY};
    return curl_easy_setopt(handle, option, &blob);
}

/// Takes what an answer is made of, piece by piece; fewer bytes than given end the transfer.
typedef size_t (*sealtail_curl_writer)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode sealtail_curl_set_writer(CURL *handle, sealtail_curl_writer writer) {
    return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, writer);
}

/// Takes the lines of an answer's head, one by one, the empty one at its end too.
static inline CURLcode sealtail_curl_set_head_writer(CURL *handle, sealtail_curl_writer writer) {
    return curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, writer);
}

/// Gives what a request sends, piece by piece; no bytes are the end.
typedef size_t (*sealtail_curl_reader)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode sealtail_curl_set_reader(CURL *handle, sealtail_curl_reader reader) {
    return curl_easy_setopt(handle, CURLOPT_READFUNCTION, reader);
}

static inline CURLcode sealtail_curl_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode sealtail_curl_size(CURL *handle, CURLINFO info, int64_t *value) {
    curl_off_t found = 0;
    CURLcode code = curl_easy_getinfo(handle, info, &found);
    *value = found;
    return code;
}

static inline CURLcode sealtail_curl_pointer(CURL *handle, CURLINFO info, void **value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLMcode sealtail_curl_multi_set_long(
    CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

/// Prepares the library once for the whole process, whichever thread comes first.
CURLcode sealtail_curl_prepare(void);

/// The next finished transfer: its handle, and its result in `*result`. NULL when there is none.
CURL *sealtail_curl_next_finished(CURLM *multi, CURLcode *result);
