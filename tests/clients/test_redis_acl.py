"""ACL with redis-py, on one shard and on several: users that Redis clients make and those of the other protocols, what they
may do at the top level, in transactions, in scripts and while they wait, and that all of it outlives kill -9.
"""

import socket
import threading
import time

import harness
import pika
import pytest
import redis
import redis.backoff
import redis.retry
from httpapi import Api

DENIED = redis.exceptions.NoPermissionError


@pytest.fixture(params=[1, 2])
def server(request):
    broker = harness.Broker(shards=request.param).start()
    yield broker
    broker.check_alive()
    broker.close()


@pytest.fixture
def connect(server):
    made = []

    def one(user=None, password="secret", protocol=2):
        made.append(redis.Redis(server.host, server.redis_port, username=user, password=password if user else None,
                                protocol=protocol, socket_timeout=20, decode_responses=True,
                                # Else what is refused is asked again and again.
                                retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0)))
        return made[-1]

    yield one
    for client in made:
        client.close()


@pytest.fixture
def admin(connect):
    return connect()


def names_on_each_shard(server):
    """Enough names that every shard has some."""
    return [f"key{i}" for i in range(8)]


def test_users_are_made_told_and_removed(connect, admin):
    assert admin.acl_whoami() == "default"
    assert admin.acl_list() == [
        "user default on nopass ~* &* +@all", "user guest on sanitize-payload ~* &* +@all"]
    assert admin.acl_setuser("lara", enabled=True, passwords=["+secret", "+other"], keys=["a*"], channels=["ch.*"],
                             categories=["+@read"], commands=["+set", "+acl|whoami", "-get"],
                             selectors=[("+set", "~only")])
    told = admin.acl_getuser("lara")
    assert told["flags"] == ["on", "sanitize-payload"]
    assert len(told["passwords"]) == 2
    assert (told["keys"], told["channels"]) == (["~a*"], ["&ch.*"])
    assert (told["categories"], told["commands"]) == (["-@all", "+@read"], ["+set", "+acl|whoami", "-get"])
    assert admin.acl_users() == ["default", "guest", "lara"]
    assert admin.acl_getuser("nobody") is None
    lara = connect("lara")
    assert lara.acl_whoami() == "lara"
    assert {one["user"] for one in admin.client_list()} == {"default", "lara"}
    assert connect("lara", "other").acl_whoami() == "lara"
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect("lara", "wrong").ping()
    assert admin.acl_deluser("lara", "nobody") == 1
    assert admin.acl_users() == ["default", "guest"]
    with pytest.raises(redis.exceptions.ConnectionError):
        lara.acl_whoami()
    with pytest.raises(redis.exceptions.ResponseError, match="The 'default' user cannot be removed"):
        admin.acl_deluser("default")
    with pytest.raises(redis.exceptions.ResponseError, match="Syntax error"):
        admin.execute_command("ACL", "SETUSER", "x", "foo")
    assert admin.acl_users() == ["default", "guest"], "what is refused makes nobody"


def test_keys_channels_and_commands_are_checked(connect, admin, server):
    names = names_on_each_shard(server)
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "~key*", "%R~seen*", "&ch.*", "+@all", "-@admin", "-expire")
    lara = connect("lara")
    for name in names:
        assert lara.set(name, 1)
        assert lara.get(f"seen{name}") is None
        with pytest.raises(DENIED, match="No permissions to access a key"):
            lara.set(f"seen{name}", 1)
        with pytest.raises(DENIED, match="No permissions to access a key"):
            lara.get(f"other{name}")
    with pytest.raises(DENIED, match="User lara has no permissions to run the 'expire' command"):
        lara.expire("key1", 10)
    with pytest.raises(DENIED, match="'acl|setuser'"):
        lara.execute_command("ACL", "SETUSER", "lara", "allkeys")
    with pytest.raises(DENIED, match="No permissions to access a channel"):
        lara.publish("other", "m")
    lara.publish("ch.a", "m")
    assert admin.acl_dryrun("lara", "SET", "key1", "v") == "OK"
    assert "no permissions to access the 'other' key" in admin.acl_dryrun("lara", "SET", "other", "v")
    log = admin.acl_log(100)
    assert {(one["reason"], one["context"], one["username"]) for one in log} >= {
        ("key", "toplevel", "lara"), ("command", "toplevel", "lara"), ("channel", "toplevel", "lara")}
    assert {one["object"] for one in log} >= {"expire", "acl|setuser", "other", "seenkey1", "otherkey1"}
    assert all("lara" in str(one["client-info"]) for one in log)
    assert admin.acl_log_reset()
    assert admin.acl_log() == []
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect("lara", "wrong").ping()
    (entry,) = admin.acl_log()
    assert (entry["reason"], entry["object"], entry["username"]) == ("auth", "AUTH", "lara")
    assert entry["count"] == 1


def test_transactions_are_checked_twice(connect, admin, server):
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "~key*", "+@all", "-@admin")
    for name in names_on_each_shard(server):
        lara = connect("lara").connection_pool.get_connection()

        def ask(*words, one=lara):
            one.send_command(*words)
            return one.read_response()

        ask("MULTI")
        with pytest.raises(DENIED):
            ask("SET", "other", 1)
        with pytest.raises(redis.exceptions.ExecAbortError):
            ask("EXEC")
        ask("MULTI")
        assert ask("INCR", name) == "QUEUED"
        assert ask("GET", name) == "QUEUED"
        admin.execute_command("ACL", "SETUSER", "lara", "-incr")
        changed, read = ask("EXEC")
        assert isinstance(changed, redis.exceptions.ResponseError) and "no longer allowed" in str(changed), changed
        assert read is None, "what was forbidden meanwhile has not run"
        admin.execute_command("ACL", "SETUSER", "lara", "+incr")
    assert {one["context"] for one in admin.acl_log(100)} == {"multi"}


def test_scripts_are_checked(connect, admin, server):
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "~key*", "+@all", "-@admin", "-expire")
    lara = connect("lara")
    for name in names_on_each_shard(server):
        assert lara.eval("return redis.call('incr', KEYS[1])", 1, name) == 1
        with pytest.raises(redis.exceptions.ResponseError, match="ACL failure in script: User lara has no permissions to run the 'expire' command"):
            lara.eval("return redis.call('expire', KEYS[1], 10)", 1, name)
        with pytest.raises(redis.exceptions.ResponseError, match="ACL failure in script: No permissions to access a key"):
            lara.eval("return redis.call('get', 'other')", 1, name)
        assert lara.eval("return {redis.acl_check_cmd('get', KEYS[1]), redis.acl_check_cmd('expire', KEYS[1], 1)}", 1, name) == [1, None]
        with pytest.raises(DENIED):
            lara.eval("return 1", 1, "other")
        assert admin.ttl(name) == -1
    assert {one["context"] for one in admin.acl_log(100)} == {"lua", "toplevel"}


def test_who_waits_is_checked_again(connect, admin, server):
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "~*", "+@all")
    for name in names_on_each_shard(server):
        lara = connect("lara").connection_pool.get_connection()
        lara.send_command("BLPOP", name, 0)
        while not any(one["flags"] == "b" for one in admin.client_list()):
            time.sleep(0.01)
        admin.execute_command("ACL", "SETUSER", "lara", "-blpop")
        admin.rpush(name, "v")
        with pytest.raises(DENIED, match="'blpop'"):
            lara.read_response()
        assert admin.lrange(name, 0, -1) == ["v"]
        admin.execute_command("ACL", "SETUSER", "lara", "+blpop")


def ends(sock):
    """Whether the server closes the connection."""
    sock.settimeout(10)
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_who_is_gone_or_lost_its_channels_is_disconnected(server, admin):
    def plain(*lines):
        sock = socket.create_connection((server.host, server.redis_port))
        sock.settimeout(10)
        for line, answer in lines:
            sock.sendall(line.encode() + b"\r\n")
            got = b""
            while answer.encode() not in got:
                more = sock.recv(4096)
                assert more, got
                got += more
        return sock

    for _ in range(4):
        admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "resetchannels", "&a", "&b", "~*", "+@all")
        login = ("AUTH lara secret", "+OK")
        listens = [plain(login, (f"SUBSCRIBE {name}", ":1")) for name in "ab"]
        idle = plain(login)
        admin.execute_command("ACL", "SETUSER", "lara", "resetchannels", "&a")
        assert ends(listens[1])
        admin.publish("a", "still there")
        assert b"still there" in listens[0].recv(4096)
        idle.sendall(b"PING\r\n")
        assert idle.recv(100) == b"+PONG\r\n"
        assert admin.execute_command("ACL", "DELUSER", "lara") == 1
        assert ends(listens[0]) and ends(idle)
    # Who removes itself is told so.
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "+acl")
    own = plain(("AUTH lara secret", "+OK"), ("ACL DELUSER lara", ":1"))
    assert ends(own)


@pytest.mark.parametrize("kill", [False, True])
def test_users_outlive_the_broker(server, connect, admin, kill):
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", ">other", "~key*", "&c", "+@read", "+select|0", "(~b) +set)")
    admin.execute_command("ACL", "SETUSER", "locked", ">secret", "skip-sanitize-payload")
    admin.execute_command("ACL", "SETUSER", "gone", "on", "nopass")
    admin.execute_command("ACL", "DELUSER", "gone")
    before = admin.acl_list()
    for _ in range(2):
        server.restart(kill=kill)
        again = connect()
        assert again.acl_list() == before
        assert connect("lara", "other").get("key1") is None
        with pytest.raises(DENIED):
            connect("lara").get("other")
        with pytest.raises(redis.exceptions.AuthenticationError):
            connect("locked").ping()
        with pytest.raises(redis.exceptions.AuthenticationError):
            connect("gone").ping()


def test_the_default_user_can_be_closed(server, connect, admin):
    admin.execute_command("ACL", "SETUSER", "chief", "on", ">secret", "~*", "&*", "+@all")
    admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">open")
    assert admin.ping(), "who is in stays in"
    for _ in range(2):
        with pytest.raises(redis.exceptions.AuthenticationError, match="Authentication required"):
            connect().ping()
        assert connect("default", "open").acl_whoami() == "default"
        server.restart(kill=True)
    chief = connect("chief")
    chief.execute_command("ACL", "SETUSER", "default", "off")
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect("default", "open").ping()
    chief.execute_command("ACL", "SETUSER", "default", "on", "nopass", "-@all", "+get", "resetkeys", "~a")
    default = connect()
    assert default.get("a") is None
    with pytest.raises(DENIED, match="User default has no permissions to run the 'set' command"):
        default.set("a", 1)
    with pytest.raises(redis.exceptions.AuthenticationError, match="without any password configured"):
        default.execute_command("AUTH", "x")


def test_users_of_the_other_protocols(server, connect, admin):
    api = Api(server.management_port)
    api.put("users/plain", {"password": "secret", "tags": ""})
    with pytest.raises(DENIED):
        connect("plain").get("r1")
    api.put("permissions/%2F/plain", {"configure": "", "write": "^w", "read": "^r"})
    plain = connect("plain")
    assert plain.get("r1") is None
    assert plain.set("w1", 1)
    for words in (("GET", "w1"), ("SET", "r1", 1), ("DEL", "w1"), ("FLUSHALL",), ("ACL", "LIST"), ("CONFIG", "GET", "*"),
                  ("ACL", "SETUSER", "plain", "+@all"), ("PUBLISH", "r1", "m")):
        with pytest.raises(DENIED):
            plain.execute_command(*words)
    # Changes over HTTP count at once.
    api.put("permissions/%2F/plain", {"configure": ".*", "write": ".*", "read": ".*"}, 204)
    assert plain.delete("w1") == 1
    # Who is not an administrator changes nobody who has tags or rights, and so none of the other protocols.
    for who in (admin,):
        for name in ("guest", "plain"):
            with pytest.raises(DENIED, match="administrator"):
                who.execute_command("ACL", "SETUSER", name, "on", ">mine")
            with pytest.raises(DENIED, match="administrator"):
                who.execute_command("ACL", "DELUSER", name)
    guest = connect("guest", "guest")
    assert guest.execute_command("ACL", "SETUSER", "plain", ">more", "resetkeys", "~r*")
    for password in ("secret", "more"):
        again = connect("plain", password)
        assert again.acl_whoami() == "plain"
        parameters = pika.ConnectionParameters(server.host, server.amqp_port,
                                               credentials=pika.PlainCredentials("plain", password))
        pika.BlockingConnection(parameters).close()
    # Both must allow it.
    api.put("permissions/%2F/plain", {"configure": ".*", "write": ".*", "read": "^r1"}, 204)
    guest.execute_command("ACL", "SETUSER", "plain", "resetkeys", "~r*")
    plain = connect("plain")
    assert plain.get("r1") is None
    for name in ("r2", "a"):
        with pytest.raises(DENIED):
            plain.get(name)
    # A password that is set over HTTP is the only one then.
    api.put("users/plain", {"password": "new", "tags": ""}, 204)
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect("plain", "more").ping()
    assert connect("plain", "new").get("r1") is None
    # Locked for all, and removed for all.
    guest.execute_command("ACL", "SETUSER", "plain", "off")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(pika.ConnectionParameters(
            server.host, server.amqp_port, credentials=pika.PlainCredentials("plain", "new")))
    waiting = connect("plain2")
    api.put("users/plain2", {"password": "secret", "tags": ""})
    api.put("permissions/%2F/plain2", {"configure": "", "write": "", "read": ""})
    assert waiting.acl_whoami() == "plain2"
    api.delete("users/plain2")
    with pytest.raises(redis.exceptions.RedisError):
        waiting.acl_whoami()
    assert guest.execute_command("ACL", "DELUSER", "plain") == 1
    assert [one["name"] for one in api.get("users")] == ["guest"]


def test_many_changes_at_once_lose_none(server, connect, admin):
    admin.execute_command("ACL", "SETUSER", "lara", "on", ">secret", "+@all")

    def add(part):
        own = connect()
        for i in range(25):
            own.execute_command("ACL", "SETUSER", "lara", f"~key-{part}-{i}")

    threads = [threading.Thread(target=add, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = str(admin.execute_command("ACL", "GETUSER", "lara"))
    missing = [f"~key-{part}-{i}" for part in range(4) for i in range(25) if f"~key-{part}-{i}" not in keys]
    assert not missing


def test_odds_and_ends(connect, admin):
    assert len(admin.acl_genpass()) == 64
    assert len(admin.acl_genpass(5)) == 2
    assert "get" in admin.acl_cat("read") and "set" not in admin.acl_cat("read")
    assert len(admin.acl_cat()) == 21
    for words, error in ((("ACL", "LOAD"), "not configured to use an ACL file"), (("ACL", "SAVE"), "not configured to use an ACL file"),
                         (("ACL", "CAT", "x"), "Unknown category 'x'"), (("ACL", "GENPASS", "0"), "positive number up to 4096"),
                         (("ACL", "SETUSER", "a b"), "Usernames can't contain spaces or null characters"),
                         (("ACL", "DRYRUN", "nobody", "get", "a"), "User 'nobody' not found"),
                         (("ACL", "DRYRUN", "default", "nothing"), "Command 'nothing' not found"),
                         (("ACL", "SETUSER", "x" * 256), "255")):
        with pytest.raises(redis.exceptions.ResponseError, match=error):
            admin.execute_command(*words)
    admin.config_set("acllog-max-len", 1)
    for i in range(3):
        with pytest.raises(redis.exceptions.AuthenticationError):
            admin.execute_command("AUTH", f"nobody{i}", "x")
    assert [one["username"] for one in admin.acl_log()] == ["nobody2"]
    three = connect(protocol=3)
    assert isinstance(three.acl_getuser("default"), dict)


def test_what_was_denied_is_counted_over_all_shards(server, connect, admin):
    admin.acl_setuser("dora", enabled=True, passwords=["+secret"], keys=["key0"], commands=["+get", "+publish", "+eval", "+client"])
    dora = connect("dora")
    refused = [lambda key=key: dora.get(key) for key in names_on_each_shard(server)[1:]]
    refused += [lambda: dora.set("key0", "x"), lambda: dora.publish("ch", "x"), lambda: dora.delete("key0")]
    for one in refused:
        with pytest.raises(DENIED):
            one()
    with pytest.raises(redis.ResponseError, match="ACL failure in script"):
        dora.eval("return redis.call('set', KEYS[1], 1)", 1, "key0")
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect("dora", "wrong").ping()
    told = admin.info("stats")
    counts = [told[f"acl_access_denied_{what}"] for what in ("auth", "cmd", "key", "channel")]
    assert counts == [1, 3, 7, 1]
    admin.config_resetstat()
    assert admin.info("stats")["acl_access_denied_key"] == 0


def test_the_password_of_default(server, connect, admin):
    assert admin.config_get("requirepass") == {"requirepass": ""}
    assert admin.config_set("requirepass", "one")
    assert admin.ping() and admin.config_get("requirepass") == {"requirepass": "one"}
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect().ping()
    server.restart(kill=True)
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect().ping()
    for _ in range(6):  # wherever it is connected
        client = connect("default", "one")
        assert client.config_get("requirepass") == {"requirepass": ""}
    assert client.config_set("requirepass", "two", "lua-time-limit", 4321)
    for _ in range(6):
        client = connect("default", "two")
        assert client.config_get("requirepass") == {"requirepass": "two"}
        assert client.config_get("lua-time-limit") == {"lua-time-limit": "4321"}
    assert client.config_set("requirepass", "") and connect().config_get("requirepass") == {"requirepass": ""}
    server.restart(kill=True)
    assert connect().ping()


def test_users_in_transactions(server, connect, admin):
    pipeline = admin.pipeline(transaction=True)
    pipeline.execute_command("SET", "k", "v")
    pipeline.execute_command("ACL", "SETUSER", "tina", "on", ">secret", "~k", "+get")
    pipeline.execute_command("ACL", "USERS")
    if server.shards > 1:
        with pytest.raises(redis.ResponseError, match="several shards"):
            pipeline.execute()
        assert admin.acl_users() == ["default", "guest"]
        return
    assert pipeline.execute() == [True, "OK", ["default", "guest", "tina"]]
    assert connect("tina").get("k") == "v"
    server.restart(kill=True)
    tina = connect("tina")
    assert tina.get("k") == "v"
    admin = connect()
    pipeline = admin.pipeline(transaction=True)
    pipeline.execute_command("ACL", "DELUSER", "tina")
    pipeline.execute_command("ACL", "USERS")
    assert pipeline.execute() == [1, ["default", "guest"]]
    with pytest.raises(redis.RedisError):
        tina.get("k")
    server.restart(kill=True)
    assert connect().acl_users() == ["default", "guest"]
