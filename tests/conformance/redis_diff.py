#!/usr/bin/env python3
"""Compares our replies with a real redis-server's, byte by byte, over a script of commands.

Usage: redis_diff.py --binary PATH/trivium [--redis redis-server] [--port PORT] [--verbose]
                     [--random COUNT --seed SEED]

It starts a redis-server and our server on free ports of the loopback with empty data directories
(or uses ours on --port), sends every script to both over RESP2 and again over RESP3, and prints
each reply that differs. Replies that must differ are listed in EXPECTED with the reason.
Exit status: 0 when nothing unexpected differs.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import redis_random

HOST = "127.0.0.1"


# --- a client that keeps the bytes ----------------------------------------------------------------
class Raw:
    """Sends commands and returns the exact bytes of each reply."""

    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), timeout=10)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, *args):
        parts = [b"*%d\r\n" % len(args)]
        for arg in args:
            arg = arg.encode("utf-8", "surrogateescape") if isinstance(arg, str) else arg
            parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
        self.socket.sendall(b"".join(parts))

    def send_raw(self, data):
        self.socket.sendall(data)

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line + b"\r\n"

    def reply(self):
        line = self._line()
        kind, rest = line[:1], line[1:-2]
        if kind in (b"$", b"="):
            size = int(rest)
            if size < 0:
                return line
            while len(self.buffer) < size + 2:
                self._fill()
            data, self.buffer = self.buffer[: size + 2], self.buffer[size + 2 :]
            return line + data
        if kind in (b"*", b"%", b"~", b">"):
            count = int(rest)
            if kind == b"%":
                count *= 2
            return line + b"".join(self.reply() for _ in range(max(count, 0)))
        return line

    def command(self, *args):
        self.send(*args)
        return self.reply()


# --- the scripts ----------------------------------------------------------------------------------
# One list for each subject; each command is a string split at blanks ('' and "a b" as in a shell),
# or a list. Every script begins with empty keys.
def words(line):
    import shlex

    return shlex.split(line)


STRINGS = """
SET a 1
GET a
GET missing
SET a 2 NX
SET b 2 NX
SET b 3 XX
SET c 3 XX
SET a x GET
SET newkey x GET
SET a y NX GET
SET a z XX GET
SET a 1 NX XX
SET a 1 EX
SET a 1 EX 0
SET a 1 EX -1
SET a 1 EX abc
SET a 1 EX 10 PX 10
SET a 1 EX 10 KEEPTTL
SET a 1 EX 9223372036854775807
SET a 1 PX 9223372036854775807
SET a 1 BADOPT
SET a
SET
GET
GET a b
SET a 1 EX 100
TTL a
PTTL missing
SET a 2 KEEPTTL
TTL a
SET a 3
TTL a
SET a 1 PX 100000
TTL a
SET a 1 EXAT 9999999999
EXPIRETIME a
PEXPIRETIME a
SET a 1 PXAT 9999999999999
EXPIRETIME a
SET a 1 EXAT 1
GET a
EXISTS a
SETNX n 1
SETNX n 2
SETEX s 100 v
TTL s
SETEX s 0 v
SETEX s -5 v
SETEX s abc v
PSETEX s 100000 v
TTL s
PSETEX s 0 v
GETSET s w
GET s
TTL s
GETSET fresh 1
GETDEL fresh
GETDEL fresh
GETDEL
MSET k1 v1 k2 v2
MSET k1 v1 k2
MSET k1
MGET k1 k2 k3
MGET
INCR i
INCR i
DECR i
INCRBY i 10
DECRBY i 3
INCRBY i abc
INCRBY i 9223372036854775807
DECRBY i -9223372036854775808
SET i 9223372036854775807
INCR i
SET i -9223372036854775808
DECR i
SET i notanumber
INCR i
SET i 012
INCR i
SET i " 12"
INCR i
SET i 12
EXPIRE i 100
INCR i
TTL i
APPEND ap hello
APPEND ap " world"
GET ap
STRLEN ap
STRLEN missing
STRLEN
APPEND ap
DEL a b missing
DEL
UNLINK k1 k2
EXISTS s s s missing
EXISTS
TYPE s
TYPE missing
set lower case
SeT lower case2
GET lower
SET "" emptykey
GET ""
SET binary "\x00\x01"
""".strip().splitlines()

KEYS = """
SET a 1
EXPIRE a 100
TTL a
EXPIRE a 200 NX
EXPIRE a 200 XX
TTL a
EXPIRE a 100 GT
EXPIRE a 300 GT
TTL a
EXPIRE a 400 LT
EXPIRE a 50 LT
TTL a
EXPIRE a 10 NX XX
EXPIRE a 10 NX GT
EXPIRE a 10 GT LT
EXPIRE a 10 XX GT
EXPIRE a 10 BAD
EXPIRE a abc
EXPIRE a
EXPIRE missing 10
EXPIRE a 9223372036854775807
PEXPIRE a 9223372036854775807
PERSIST a
PERSIST a
PERSIST missing
TTL a
EXPIRE a 10 GT
EXPIRE a 10 LT
PERSIST a
PEXPIRE a 100000
TTL a
EXPIREAT a 9999999999
EXPIRETIME a
PEXPIREAT a 9999999999999
PEXPIRETIME a
EXPIRETIME missing
PEXPIRETIME missing
PERSIST a
EXPIRETIME a
EXPIRE a -1
EXISTS a
SET a 1
EXPIREAT a 1
GET a
SET a 1
PEXPIRE a 0
GET a
SET x1 1
SET x2 2
SET y1 3
SORTED KEYS x*
SORTED KEYS *
KEYS nomatch*
DBSIZE
SORTEDSCAN SCAN 0 COUNT 1000
SORTEDSCAN SCAN 0 COUNT 1000 MATCH x*
SORTEDSCAN SCAN 0 COUNT 1000 TYPE string
SORTEDSCAN SCAN 0 COUNT 1000 TYPE stream
SCAN 0 COUNT 0
SCAN 0 COUNT abc
SCAN 0 BAD 1
SCAN 0 COUNT
SCAN abc
SCAN
TYPE x1
FLUSHALL
DBSIZE
SET a 1
FLUSHDB
DBSIZE
FLUSHALL BAD
FLUSHALL ASYNC
FLUSHDB SYNC
""".strip().splitlines()

STREAM_WRITE = """
XADD s 1-1 a 1
XADD s 1-1 a 1
XADD s 1-0 a 1
XADD s 0-0 a 1
XADD s 1-2 a 1 b 2
XADD s 1-* c 3
XADD s 2 d 4
XADD s 2-* e 5
XADD s 1-* e 5
XADD s 5-5 a
XADD s 5-5
XADD s
XADD s bad a 1
XADD s 5-5-5 a 1
XADD s 5-x a 1
XADD s - a 1
XADD s + a 1
XADD s ( a 1
XADD s NOMKSTREAM 6-0 a 1
XADD none NOMKSTREAM 6-0 a 1
XADD none NOMKSTREAM * a 1
EXISTS none
XLEN s
XLEN none
XADD s MAXLEN 3 7-0 a 1
XLEN s
XADD s MAXLEN = 2 8-0 a 1
XLEN s
XADD s MAXLEN ~ 1 9-0 a 1
XLEN s
XADD s MAXLEN -1 9-1 a 1
XADD s MAXLEN abc 9-1 a 1
XADD s MAXLEN
XADD s MAXLEN 2
XADD s MAXLEN 1 MINID 2 10-0 a 1
XADD s MAXLEN 1 LIMIT 5 10-0 a 1
XADD s LIMIT 5 10-0 a 1
XADD s MAXLEN ~ 1 LIMIT -1 10-0 a 1
XADD s MAXLEN ~ 1 LIMIT 5 10-0 a 1
XADD s MINID 9-0 11-0 a 1
XLEN s
XADD s MINID ~ 9-0 12-0 a 1
XADD s MINID bad 13-0 a 1
XRANGE s - +
XADD s MAXLEN 0 14-0 a 1
XLEN s
XRANGE s - +
XINFOS s
XADD s 13-0 a 1
XADD s 15-0 dup 1 dup 2 "" ""
XRANGE s - +
XDEL s 15-0
XDEL s 15-0
XDEL s 15-0 99-0
XDEL none 1-0
XDEL s bad
XDEL s
EXISTS s
XLEN s
XADD t 1-1 a 1
XADD t 1-2 a 1
XADD t 1-3 a 1
XADD t 2-1 a 1
XADD t 3-1 a 1
XDEL t 1-2 3-1
XRANGE t - +
XINFOS t
XTRIM t MAXLEN 2
XRANGE t - +
XTRIM t MINID 2
XRANGE t - +
XTRIM t MAXLEN ~ 0
XTRIM t MAXLEN = 0
XTRIM t MAXLEN 0 LIMIT 1
XTRIM t MAXLEN
XTRIM t
XTRIM t BAD 1
XTRIM t LIMIT 1
XTRIM t MAXLEN 1 MINID 1
XTRIM none MAXLEN 0
XINFOS t
XSETID t 10-0
XSETID t 2-0
XSETID t 11-0 ENTRIESADDED 100
XINFOS t
XSETID t 12-0 ENTRIESADDED 100 MAXDELETEDID 11-5
XINFOS t
XSETID t 11-0
XSETID t 13-0 MAXDELETEDID 14-0
XSETID t 13-0 ENTRIESADDED -1
XSETID t bad
XSETID t
XSETID none 1-0
XADD u 18446744073709551615-18446744073709551614 a 1
XADD u * a 1
XADD u * a 1
XADD u 18446744073709551615-18446744073709551615 a 1
XADD v 18446744073709551615-18446744073709551615 a 1
XADD v * a 1
XRANGE v - +
XADD w 0-* a 1
XADD w 0-* a 1
XADD w 0-1 a 1
SET str 1
XADD str * a 1
XLEN str
XTRIM str MAXLEN 1
XDEL str 1-1
XSETID str 1-1
XRANGE str - +
XREVRANGE str + -
GET s
INCR s
APPEND s x
STRLEN s
SETNX s 1
TYPE s
TTL s
MGET s str
DEL s
TYPE s
""".strip().splitlines()

STREAM_READ = """
XADD s 1-1 a 1
XADD s 1-2 a 2
XADD s 2-1 a 3
XADD s 3-1 a 4 b 5
XRANGE s - +
XRANGE s 1 1
XRANGE s 1-2 2
XRANGE s (1-1 +
XRANGE s (1-1 (3-1
XRANGE s 2 1
XRANGE s - + COUNT 2
XRANGE s - + COUNT 0
XRANGE s - + COUNT -1
XRANGE s - + COUNT abc
XRANGE s - + COUNT
XRANGE s - + BAD 1
XRANGE s - 
XRANGE s bad +
XRANGE s - bad
XRANGE s (18446744073709551615-18446744073709551615 +
XRANGE s - (0-0
XRANGE s (- +
XRANGE s 18446744073709551616 +
XRANGE none - +
XRANGE none - + COUNT 0
XREVRANGE s (0-0 x
XREVRANGE s + -
XREVRANGE s + - COUNT 1
XREVRANGE s 2 1
XREVRANGE s 1 2
XREVRANGE s (3-1 (1-1
XREVRANGE s + - COUNT 0
XREVRANGE none + -
XREAD STREAMS s 0
XREAD COUNT 1 STREAMS s 0
XREAD COUNT 0 STREAMS s 0
XREAD COUNT -1 STREAMS s 0
XREAD COUNT abc STREAMS s 0
XREAD STREAMS s 1-2
XREAD STREAMS s 3-1
XREAD STREAMS s $
XREAD STREAMS s 99
XREAD STREAMS none 0
XREAD STREAMS s none 0 0
XREAD STREAMS none s 0 0
XREAD STREAMS s s 0 1-2
XREAD STREAMS s
XREAD STREAMS s none 0
XREAD STREAMS
XREAD COUNT 1
XREAD
XREAD BAD STREAMS s 0
XREAD STREAMS s bad
XREAD STREAMS s >
XREAD BLOCK -1 STREAMS s 0
XREAD BLOCK abc STREAMS s 0
XREAD BLOCK 10 STREAMS s $
XREAD BLOCK 10 STREAMS s 0
XREAD GROUP g c STREAMS s 0
XREAD NOACK STREAMS s 0
XREAD STREAMS s 18446744073709551615-18446744073709551615
SET str 1
XREAD STREAMS str 0
XREAD STREAMS s str 0 0
XDEL s 2-1
XRANGE s - +
XREVRANGE s + -
XREAD STREAMS s 1-2
""".strip().splitlines()

GROUPS = """
XGROUP CREATE s g 0
XGROUP CREATE s g 0 MKSTREAM
XGROUP CREATE s g 0
XGROUP CREATE s g2 $
XGROUP CREATE s g3 5-5 ENTRIESREAD 3
XGROUP CREATE s g4 0 ENTRIESREAD -1
XGROUP CREATE s g5 0 ENTRIESREAD -2
XGROUP CREATE s g5 0 ENTRIESREAD abc
XGROUP CREATE s g5 bad
XGROUP CREATE s g5 0 BAD
XGROUP CREATE s g5
XGROUP CREATE
XGROUP
XGROUP BAD a b
XGROUP SETID s g 0
XGROUP SETID s nog 0
XGROUP SETID none g 0
XGROUP CREATECONSUMER s g c0
XGROUP CREATECONSUMER s g c0
XGROUP CREATECONSUMER s nog c0
XGROUP CREATECONSUMER none g c0
XGROUP DELCONSUMER s g nobody
XGROUP DELCONSUMER s nog c0
XGROUP DELCONSUMER none g c0
XGROUP DESTROY s nog
XGROUP DESTROY none g
XADD s 6-1 a 1
XADD s 6-2 b 2
XADD s 6-3 c 3
XADD s 6-4 d 4
XREADGROUP GROUP g alice COUNT 2 STREAMS s >
XREADGROUP GROUP g bob COUNT 1 STREAMS s >
XREADGROUP GROUP g alice STREAMS s 0
XREADGROUP GROUP g alice STREAMS s 6-1
XREADGROUP GROUP g bob STREAMS s 0
XREADGROUP GROUP g carol STREAMS s 0
XREADGROUP GROUP g bob STREAMS s >
XREADGROUP GROUP g bob STREAMS s >
XREADGROUP GROUP g bob BLOCK 10 STREAMS s >
XREADGROUP GROUP g bob BLOCK 10 STREAMS s 0
XREADGROUP GROUP g2 x NOACK STREAMS s >
XREADGROUP GROUP nog x STREAMS s >
XREADGROUP GROUP g x STREAMS none >
XREADGROUP STREAMS s >
XREADGROUP GROUP g x STREAMS s
XREADGROUP GROUP g x STREAMS s $
XREADGROUP GROUP g x STREAMS s bad
XREADGROUP GROUP g x COUNT abc STREAMS s >
XREADGROUP GROUP g
XREADGROUP GROUP g x STREAMS s s > 0
XPENDING s g
XPENDING s g2
XPENDING s nog
XPENDING none g
XPENDING s
XPENDINGX s g - + 10
XPENDINGX s g - + 10 alice
XPENDINGX s g - + 10 nobody
XPENDINGX s g - + 1
XPENDINGX s g 6-2 6-3 10
XPENDINGX s g (6-2 + 10
XPENDINGX s g IDLE 0 - + 10
XPENDING s g IDLE 1000000 - + 10
XPENDING s g - +
XPENDING s g IDLE 0 -
XPENDING s g IDLE abc - + 10
XPENDING s g - + abc
XPENDING s g - + -5
XPENDING s g bad + 10
XACK s g 6-1
XACK s g 6-1
XACK s g 6-1 6-2 99-9
XACK s nog 6-1
XACK none g 6-1
XACK s g bad
XACK s g
XPENDING s g
XDEL s 6-3
XREADGROUP GROUP g bob STREAMS s 0
XINFOG s
XINFOC s g
XINFO CONSUMERS s nog
XINFO CONSUMERS none g
XINFO GROUPS none
XINFO STREAM none
XINFO STREAM
XINFO BAD s
XINFO GROUPS
XINFO STREAM s BAD
XINFO STREAM s FULL COUNT abc
XGROUP DELCONSUMER s g bob
XPENDING s g
XGROUP SETID s g 6-1 ENTRIESREAD 2
XREADGROUP GROUP g alice STREAMS s >
XINFOG s
XGROUP SETID s g $
XGROUP DESTROY s g3
XINFOG s
SET str 1
XGROUP CREATE str g 0
XREADGROUP GROUP g c STREAMS str >
XACK str g 1-1
XPENDING str g
XINFO STREAM str
""".strip().splitlines()

CLAIM = """
XGROUP CREATE s g 0 MKSTREAM
XADD s 1-1 a 1
XADD s 1-2 a 2
XADD s 1-3 a 3
XADD s 1-4 a 4
XADD s 1-5 a 5
XREADGROUP GROUP g alice COUNT 4 STREAMS s >
XCLAIM s g bob 0 1-1
XPENDINGX s g - + 10
XCLAIM s g bob 0 1-1 JUSTID
XPENDINGX s g - + 10
XCLAIM s g bob 1000000 1-2
XCLAIM s g bob 0 1-5
XCLAIM s g bob 0 1-5 FORCE
XPENDINGX s g - + 10
XCLAIM s g bob 0 1-2 RETRYCOUNT 9
XCLAIM s g bob 0 1-2 1-3 99-1 IDLE 1000
XCLAIM s g bob 0 99-1 FORCE
XPENDINGX s g - + 10
XCLAIM s g bob 0 1-2 TIME 1
XCLAIM s g bob 0 1-2 LASTID 1-5
XINFOG s
XCLAIM s g bob abc 1-2
XCLAIM s g bob -5 1-2
XCLAIM s g bob 0 bad
XCLAIM s g bob 0 1-2 BAD
XCLAIM s g bob 0 1-2 IDLE abc
XCLAIM s g bob 0 1-2 TIME abc
XCLAIM s g bob 0 1-2 RETRYCOUNT abc
XCLAIM s g bob 0 1-2 LASTID bad
XCLAIM s nog bob 0 1-2
XCLAIM none g bob 0 1-2
XCLAIM s g bob 0
XCLAIM s g bob
XDEL s 1-3
XCLAIM s g bob 0 1-3 1-4
XPENDINGX s g - + 10
XAUTOCLAIM s g carol 0 0 COUNT 1
XAUTOCLAIM s g carol 0 0
XAUTOCLAIM s g carol 0 0 JUSTID
XAUTOCLAIM s g carol 1000000 0
XAUTOCLAIM s g carol 0 1-4
XAUTOCLAIM s g carol 0 (1-4
XAUTOCLAIM s g carol 0 - COUNT 2
XDEL s 1-1
XAUTOCLAIM s g dave 0 0
XPENDINGX s g - + 10
XAUTOCLAIM s g carol 0 0 COUNT 0
XAUTOCLAIM s g carol 0 0 COUNT abc
XAUTOCLAIM s g carol 0 0 BAD
XAUTOCLAIM s g carol abc 0
XAUTOCLAIM s g carol 0 bad
XAUTOCLAIM s nog carol 0 0
XAUTOCLAIM none g carol 0 0
XAUTOCLAIM s g carol 0
XINFOC s g
""".strip().splitlines()

LAG = """
XGROUP CREATE s g 0 MKSTREAM
XINFOG s
XADD s 1-0 a 1
XADD s 2-0 a 1
XADD s 3-0 a 1
XADD s 4-0 a 1
XADD s 5-0 a 1
XINFOG s
XREADGROUP GROUP g c COUNT 2 STREAMS s >
XINFOG s
XDEL s 4-0
XINFOG s
XREADGROUP GROUP g c COUNT 2 STREAMS s >
XINFOG s
XADD s 6-0 a 1
XINFOG s
XTRIM s MAXLEN 1
XINFOG s
XREADGROUP GROUP g c STREAMS s >
XINFOG s
XGROUP CREATE s h 0
XINFOG s
XGROUP CREATE s i 3-0
XINFOG s
XGROUP CREATE s j $
XINFOG s
XTRIM s MAXLEN 0
XINFOG s
XINFOS s
XADD s 7-0 a 1
XINFOG s
XREADGROUP GROUP h c STREAMS s >
XREADGROUP GROUP i c STREAMS s >
XINFOG s
""".strip().splitlines()

CONNECTION = """
PING
PING hello
PING a b
ECHO hi
ECHO
SELECT 0
SELECT abc
SELECT -1
SELECT 100000
AUTH pass
AUTH default pass
AUTH baduser pass
AUTH a b c
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME "a b"
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT
CLIENT BAD
CLIENT MAINT_NOTIFICATIONS on
CLIENT REPLY BAD
CLIENT NO-EVICT on
CLIENT NO-EVICT off
CLIENT NO-EVICT bad
CLIENT KILL 1.2.3.4:5
CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL ID 99999999
CLIENT KILL ID abc
CLIENT KILL BAD x
CLIENT KILL TYPE bad
CLIENT UNBLOCK 99999999
CLIENT UNBLOCK abc
CLIENT UNBLOCK 1 BAD
CLIENT LIST TYPE bad
CLIENT LIST BAD
CLIENT LIST ID abc
CLIENT KILL USER nobody
CLIENT PAUSE
CLIENT PAUSE x
CLIENT PAUSE -1
CLIENT PAUSE 1.5
CLIENT PAUSE 1 READ
CLIENT PAUSE 0 WRITE
CLIENT UNPAUSE
CLIENT UNPAUSE x
CLIENT GETREDIR
CLIENT TRACKINGINFO
CLIENT CACHING yes
CLIENT CACHING
CLIENT TRACKING
CLIENT TRACKING maybe
CLIENT TRACKING on maybe
CLIENT TRACKING on REDIRECT
CLIENT TRACKING on REDIRECT x
CLIENT TRACKING on REDIRECT 99999999
CLIENT TRACKING on REDIRECT -1
CLIENT TRACKING on PREFIX a
CLIENT TRACKING on OPTIN OPTOUT
CLIENT TRACKING on BCAST OPTIN
CLIENT TRACKING on BCAST PREFIX a PREFIX ab
CLIENT TRACKING on OPTIN
CLIENT TRACKING on OPTOUT
CLIENT TRACKING on BCAST
CLIENT CACHING no
CLIENT CACHING maybe
CLIENT CACHING yes
CLIENT TRACKINGINFO
CLIENT TRACKING on OPTIN NOLOOP
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT TRACKING off
CLIENT TRACKING on BCAST PREFIX b PREFIX a
CLIENT TRACKING on BCAST PREFIX ab
CLIENT TRACKING on
CLIENT TRACKING on BCAST PREFIX c NOLOOP
CLIENT TRACKING off
CLIENT TRACKINGINFO
LATENCY
LATENCY BAD
LATENCY GRAPH nothing
LATENCY LATEST
CONFIG REWRITE
LATENCY LATEST x
LATENCY HISTORY
LATENCY HISTORY nothing
LATENCY RESET nothing
LATENCY HISTOGRAM nothing
CONFIG SET latency-tracking-info-percentiles "50 x"
CONFIG SET latency-tracking-info-percentiles "50 101"
CONFIG SET latency-tracking-info-percentiles "50 99 99.9"
CONFIG GET latency-tracking
CONFIG GET latency-tracking-*
CONFIG SET latency-tracking maybe
CONFIG GET latency-monitor-threshold
CONFIG GET tracking-table-max-keys
CONFIG SET latency-tracking yes latency-tracking yes
foo
foo a b
foo "a b" c
get
CONFIG
CONFIG BAD
CONFIG GET
CONFIG GET nosuchthing
CONFIG GET save
CONFIG GET maxmemory-policy
CONFIG GET maxmemory
CONFIG GET notify-keyspace-events
CONFIG SET nosuchthing 1
CONFIG SET maxmemory
CONFIG RESETSTAT
COMMAND COUNT extra
COMMAND BAD
COMMAND GETKEYSANDFLAGS GET a
COMMAND GETKEYSANDFLAGS MSET a 1 b 2
COMMAND GETKEYSANDFLAGS SET a b GET
COMMAND GETKEYSANDFLAGS SET a b
COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0
COMMAND GETKEYSANDFLAGS BITFIELD a SET u8 0 1
COMMAND GETKEYSANDFLAGS SORT a LIMIT 0 1 STORE b
COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 2 a b
COMMAND GETKEYSANDFLAGS LMOVE a b LEFT LEFT
COMMAND GETKEYSANDFLAGS EVAL x 0
COMMAND GETKEYSANDFLAGS XGROUP CREATE s g 0
COMMAND GETKEYSANDFLAGS PING x
COMMAND GETKEYSANDFLAGS GET
COMMAND GETKEYS GET a
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS XREADGROUP GROUP g c STREAMS a b > >
COMMAND GETKEYS XADD s * a 1
COMMAND GETKEYS PING
COMMAND GETKEYS NOSUCH a
COMMAND GETKEYS GET
COMMAND GETKEYS
COMMAND INFO nosuch
COMMAND DOCS nosuch
INFO nosuchsection
ROLE
WAIT 0 0
WAIT abc 0
WAIT 0 abc
WAIT 0 -1
TIME extra
HELLO 4
HELLO abc
HELLO 2 AUTH default
HELLO 2 BAD
HELLO 2 SETNAME "a b"
RESET
""".strip().splitlines()

TRANSACTIONS = """
EXEC
DISCARD
MULTI
MULTI
SET a 1
GET a
INCR a
EXEC
GET a
MULTI
SET a 5
DISCARD
GET a
MULTI
SET a 6
BADCOMMAND
GET
EXEC
GET a
MULTI
SET a abc
INCR a
GET a
EXEC
WATCH a
MULTI
GET a
EXEC
WATCH a
SET a changed
MULTI
GET a
EXEC
GET a
WATCH a
SET a changed2
UNWATCH
MULTI
GET a
EXEC
WATCH fresh
SET fresh 1
MULTI
GET fresh
EXEC
WATCH gone
SET gone 1
WATCH gone
DEL gone
MULTI
PING
EXEC
WATCH exp
MULTI
WATCH b
EXEC
WATCH
MULTI
EXEC
MULTI
PING
ECHO hi
SELECT 0
TIME extra
EXEC
MULTI
XADD st 1-1 a 1
XLEN st
XADD st 1-1 a 1
EXEC
WATCH st
XADD st 2-1 a 1
MULTI
XLEN st
EXEC
MULTI
XREAD BLOCK 0 STREAMS st $
EXEC
UNWATCH
MULTI
PUBLISH ch hi
DBSIZE
EXEC
MULTI
QUITX
RESET
GET a
""".strip().splitlines()

PUBSUB = """
PUBLISH ch msg
PUBLISH ch
PUBSUB CHANNELS
PUBSUB CHANNELS a*
PUBSUB CHANNELS a b
PUBSUB NUMSUB
PUBSUB NUMSUB a b
PUBSUB NUMPAT
PUBSUB BAD
PUBSUB
UNSUBSCRIBE
PUNSUBSCRIBE
UNSUBSCRIBE nothing
SUBSCRIBE
""".strip().splitlines()

MOVES = """
XADD s 1-0 a 1
XADD s 2-0 a 2
XADD s 3-0 a 3
XDEL s 2-0
XGROUP CREATE s g 0
XREADGROUP GROUP g c COUNT 1 STREAMS s >
RENAME s t
EXISTS s
XRANGE t - +
XINFOS t
XINFOG t
XPENDING t g
XADD t 3-0 a 4
COPY t u
COPY t u
COPY t t
COPY t u REPLACE
XINFOS u
XINFOG u
SET str x
RENAMENX u str
RENAME u str
TYPE str
XLEN str
SET other x
COPY other str REPLACE
TYPE str
RENAME t other
XACK other g 1-0
XINFOG other
MULTI
RENAME other t
XLEN t
EXEC
XGROUP CREATE empty g $ MKSTREAM
RENAME empty t
XINFOS t
XINFOG t
""".strip().splitlines()

SCRIPTS = {
    "strings": STRINGS,
    "keys": KEYS,
    "stream-write": STREAM_WRITE,
    "stream-read": STREAM_READ,
    "groups": GROUPS,
    "claim": CLAIM,
    "lag": LAG,
    "connection": CONNECTION,
    "transactions": TRANSACTIONS,
    "pubsub": PUBSUB,
    "moves": MOVES,
}

# (pattern of "script: command", reason). Replies there may differ.
EXPECTED = [
    (r"connection: (SELECT 100000|WAIT .*)$", "one database"),
    (r"connection: CONFIG GET save$", "there are no snapshots"),
    (r"stream-write: XSETID t (2-0|11-0)$", "ids of a log never go back"),
    (r"stream-read: XREAD STREAMS s none 0$", "the text of 7.4"),
    (r"connection: COMMAND GETKEYS (PING|GET)$", "the arity of 7.4"),
]


# --- running --------------------------------------------------------------------------------------
def replace(pattern, by, reply):
    return re.sub(pattern, by, reply)


def run_line(raw, line):
    """Runs one line; some words in front make replies comparable."""
    args = words(line)
    kind = args[0]
    if kind == "SORTED":
        raw.send(*args[1:])
        return b"|".join(sorted(raw.reply().split(b"\r\n")))
    if kind == "SORTEDSCAN":
        raw.send(*args[1:])
        return b"|".join(sorted(raw.reply().split(b"\r\n")))
    if kind == "XPENDINGX":  # idle times differ
        reply = raw.command("XPENDING", *args[1:])
        return replace(rb"(\$\d+\r\n\w+\r\n):\d+\r\n", rb"\1:IDLE\r\n", reply)
    if kind == "XINFOS":  # six fields came with 8.6
        reply = raw.command("XINFO", "STREAM", *args[1:])
        reply = replace(rb"\$13\r\nidmp-duration\r\n(.*\r\n){16}", b"", reply)
        reply = replace(rb"^(\*32|%16)\r\n", lambda found: b"*20\r\n" if found[1] == b"*32" else b"%10\r\n", reply)
        return replace(rb"(radix-tree-\w+\r\n):\d+", rb"\1:N", reply)
    if kind == "XINFOG":
        return raw.command("XINFO", "GROUPS", *args[1:])
    if kind == "XINFOC":  # the field `inactive` came with 7.2
        reply = raw.command("XINFO", "CONSUMERS", *args[1:])
        reply = replace(rb"\$8\r\ninactive\r\n:-?\d+\r\n", b"", reply)
        reply = replace(rb"%4\r\n", b"%3\r\n", reply)
        reply = replace(rb"\*8\r\n", b"*6\r\n", reply)
        return replace(rb"(idle\r\n):\d+", rb"\1:N", reply)
    return raw.command(*args)


def expected(where):
    return any(re.match(pattern, where) for pattern, _ in EXPECTED)


def compare(theirs, ours, protocol, verbose):
    differences = 0
    compared = 0
    for name, script in SCRIPTS.items():
        pair = [Raw(theirs), Raw(ours)]
        for raw in pair:
            raw.command("FLUSHALL")
            if protocol == 3:
                raw.command("HELLO", "3")
        for line in script:
            replies = []
            for raw in pair:
                try:
                    replies.append(run_line(raw, line))
                except (ConnectionError, socket.timeout) as error:
                    replies.append(b"<%s>" % str(error).encode())
            compared += 1
            if replies[0] != replies[1]:
                where = f"{name}: {line}"
                if expected(where):
                    continue
                differences += 1
                print(f"RESP{protocol} {where}\n  redis: {replies[0]!r}\n  ours:  {replies[1]!r}")
            elif verbose:
                print(f"same: {line} -> {replies[0]!r}")
            if replies[1].startswith(b"<"):
                break
        for raw in pair:
            raw.close()
    return compared, differences


MALFORMED = [
    b"*x\r\n",
    b"*2147483648\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\nfoo\r\n",
    b"*1\r\n$abc\r\n",
    b"SET \"a\r\n",
    b"SET 'a\r\n",
    b"PING\r\n*1\r\n!\r\n",
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"\r\n\r\nPING\r\n",
    b"ping\n",
    b"  ping  \r\n",
    b"ECHO \"a\\x41\\n\\\"\"\r\n",
    b"ECHO 'it\\'s'\r\n",
    b"ECHO a\"b\"\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"* 1\r\n$4\r\nPING\r\n",
    b"A" * 70000,
    b"*" + b"1" * 70000,
    b"*1\r\n$" + b"1" * 70000,
]


def exchange(port, data):
    raw = socket.create_connection((HOST, port), timeout=2)
    raw.sendall(data)
    raw.shutdown(socket.SHUT_WR)
    got = b""
    try:
        while True:
            part = raw.recv(65536)
            if not part:
                break
            got += part
    except (ConnectionError, socket.timeout):
        pass
    raw.close()
    return got


def compare_malformed(theirs, ours):
    differences = 0
    for data in MALFORMED:
        a, b = exchange(theirs, data), exchange(ours, data)
        if a != b:
            differences += 1
            print(f"raw {data[:60]!r}\n  redis: {a!r}\n  ours:  {b!r}")
    return len(MALFORMED), differences


def compare_random(theirs, ours, seed, count, protocol):
    """The same random commands to both, in pipelines of 50 over four connections in turn; everything is deleted now and then."""
    source = redis_random.Source(seed)
    pairs = [[Raw(theirs), Raw(ours)] for _ in range(4)]
    differences = done = turn = 0
    for pair in pairs:
        for raw in pair:
            raw.command("FLUSHALL")
            raw.command("HELLO", str(protocol))
    while done < count and differences < 20:
        pair = pairs[turn % len(pairs)]
        turn += 1
        commands = [source.command() for _ in range(50)]
        if source.random.random() < 0.02:
            commands.append([b"FLUSHALL"])
        for raw in pair:
            for command in commands:
                raw.send(*command)
        for command in commands:
            replies = [redis_random.normal(command, raw.reply()) for raw in pair]
            done += 1
            if replies[0] != replies[1] and differences < 20:
                differences += 1
                print(f"RESP{protocol} random, seed {seed}, {done}: {command}\n  redis: {replies[0]!r}\n  ours:  {replies[1]!r}")
    for pair in pairs:
        for raw in pair:
            raw.close()
    return done, differences


def free_port():
    with socket.socket() as one:
        one.bind((HOST, 0))
        return one.getsockname()[1]


def wait_for(port, process):
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"the server on port {port} ended with {process.returncode}")
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", help="our server")
    parser.add_argument("--port", type=int, help="of a running one of ours")
    parser.add_argument("--redis", default="redis-server")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--random", type=int, default=0, help="so many random commands, too, in both protocols")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not shutil.which(options.redis):
        raise SystemExit(f"{options.redis} is not installed: nothing was compared")
    directory = tempfile.mkdtemp(prefix="redis-diff-")
    processes = []
    try:
        theirs = free_port()
        processes.append(
            subprocess.Popen(
                [options.redis, "--port", str(theirs), "--bind", HOST, "--save", "", "--dir",
                 directory, "--appendonly", "no"],
                stdout=subprocess.DEVNULL))
        wait_for(theirs, processes[-1])
        ours = options.port
        if not ours:
            ours = free_port()
            data = os.path.join(directory, "ours")
            log = open(os.path.join(directory, "ours.log"), "w")
            processes.append(
                subprocess.Popen(
                    [options.binary, "serve", "--data-dir", data, "--redis-port", str(ours),
                     "--amqp-port", str(free_port()), "--kafka-port", str(free_port()),
                     "--management-port", "0"],
                    stdout=log, stderr=log))
            wait_for(ours, processes[-1])
        compared = differences = 0
        for count, bad in (compare(theirs, ours, 2, options.verbose),
                           compare(theirs, ours, 3, options.verbose),
                           compare_malformed(theirs, ours),
                           compare_random(theirs, ours, options.seed, options.random // 2, 2),
                           compare_random(theirs, ours, options.seed + 1, options.random // 2, 3)):
            compared += count
            differences += bad
        print(f"{compared} replies compared, {differences} unexpected differences")
        return 1 if differences else 0
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
