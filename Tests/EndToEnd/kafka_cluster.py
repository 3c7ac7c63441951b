# SPDX-License-Identifier: Apache-2.0
"""The brokers that librdkafka brings along for tests, and kcat as the consumer."""

import ctypes
import subprocess

PRODUCER = 0
PRODUCE = 0  # the number of the request in the protocol


class Cluster:
    """A mock cluster in this process: the protocol is real, the disk is not.

    It ignores security.protocol, so neither TLS nor SASL can be tried on it.
    """

    def __init__(self, topic="oauth-audit", brokers=2, partitions=3):
        self.topic, self.count = topic, brokers
        self.library = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        self.owner = ctypes.c_void_p(self.library.rd_kafka_new(PRODUCER, None, None, 0))
        self.cluster = ctypes.c_void_p(
            self.library.rd_kafka_mock_cluster_new(self.owner, brokers))
        assert self.owner and self.cluster
        self.library.rd_kafka_mock_topic_create(
            self.cluster, topic.encode(), partitions, brokers)
        self.brokers = self.library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.rd_kafka_mock_cluster_destroy(self.cluster)
        self.library.rd_kafka_destroy(self.owner)

    def set_down(self, is_down):
        """Takes all brokers away, or brings them back."""
        change = (self.library.rd_kafka_mock_broker_set_down if is_down
                  else self.library.rd_kafka_mock_broker_set_up)
        for broker in range(1, self.count + 1):
            assert change(self.cluster, broker) == 0

    def refuse(self, *errors):
        """Answers the next requests that bring messages with these errors, one each."""
        self.library.rd_kafka_mock_push_request_errors_array(
            self.cluster, PRODUCE, ctypes.c_size_t(len(errors)),
            (ctypes.c_int * len(errors))(*errors))

    def export(self, *arguments):
        """What `kcat -C -e -o beginning` prints of the topic."""
        done = subprocess.run(
            ["kcat", "-b", self.brokers, "-C", "-t", self.topic, "-o", "beginning", "-e", "-q",
             *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout
