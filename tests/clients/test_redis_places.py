"""Places (GEO...) and counting different elements (PF...) with redis-py.

The `client` tests also run against redis-server with PEERS set: what is expected are its answers.
"""

import random

import pytest
import redis

SICILY = (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=20,
                     decode_responses=True) as client:
        yield client


def refused(client, match, *command):
    with pytest.raises(redis.ResponseError, match=match):
        client.execute_command(*command)


def test_places(client, name):
    assert client.execute_command("GEOADD", name, *SICILY) == 2
    assert client.execute_command("GEOADD", name, "NX", *SICILY) == 0
    assert client.execute_command("GEOADD", name, "XX", "CH", 13.5, 38.1, "Palermo", 1, 1, "new") == 1
    assert client.execute_command("GEOADD", name, *SICILY) == 0
    assert client.zscore(name, "Palermo") == 3479099956230698
    assert client.geohash(name, "Palermo", "Catania", "none") == ["sqc8b49rny0", "sqdtr74hyu0", None]
    assert client.geodist(name, "Palermo", "Catania") == pytest.approx(166274.1516)
    assert client.geodist(name, "Palermo", "Catania", "mi") == pytest.approx(103.3182)
    assert client.geodist(name, "Palermo", "none") is None and client.geodist(name + "x", "a", "b") is None
    places = client.geopos(name, "Palermo", "none")
    assert places[0] == pytest.approx((13.36138933897018433, 38.11555639549629859)) and places[1] is None
    assert client.geopos(name) == []


def test_bytes_of_positions(broker, name):
    with redis.Redis(broker.host, broker.redis_port, single_connection_client=True) as client:
        client.execute_command("GEOADD", name, *SICILY)
        client.response_callbacks.clear()
        assert client.execute_command("GEOPOS", name, "Catania") == [
            [b"15.08726745843887329", b"37.50266842333162032"]]
        assert client.execute_command("GEODIST", name, "Palermo", "Catania", "KM") == b"166.2742"
        assert client.execute_command("GEOSEARCH", name, "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "DESC", "WITHCOORD",
                                      "WITHDIST", "WITHHASH") == [
            [b"Palermo", b"190.4424", 3479099956230698, [b"13.36138933897018433", b"38.11555639549629859"]],
            [b"Catania", b"56.4413", 3479447370796909, [b"15.08726745843887329", b"37.50266842333162032"]]]


def test_searches(client, name):
    client.execute_command("GEOADD", name, *SICILY)
    client.execute_command("GEOADD", name, 12.758489, 38.788135, "edge1", 17.241510, 38.788135, "edge2")
    search = client.geosearch
    assert search(name, longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == ["Catania", "Palermo"]
    box = dict(longitude=15, latitude=37, width=400, height=400, unit="km")
    assert search(name, **box, sort="ASC") == ["Catania", "Palermo", "edge2", "edge1"]
    assert search(name, **box, count=1) == ["Catania"] and len(search(name, **box, count=3, any=True)) == 3
    assert search(name, member="Palermo", radius=100, unit="km", sort="DESC") == ["edge1", "Palermo"]
    assert search(name + "x", member="Palermo", radius=100, unit="km") == []
    assert client.georadius(name, 15, 37, 200, "km", sort="ASC") == ["Catania", "Palermo"]
    assert client.georadiusbymember(name, "Palermo", 200, "km", sort="DESC")[-1] == "Palermo"
    assert client.execute_command("GEORADIUS_RO", name, 15, 37, 100, "km") == ["Catania"]
    assert client.execute_command("GEORADIUSBYMEMBER_RO", name, "Catania", 1, "km") == ["Catania"]


def test_storing(client, name):
    source, target = f"{{{name}}}s", f"{{{name}}}t"
    client.execute_command("GEOADD", source, *SICILY)
    assert client.geosearchstore(target, source, longitude=15, latitude=37, radius=200, unit="km") == 2
    assert client.geohash(target, "Palermo") == ["sqc8b49rny0"]
    assert client.geosearchstore(target, source, longitude=15, latitude=37, radius=200, unit="km", storedist=True) == 2
    assert client.zscore(target, "Catania") == pytest.approx(56.4412578701582)
    assert client.georadius(source, 15, 37, 100, "km", store_dist=target) == 1 and client.zcard(target) == 1
    assert client.georadiusbymember(source, "Palermo", 1, "m", store=target) == 1
    assert client.geosearchstore(target, source, longitude=100, latitude=0, radius=1, unit="m") == 0
    assert not client.exists(target)


def test_what_is_refused(client, name):
    client.execute_command("GEOADD", name, *SICILY)
    refused(client, "invalid longitude,latitude pair 181.000000,0.000000", "GEOADD", name, 181, 0, "a")
    refused(client, "syntax error", "GEOADD", name, 1, 0, "a", 1)
    refused(client, "syntax error", "GEOADD", name, "NX", "XX", 1, 0, "a")
    refused(client, "not a valid float", "GEOADD", name, "x", 0, "a")
    refused(client, "unsupported unit provided. please use M, KM, FT, MI", "GEODIST", name, "a", "b", "yards")
    refused(client, "exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH", "GEOSEARCH", name,
            "BYRADIUS", 1, "m", "ASC", "ASC")
    refused(client, "exactly one of BYRADIUS and BYBOX can be specified for geosearch", "geosearch", name, "FROMLONLAT",
            1, 1, "ASC", "ASC")
    refused(client, "the ANY argument requires COUNT argument", "GEORADIUS", name, 1, 1, 1, "m", "ANY")
    refused(client, "COUNT must be > 0", "GEORADIUS", name, 1, 1, 1, "m", "COUNT", 0)
    refused(client, "need numeric radius", "GEORADIUS", name, 1, 1, "x", "m")
    refused(client, "radius cannot be negative", "GEORADIUS", name, 1, 1, -1, "m")
    refused(client, "height or width cannot be negative", "GEOSEARCH", name, "FROMLONLAT", 1, 1, "BYBOX", 1, -1, "m")
    refused(client, "could not decode requested zset member", "GEORADIUSBYMEMBER", name, "none", 1, "m")
    refused(client, "STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            "GEORADIUS", name, 1, 1, 1, "m", "WITHDIST", "STORE", name)
    refused(client, "syntax error", "GEORADIUS_RO", name, 1, 1, 1, "m", "STORE", name)
    client.set(name, "x")
    refused(client, "WRONGTYPE", "GEOADD", name, *SICILY)
    refused(client, "WRONGTYPE", "GEOSEARCH", name, "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m")


@pytest.mark.parametrize("seed", range(8))
def test_searches_find_what_is_within(client, name, seed):
    """Against the distances that GEODIST tells, also across the date line and near the poles."""
    rng = random.Random(seed)
    spread = rng.choice([0.001, 0.5, 20, 180])
    at = (rng.uniform(-180, 180), rng.choice([0, 45, 84.9, -84.9, rng.uniform(-85, 85)]))
    places = [at[0], at[1], "center"]
    for number in range(150):
        longitude = (at[0] + rng.uniform(-spread, spread) + 540) % 360 - 180
        latitude = max(-85.0, min(85.0, at[1] + rng.uniform(-spread, spread)))
        places += [longitude, latitude, f"p{number}"]
    client.execute_command("GEOADD", name, *places)
    for _ in range(6):
        radius = 10 ** rng.uniform(0, 7.4)
        got = client.geosearch(name, member="center", radius=radius, unit="m", withdist=True)
        expected = {}
        for member in places[2::3]:
            distance = client.geodist(name, "center", member, "m")
            if distance <= radius:
                expected[member] = distance
        assert {member: distance for member, distance in got} == expected


def test_the_order_of_what_is_not_sorted(client, name):
    """Redis looks at nine areas, that of the center first, each from its lowest cell on."""
    target = f"{{{name}}}t"
    for number, member in enumerate("abcdefghijklmnopqrstuvwxyzABCDEF"):
        client.execute_command("GEOADD", name, -157.5 + 45 * (number % 8), -60 + 40 * (number // 8), member)

    def found(*words):
        return "".join(client.execute_command("GEOSEARCH", name, "FROMLONLAT", *words, "km"))

    assert found(179.9, 0, "BYBOX", 9000, 30000) == "xEFghpqyzabi"
    assert found(170, -40, "BYBOX", 9000, 12000) == "ghpabi"
    assert found(0.1, 0.1, "BYRADIUS", 30000) == "uvCDwxEFefmnghopqryzstABabijcdkl"
    assert found(-20, 30, "BYRADIUS", 6500) == "stABluC"
    assert found(10, 80, "BYRADIUS", 3000) == "CDB" == "".join(client.georadius(name, 10, 80, 3000, "km"))
    any_three = client.geosearch(name, longitude=0.1, latitude=0.1, radius=30000, unit="km", count=3, any=True)
    assert any_three == ["u", "v", "C"]
    # Those with STORE are as many as asked for, of these.
    client.execute_command("GEOSEARCHSTORE", target, name, "FROMLONLAT", 10, 80, "BYRADIUS", 3000, "km", "COUNT", 2, "ANY")
    assert sorted(client.zrange(target, 0, -1)) == ["C", "D"]


def test_nothing_is_left_out(broker, name):
    """Redis leaves out what lies on 180 degrees of longitude."""
    with redis.Redis(broker.host, broker.redis_port, decode_responses=True) as client:
        client.execute_command("GEOADD", name, 180, 10, "limit", 179, 10, "west", -179, 10, "east")
        for longitude in (180, 179, -179):
            found = client.geosearch(name, longitude=longitude, latitude=10, radius=500, unit="km")
            assert sorted(found) == ["east", "limit", "west"]


def test_counting(client, name):
    key, other, sum_ = (f"{{{name}}}{letter}" for letter in "abc")
    assert client.pfadd(key) == 1 and client.pfadd(key) == 0 and client.pfcount(key) == 0
    assert client.pfadd(key, "a", "b", "c") == 1 and client.pfadd(key, "a", "b") == 0 and client.pfcount(key) == 3
    assert client.pfadd(other, "c", "d") == 1 and client.pfcount(key, other, name) == 4
    assert client.pfmerge(sum_, key, other) and client.pfcount(sum_) == 4 and client.pfcount(name + "none") == 0
    client.expire(key, 100)
    client.pfadd(key, "z")
    assert client.ttl(key) > 0 and client.type(key) == "string"
    with client.pipeline(transaction=False) as pipe:
        for start in range(0, 30_000, 500):
            pipe.pfadd(other, *(f"element{number}" for number in range(start, start + 500)))
        pipe.execute()
    assert client.pfcount(other) == pytest.approx(30_002, rel=0.02) and client.strlen(other) == 12304


def test_its_bytes_go_from_string_to_string(broker, name):
    with redis.Redis(broker.host, broker.redis_port) as client:
        key, copy = f"{{{name}}}a", f"{{{name}}}b"
        client.pfadd(key, *range(700))
        client.set(copy, client.get(key))
        assert client.pfadd(copy, *range(700)) == 0 and client.pfcount(copy) == client.pfcount(key)
        client.set(copy, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x42")
        with pytest.raises(redis.ResponseError, match="Corrupted HLL object detected"):
            client.pfcount(copy)
        for text in (b"", b"x" * 30, b"HYLL\x00\0\0\0\0\0\0\0\0\0\0\x80\x42"):
            client.set(copy, text)
            with pytest.raises(redis.ResponseError, match="not a valid HyperLogLog string value"):
                client.pfadd(copy, "x")


def test_known_bytes(broker, name):
    """As redis-server 7.0.15 keeps them."""
    with redis.Redis(broker.host, broker.redis_port) as client:
        client.pfadd(name, "a", "b", "c")
        assert client.get(name) == KNOWN


KNOWN = b"HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ"
