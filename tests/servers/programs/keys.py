"""keys.py PORT COUNT: the client of redis; nobody goes on before all are connected and wait."""

import sys

import crowd
import redis

port, count = int(sys.argv[1]), int(sys.argv[2])
client = redis.Redis(port=port, socket_timeout=60, max_connections=count + 1)
client.flushall()


def job(n):
    if client.incr("arrived") == count:
        client.rpush("go", *["now"] * count)
    assert client.blpop("go", 60) == (b"go", b"now")
    with client.pipeline() as pipe:
        pipe.set(f"key{n}", b"%d" % n * 1000).get(f"key{n}").hset(f"hash{n}", mapping={"a": n, "b": n * n}).hgetall(f"hash{n}")
        answers = pipe.execute()
    client.zadd("ranks", {f"member{n}": n})
    while True:  # until nobody else has changed it meanwhile
        with client.pipeline() as pipe:
            pipe.watch("sum")
            before = int(pipe.get("sum") or 0)
            pipe.multi()
            pipe.set("sum", before + n)
            try:
                pipe.execute()
                break
            except redis.WatchError:
                pass
    return [answers[0], len(answers[1]), answers[2], {k.decode(): v.decode() for k, v in answers[3].items()}]


crowd.together(count, job)
assert int(client.get("sum")) == sum(range(count)) and client.zcard("ranks") == count
