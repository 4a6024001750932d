"""Keys with the same {tag} lie on one shard: commands and transactions about several of them work with any number of shards,
but in data directories of before, whose keys stay where they are."""

import pytest
import redis

import harness

TAGS = [f"tag{number}" for number in range(12)]


def connect(broker):
    return redis.Redis(broker.host, broker.redis_port, decode_responses=True, socket_timeout=20)


def use_together(client, tag):
    keys = [f"a{{{tag}}}{number}" for number in range(20)] + [f"{{{tag}}}", tag]
    client.mset({key: tag for key in keys})
    assert client.mget(keys) == [tag] * len(keys)
    with client.pipeline(transaction=True) as pipe:
        for key in keys:
            pipe.append(key, "+")
        assert pipe.execute() == [len(tag) + 1] * len(keys)
    stream = f"{{{tag}}}stream"
    with client.pipeline(transaction=True) as pipe:
        pipe.xadd(stream, {"a": tag})
        pipe.set(keys[0], "moved")
        pipe.execute()
    assert client.eval("redis.call('SET', KEYS[1], redis.call('XLEN', KEYS[2])) return redis.call('GET', KEYS[1])",
                       2, keys[1], stream) == str(client.xlen(stream))
    return keys


@pytest.mark.parametrize("shards", [2, 3])
def test_keys_of_a_tag_lie_together(tmp_path, shards):
    broker = harness.Broker(shards=shards, root=tmp_path).start()
    try:
        with connect(broker) as client:
            for tag in TAGS:
                use_together(client, tag)
        for again in (shards, 1, 2):
            broker.shards = again
            broker.restart(kill=again == 1)
            with connect(broker) as client:
                for tag in TAGS:
                    assert client.get(f"a{{{tag}}}0") == "moved" and client.get(tag) == f"{tag}+"
                    assert client.xlen(f"{{{tag}}}stream") > 0
                    use_together(client, tag)
    finally:
        broker.close()


def test_only_the_first_part_in_braces_counts(tmp_path):
    broker = harness.Broker(shards=8, root=tmp_path).start()
    try:
        with connect(broker) as client:
            for first, second in (("x", "{x}{y}"), ("x", "a{x}b}"), ("{y", "{{y}}")):
                client.mset({first: "1", second: "2"})
            # No tag: the whole name counts, so that many such names lie on several shards.
            for form in ("{{}}{}", "{{{}", "}}{{{}"):
                with pytest.raises(redis.ResponseError, match="several shards"):
                    client.mget([form.format(number) for number in range(50)])
    finally:
        broker.close()


@pytest.mark.parametrize("shards", [1, 2])
def test_an_old_directory_keeps_its_places(tmp_path, shards):
    broker = harness.Broker(shards=shards, root=tmp_path)
    try:
        broker.data_directory.mkdir()
        (broker.data_directory / "FORMAT").write_text("trivium data directory, format 1\n")
        broker.start()
        names = [f"{{tag}}{number}" for number in range(50)]
        with connect(broker) as client:
            for name in names:
                client.set(name, name)
                client.xadd(name + "stream", {"a": name})
            if shards > 1:
                with pytest.raises(redis.ResponseError, match="several shards"):
                    client.mget(names)
        for again in (2, 3, 1):
            broker.shards = again
            broker.restart(kill=True)
            with connect(broker) as client:
                assert [client.get(name) for name in names] == names
                assert all(client.xlen(name + "stream") == 1 for name in names)
        assert (broker.data_directory / "FORMAT").read_text() == "trivium data directory, format 1\n"
    finally:
        broker.close()
