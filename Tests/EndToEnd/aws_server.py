# SPDX-License-Identifier: Apache-2.0
"""Runs moto, an emulator of AWS, on loopback, with signatures and rights enforced.

moto lets in so many requests before it begins to look at signatures; these make a user with the
rights that a test asks for. The rest of a test asks as that user, or as one with all rights.
"""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import requests
from botocore.config import Config

from agent import free_port

REGION = "eu-central-1"
START_LIMIT = 60.0
SET_UP_ACTIONS = 8
ALLOW_ALL = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


class AWSServer:
    """One emulator on one port, empty at the start."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.output = open(self.folder / "moto.log", "wb")
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP_ACTIONS),
                       "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(64 << 20)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=self.output, stderr=subprocess.STDOUT, env=environment)
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                requests.get(self.url + "/moto-api/data.json", timeout=5)
                break
            except requests.RequestException:
                assert self.process.poll() is None, (self.folder / "moto.log").read_text()
                assert time.monotonic() < deadline, "moto did not come up"
                time.sleep(0.05)
        # The first request without credentials that moto counts is let in, so is each up to the
        # limit: two users take three each, and the last two are spent.
        anyone = self.client("iam", "none", "none")
        self.key, self.secret = self.make_user(anyone, "agent", ALLOW_ALL)
        self.weak_key, self.weak_secret = self.make_user(anyone, "stranger", [
            {"Effect": "Deny", "Action": "*", "Resource": "*"}])
        for _ in range(2):
            anyone.list_users()
        self.logs = self.client("logs", self.key, self.secret)
        self.s3 = self.client("s3", self.key, self.secret)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.output.close()

    def client(self, service, key, secret):
        """A client of the official SDK for this server."""
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))

    def make_user(self, iam, name, statements):
        """A user with these rights, as (key, secret)."""
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": statements}))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def messages(self, group):
        """All messages of a log group, in the order of time."""
        found = []
        for stream in self.logs.describe_log_streams(logGroupName=group)["logStreams"]:
            token = {}
            while True:
                page = self.logs.get_log_events(
                    logGroupName=group, logStreamName=stream["logStreamName"],
                    startFromHead=True, **token)
                if not page["events"]:
                    break
                found += [(event["timestamp"], event["message"]) for event in page["events"]]
                token = {"nextToken": page["nextForwardToken"]}
        return found

    def objects(self, bucket):
        """All objects of a bucket, {key: bytes}."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


class InstanceMetadata:
    """The metadata service of an instance, in its second version, for one pair of keys."""

    ROLES = "/latest/meta-data/iam/security-credentials/"

    def __init__(self, key, secret):
        service = self
        self.paths = []
        document = json.dumps({
            "Code": "Success", "AccessKeyId": key, "SecretAccessKey": secret,
            "Expiration": "2099-01-01T00:00:00Z"})
        answers = {("PUT", "/latest/api/token"): "session", ("GET", self.ROLES): "audit",
                   ("GET", self.ROLES + "audit"): document}

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                service.paths.append(self.path)
                text = answers.get((self.command, self.path))
                needed = ("X-aws-ec2-metadata-token-ttl-seconds" if self.command == "PUT"
                          else "X-aws-ec2-metadata-token")
                status = 404 if text is None else 200 if self.headers[needed] else 401
                body = (text or "").encode() if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = answer

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
