"""Posts a signed invocation, as a program in any language would: MessagePack, HMAC-SHA256, and HTTP.

    post.py URL KEY FUNCTION ARGUMENTS

ARGUMENTS is a JSON object. Prints the answer's status, its `Delay-Outcome`, and its `Delay-Task`.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

import msgpack

url, key, function, arguments = sys.argv[1:]
body = msgpack.packb({"function": function, "arguments": json.loads(arguments)})

message, timestamp = str(uuid.uuid4()), str(int(time.time()))
secret = base64.b64decode(key.removeprefix("whsec_"))
signed = f"{message}.{timestamp}.".encode() + body
signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()

headers = {
    "Content-Type": "application/msgpack",
    "webhook-id": message,
    "webhook-timestamp": timestamp,
    "webhook-signature": f"v1,{signature}",
}
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.headers["Delay-Outcome"], answer.headers["Delay-Task"])
