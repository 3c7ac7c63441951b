# SPDX-License-Identifier: Apache-2.0
"""Receivers that others wrote and that PyPI has as programs, run on loopback."""

import json
import re
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import boto3
import requests
from botocore.config import Config

LIMIT = 60.0


def reserve_ports(count):
    """Ports on loopback that nobody had a moment ago, each another one."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Program:
    """A program that writes into a file; start it with `with`."""

    def __init__(self, folder, name):
        self.output = Path(folder) / f"{name}.log"

    def start(self, command, is_up):
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=self.output.parent)
        self.wait_for(is_up, "an answer")
        return self

    def wait_for(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert self.process.poll() is None and time.monotonic() < deadline, (
                f"{what} did not come\n{self.text()[-2000:]}")
            time.sleep(0.05)

    def text(self):
        return self.output.read_text(errors="replace")

    def __exit__(self, *_):
        # It has nothing to keep, and some take long to say farewell.
        self.process.kill()
        self.process.wait()


class Rotel(Program):
    """Rotel, a collector of OpenTelemetry that prints the records it takes."""

    def __init__(self, folder):
        super().__init__(folder, "rotel")
        self.port, self.grpc = reserve_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        program = Path(sysconfig.get_paths()["platlib"]) / "rotel" / "rotel-agent"
        return self.start(
            [str(program), "start", "--otlp-http-endpoint", f"127.0.0.1:{self.port}",
             "--otlp-grpc-endpoint", f"127.0.0.1:{self.grpc}", "--exporter", "blackhole",
             "--debug-log", "logs", "--debug-log-verbosity", "detailed"], self.is_up)

    def is_up(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def bodies(self):
        """The bodies of all records, in the order of their arrival."""
        return re.findall(r"^Body: Str\((.*)\)$", self.text(), re.MULTILINE)


class SeaweedFS(Program):
    """SeaweedFS, a store that speaks S3 and checks signatures, rights and locks."""

    key, secret = "AKIDEXAMPLE", "correct-horse-battery-staple"
    reader_key, reader_secret = "AKIDREADER", "only-for-reading"

    def __init__(self, folder):
        super().__init__(folder, "seaweedfs")
        self.ports = reserve_ports(8)
        self.port = self.ports[0]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        folder = self.output.parent
        (folder / "data").mkdir()
        users = [("agent", self.key, self.secret, ["Admin", "Read", "Write", "List"]),
                 ("reader", self.reader_key, self.reader_secret, ["Read", "List"])]
        (folder / "s3.json").write_text(json.dumps({"identities": [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}],
             "actions": actions} for name, key, secret, actions in users]}))
        names = ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port",
                 "volume.port.grpc", "filer.port", "filer.port.grpc"]
        program = Path(sysconfig.get_paths()["scripts"]) / "weed"
        self.start(
            [str(program), "-logtostderr=true", "server", "-filer", "-s3", "-dir=data",
             "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config=s3.json", "-volume.max=50",
             "-master.volumeSizeLimitMB=16", "-master.telemetry=false", "-s3.port.iceberg=0",
             "-s3.port.lance=0", "-s3.autoCreateBucket=false",
             *[f"-{name}={port}" for name, port in zip(names, self.ports)]], self.is_up)
        self.s3 = boto3.client(
            "s3", endpoint_url=self.url, region_name="eu-central-1", aws_access_key_id=self.key,
            aws_secret_access_key=self.secret, config=Config(s3={"addressing_style": "path"}))
        return self

    def is_up(self):
        try:
            return requests.get(self.url, timeout=5).status_code == 403
        except requests.RequestException:
            return False

    def objects(self, bucket):
        """The names and contents of all objects of a bucket."""
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {entry["Key"]: self.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                for entry in listed}
