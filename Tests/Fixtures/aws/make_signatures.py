#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes signatures.json: requests made up here, and what botocore signs them with.

usage: make_signatures.py [--check]

The official SDK for Python is the judge; the keys are invented. With --check nothing is written,
and the exit code is 1 when botocore signs otherwise today than the file says.
"""

import datetime
import hashlib
import json
import random
import sys
from pathlib import Path
from urllib.parse import quote

import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TABLE = Path(__file__).with_name("signatures.json")
KEY = "AKIDINVENTED00000001"
SECRET = "invented/Secret+Key0123456789abcdefghijk"
TOKEN = "invented//session+token/0123456789=="
RANDOM_CASES = 60


def case(name, service="logs", method="POST", host="logs.eu-central-1.amazonaws.com", path="/",
         query=(), headers=(), body="", token=None, region="eu-central-1",
         time="2026-11-21T11:02:07Z"):
    return {"name": name, "service": service, "region": region, "method": method, "host": host,
            "path": path, "query": [list(pair) for pair in query],
            "headers": [list(pair) for pair in headers], "body": body, "token": token,
            "time": time}


def fixed_cases():
    """One case for each rule of the signature."""
    s3 = {"service": "s3", "host": "bucket.s3.eu-central-1.amazonaws.com"}
    yield case("the least request")
    yield case("a body", body='{"logGroupName":"g"}',
               headers=[("Content-Type", "application/x-amz-json-1.1"),
                        ("X-Amz-Target", "Logs_20140328.PutLogEvents")])
    yield case("a session token", token=TOKEN, body="{}")
    yield case("another region", region="cn-north-1", host="logs.cn-north-1.amazonaws.com.cn")
    yield case("a new year's day", time="2027-01-01T00:00:00Z")
    yield case("a port", host="127.0.0.1:4566")
    yield case("spaces in a value", headers=[("X-Words", "  a   b \t c  ")])
    yield case("an empty value", headers=[("X-Empty", "")])
    yield case("headers that are not signed",
               headers=[("User-Agent", "anyone"), ("Expect", "100-continue"), ("X-B", "1"),
                        ("x-a", "2")])
    yield case("a path with dots", path="/a/./b/../c/")
    yield case("a path with double slashes", path="//a//b")
    yield case("a path that is encoded already", path="/a%20b/%C3%A9")
    yield case("a path out of the root", path="/../..")
    yield case("unreserved characters", path="/a-b_c.d~e")
    yield case("a query", method="GET", query=[("b", "2"), ("a", "1"), ("a", "0"), ("A", "3")])
    yield case("a query to encode", method="GET",
               query=[("name", "a b/c=d&e+f"), ("é", "ü~"), ("empty", "")])
    yield case("a query of names that are prefixes", method="GET",
               query=[("a-b", "1"), ("a", "2"), ("aB", "3"), ("a.", "4")])
    yield case("an object", method="PUT", path="/sealtail/a/b.ndjson.gz", body="x\n", **s3)
    yield case("an object with a token", method="PUT", path="/k", body="x", token=TOKEN, **s3)
    yield case("an object whose key is encoded", method="PUT",
               path="/sealtail/name%20%2B%3D%28%29%2A/x", body="x", **s3)
    yield case("an object whose key has dots and slashes", method="PUT", path="/a/../b//c/./d",
               body="x", **s3)
    yield case("an object with all headers", method="PUT", path="/k", body="x", headers=[
        ("Content-Type", "application/gzip"), ("X-Amz-Checksum-Sha256", "47DEQpj8HBSa+/TI="),
        ("X-Amz-Object-Lock-Mode", "COMPLIANCE"),
        ("X-Amz-Object-Lock-Retain-Until-Date", "2027-11-21T11:02:07Z"),
        ("X-Amz-Server-Side-Encryption", "aws:kms"), ("X-Amz-Storage-Class", "STANDARD_IA")],
        **s3)
    yield case("a list of objects", method="GET", path="/",
               query=[("prefix", "sealtail/a b"), ("list-type", "2"), ("max-keys", "1")], **s3)
    yield case("a bucket in the path", method="GET", path="/bucket", service="s3",
               host="192.0.2.7:9000", query=[("list-type", "2")])


def random_cases():
    """Requests that nobody thought of; the same on each run."""
    dice = random.Random(20261121)
    letters = "abcXYZ019-._~ !*'()=+&/%é$,:@;"

    def word(least=0, most=12):
        return "".join(dice.choice(letters) for _ in range(dice.randint(least, most)))
    for number in range(RANDOM_CASES):
        service = dice.choice(["logs", "s3"])
        start = datetime.datetime(2026, 1, 1) + datetime.timedelta(
            seconds=dice.randrange(10**9))
        yield case(
            f"random {number}", service=service, method=dice.choice(["GET", "PUT", "POST"]),
            host=f"h{number}.example.com", path="/" + quote(word(0, 20), safe="/"),
            query=[(word(1), word()) for _ in range(dice.randint(0, 4))],
            headers=[(f"X-H{place}", word().replace("é", "e").replace("%", " "))
                     for place in range(dice.randint(0, 4))],
            body=word(0, 40), token=TOKEN if dice.random() < 0.3 else None,
            region=dice.choice(["us-east-1", "eu-central-1"]),
            time=start.strftime("%Y-%m-%dT%H:%M:%SZ"))


def sign(request):
    """What botocore adds to a request."""
    moment = datetime.datetime.strptime(request["time"], "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *_, **__: moment
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
                     for name, value in request["query"])
    url = f"https://{request['host']}{request['path']}" + (f"?{pairs}" if pairs else "")
    made = AWSRequest(method=request["method"], url=url, data=request["body"].encode(),
                      headers=dict(request["headers"]))
    credentials = Credentials(KEY, SECRET, request["token"])
    signer = S3SigV4Auth if request["service"] == "s3" else SigV4Auth
    signer(credentials, request["service"], request["region"]).add_auth(made)
    added = {name: made.headers[name] for name in (
        "X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token", "Authorization")
        if name in made.headers}
    assert request["service"] != "s3" or added["X-Amz-Content-SHA256"] == hashlib.sha256(
        request["body"].encode()).hexdigest()
    return added


def main():
    cases = [{**request, "added": sign(request)}
             for request in [*fixed_cases(), *random_cases()]]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases)
    head = json.dumps({"access_key_id": KEY, "secret_access_key": SECRET})[:-1]
    text = f'{head}, "cases": [\n{lines}\n]}}\n'
    if "--check" in sys.argv[1:]:
        sys.exit(TABLE.read_text() != text)
    TABLE.write_text(text)


if __name__ == "__main__":
    main()
