"""A version 1 client in another language: it does what nexscope-plugin does, in Python.

Started by run.sh with the relay's address and token. Every step says what it tries; the first that fails
ends the program with code 1.
"""

import asyncio
import hashlib
import json
import sys
import urllib.parse

import websockets

ADDRESS, TOKEN = sys.argv[1], sys.argv[2]
PATIENCE = 10


def url(**query):
    return f"ws://{ADDRESS}/ws?{urllib.parse.urlencode(query)}"


async def receive(socket):
    frame = await asyncio.wait_for(socket.recv(), PATIENCE)
    return json.loads(frame) if isinstance(frame, str) else frame


async def said(socket):
    """The next frame except presence."""
    while True:
        frame = await receive(socket)
        if isinstance(frame, bytes) or frame["type"] != "presence":
            return frame


async def join(name):
    socket = await websockets.connect(url(name=name, token=TOKEN, v=1), max_size=None)
    first = await receive(socket)
    assert first["type"] == "presence" and name in first["users"], first
    return socket


async def refused(code, error, **query):
    socket = await websockets.connect(url(**query))
    frames = []
    try:
        while True:
            frames.append(await receive(socket))
    except websockets.ConnectionClosed:
        pass
    assert socket.close_code == code, (socket.close_code, code)
    assert [frame["code"] for frame in frames] == ([error] if error else []), frames


def msg(name, to, text, **more):
    return {"type": "msg", "msgId": f"{name}-{text}", "from": name, "to": to, "role": "user",
            "threadId": "t", "text": text, "hopCount": 0, "attachments": [], **more}


PASSED = 0


def passed(what):
    global PASSED
    PASSED += 1
    print("ok:", what, flush=True)


async def main():
    ann, bob = await join("ann"), await join("bob")
    assert (await receive(ann))["users"] == ["ann", "bob"]
    passed("presence")

    await refused(1008, None, name="cat", token="wrong", v=1)
    await refused(1008, "version_mismatch", name="cat", token=TOKEN, v=7)
    await refused(4012, "invalid_name", name="not a name", token=TOKEN)
    await refused(4009, "name_taken", name="ANN", token=TOKEN)
    passed("refusals")

    frame = msg("ann", [], "héllo ✓", extra={"a": [1, None]})
    await ann.send(json.dumps(frame))
    got = await said(bob)
    assert isinstance(got.pop("ts"), int) and got == frame, got
    ack = await said(ann)
    assert ack == {"type": "ack", "msgId": frame["msgId"], "threadId": "t", "delivered": ["bob"], "offline": []}, ack
    await ann.send(json.dumps(msg("ann", ["bob", "dan"], "two")))
    assert (await said(bob))["text"] == "two"
    ack = await said(ann)
    assert ack["delivered"] == ["bob"] and ack["offline"] == ["dan"], ack
    passed("messages")

    await ann.send('{"type":"ping"}')
    assert (await said(ann))["type"] == "pong"
    await ann.send("no json")
    assert (await said(ann))["code"] == "bad_json"
    await ann.send(json.dumps({**msg("ann", [], "x"), "from": "bob"}))
    assert (await said(ann))["code"] == "from_mismatch"
    passed("ping and errors")

    data = bytes(i * 7 % 251 for i in range(1_500_000))
    start = {**msg("ann", ["bob"], "a file"), "type": "file-start",
             "attachment": {"name": "a.bin", "size": len(data), "mime": "application/octet-stream",
                            "sha256": hashlib.sha256(data).hexdigest(), "chunkSize": 65536}}
    del start["attachments"]

    async def send():
        await ann.send(json.dumps(start))
        for offset in range(0, len(data), 65536):
            await ann.send(data[offset:offset + 65536])
        await ann.send(json.dumps({"type": "file-end", "msgId": start["msgId"], "from": "ann"}))

    async def take():
        first, parts = await said(bob), []
        assert first["type"] == "file-start" and first["attachment"] == start["attachment"], first
        while isinstance(part := await said(bob), bytes):
            parts.append(part)
        assert part == {"type": "file-end", "msgId": start["msgId"], "from": "ann"}, part
        assert b"".join(parts) == data

    await asyncio.gather(send(), take())
    assert (await said(ann))["delivered"] == ["bob"]
    passed("a file")

    await ann.send(json.dumps(start))
    assert (await said(bob))["type"] == "file-start"
    await bob.send(json.dumps({**start, "from": "bob", "to": ["ann"]}))
    busy = await said(bob)
    assert busy["code"] == "transfer_busy" and busy["retryAfterMs"] == 2000, busy
    await ann.close()
    gone = await said(bob)
    assert gone["code"] == "transfer_incomplete" and gone["msgId"] == start["msgId"], gone
    # With it, nexscope-plugin gives the file up and has room for the next one.
    end = await said(bob)
    assert end["type"] == "file-end" and end["msgId"] == start["msgId"], end
    await bob.send('{"type":"ping"}')
    assert (await said(bob))["type"] == "pong"
    passed("a file that breaks off")

    ann = await join("ann")
    for _ in range(10):
        await ann.send('{"type":"msg","to":[]}')
    try:
        while True:
            await receive(ann)
    except websockets.ConnectionClosed:
        pass
    assert ann.close_code == 4013, ann.close_code
    passed("ten strikes")
    await bob.close()
    print(f"{PASSED} passed, 0 failed")


asyncio.run(main())
