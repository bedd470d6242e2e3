"""Reads the stored payload of a task: read.py FILE TASK. Prints it as JSON."""

import json
import sqlite3
import sys
import uuid

import msgpack

file, task = sys.argv[1:]
connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
[payload] = connection.execute("SELECT payload FROM delay_task WHERE id = ?", [uuid.UUID(task).bytes]).fetchone()
print(json.dumps(msgpack.unpackb(payload)))
