"""Seeded mutations of recorded frames: flip, overwrite, truncate, extend, repeat, remove, splice, huge lengths, reorder.

About two thirds of the mutated AMQP and Kafka frames get a right length field again, so that the damage reaches the
parsers behind the framing.
"""

import struct

INTERESTING = [struct.pack(">b", value) for value in (0, 1, -1, 127, -128)]
INTERESTING += [struct.pack(">h", value) for value in (0, -1, 32767, -32768, 256)]
INTERESTING += [struct.pack(">i", value) for value in (0, -1, 2147483647, -2147483648, 65536, 1 << 24)]
INTERESTING += [struct.pack(">q", value) for value in (0, -1, (1 << 63) - 1, -1 << 63)]
INTERESTING += [b"\xff\xff\xff\xff\x0f", b"\xff" * 10 + b"\x01", b"\x80" * 9 + b"\x01", b"*", b"$-1\r\n", b"*99999999\r\n",
                b"$536870912\r\n", b"\r\n", b"\x00" * 16, b"F\xff\xff\xff\xff", b"A\x7f\xff\xff\xff", b"\xce"]
EXTENSION_MAX = 300


def flip(random, frame, pool):
    data = bytearray(frame)
    for _ in range(random.randint(1, 6)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def overwrite(random, frame, pool):
    value = random.choice(INTERESTING)
    position = random.randrange(len(frame))
    return frame[:position] + value + frame[position + len(value):]


def insert(random, frame, pool):
    position = random.randrange(len(frame) + 1)
    return frame[:position] + random.choice(INTERESTING) + frame[position:]


def truncate(random, frame, pool):
    return frame[:random.randrange(1, len(frame) + 1)]


def extend(random, frame, pool):
    return frame + random.randbytes(random.randint(1, EXTENSION_MAX))


def repeat(random, frame, pool):
    start = random.randrange(len(frame))
    part = frame[start:start + random.randint(1, 40)]
    return frame[:start] + part * random.randint(2, 20) + frame[start:]


def remove(random, frame, pool):
    start = random.randrange(len(frame))
    return frame[:start] + frame[start + random.randint(1, 20):] or b"\x00"


def splice(random, frame, pool):
    other = random.choice(pool)
    return frame[:random.randrange(len(frame))] + other[random.randrange(len(other)):] or b"\x00"


def noise(random, frame, pool):
    return random.randbytes(random.randint(1, 200))


def keep(random, frame, pool):
    return frame  # Whole, but in the wrong place.


MUTATIONS = [flip, flip, overwrite, overwrite, insert, truncate, extend, repeat, remove, splice, noise, keep]


def fix_length(protocol, frame):
    if protocol == "kafka" and len(frame) > 4:
        return struct.pack(">i", len(frame) - 4) + frame[4:]
    if protocol == "amqp" and len(frame) > 8:
        return frame[:3] + struct.pack(">I", len(frame) - 8) + frame[7:-1] + b"\xce"
    return frame


def mutate(random, protocol, frame, pool):
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        frame = random.choice(MUTATIONS)(random, frame, pool) or b"\x00"
    return fix_length(protocol, frame) if random.random() < 0.65 else frame
