// SPDX-License-Identifier: Apache-2.0
// librdkafka with its mock cluster, for tests alone: the agent opens the library at run time.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
