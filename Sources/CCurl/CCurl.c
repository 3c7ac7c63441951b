// SPDX-License-Identifier: Apache-2.0
#include "CCurl.h"
#include <pthread.h>

static pthread_once_t preparation = PTHREAD_ONCE_INIT;
static CURLcode preparation_result = CURLE_FAILED_INIT;

static void prepare(void) {
    preparation_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURLcode sealtail_curl_prepare(void) {
    if (pthread_once(&preparation, prepare) != 0) return CURLE_FAILED_INIT;
    return preparation_result;
}

CURL *sealtail_curl_next_finished(CURLM *multi, CURLcode *result) {
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        *result = message->data.result;
        return message->easy_handle;
    }
    return NULL;
}
