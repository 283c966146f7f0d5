"""Whole, verified files from a topic: python examples/plain_reader.py BOOTSTRAP TOPIC FOLDER (see docs/wire.md)"""

import sys
from pathlib import Path
from uuid import uuid4

from blake3 import blake3
from confluent_kafka import Consumer

bootstrap, topic, root = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
reader = Consumer({"bootstrap.servers": bootstrap, "group.id": str(uuid4()), "auto.offset.reset": "earliest"})
reader.subscribe([topic])
begun = set()  # generations: the versions of files whose first chunk has come
unfinished = {}  # for each path its newest generation and the chunks so far, in memory until they are whole

while True:
    message = reader.poll(1.0)
    header = {} if message is None else dict(message.headers() or [])  # `if message` is false for an empty file
    if header.get("oms") != b"1" or message.key() is None or message.value() is None:
        continue  # nothing has come, or nothing that is for us
    path, generation, index = message.key(), header.get("gen"), header.get("chunk")
    if index == b"0" and generation not in begun:
        begun.add(generation)  # of two versions, the one that begins later in the topic is the newer one
        unfinished[path] = (generation, [])
    newest, chunks = unfinished.get(path, (None, []))
    if newest is None or newest != generation:
        continue  # an older version, or one whose beginning is gone
    if "abandoned" in header:
        del unfinished[path]
    elif index == b"%d" % len(chunks):  # else it was sent twice
        chunks.append(message.value())
        if "last" in header:
            content = b"".join(unfinished.pop(path)[1])
            same = header.get("digest") == b"blake3:" + blake3(content).hexdigest().encode()
            target = (root / path.decode(errors="replace").replace("\0", "?")).resolve()
            if same and root in target.parents:  # a path from a topic may try to lead anywhere
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            print("wrote" if same and root in target.parents else "refused", target, len(content), flush=True)
