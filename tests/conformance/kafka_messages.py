"""Any Kafka message in any version, from Kafka's own schemas, which are read from its client library when needed.

Values are dicts with the field names of the schemas; what is absent has its default, what a version lacks is left out.
None is written as null also where it is not allowed, since bad requests must be made, too.
"""

import json
import re
import struct
import uuid
import zipfile
import zlib

from rawclients import Socket

INTEGERS = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q",
            "float64": ">d"}
API_VERSIONS = 18
ANSWER_BYTES_MAX = 64 << 20
PRODUCER_NONE = -1


def _span(text):
    """"3+", "0-5", "4" and "none" as (lowest, highest)."""
    if text == "none":
        return 1, 0
    low, _, high = text.replace("+", "-32767").partition("-")
    return int(low), int(high or low)


def _within(span, version):
    return span[0] <= version <= span[1]


def in_version(field, version):
    return _within(_span(field["versions"]), version)


def null_allowed(field, version):
    return "nullableVersions" in field and _within(_span(field["nullableVersions"]), version)


def _strip_comments(text):
    return re.sub(r"(?m)^\s*//.*$", "", text)


class Schema:
    """One direction of one key."""

    def __init__(self, document):
        self.key = document.get("apiKey")
        self.name = document["name"]
        self.versions = _span(document["validVersions"])
        self.flexible = _span(document.get("flexibleVersions", "none"))
        self.common = {each["name"]: each["fields"] for each in document.get("commonStructs", [])}
        self.fields = document["fields"]

    def encode(self, version, values):
        self._check_names(self.fields, values)
        return Encoder(self, version).struct(self.fields, values)

    def decode(self, version, data):
        decoder = Decoder(self, version, data)
        values = decoder.struct(self.fields)
        if decoder.at != len(data):
            raise ValueError(f"{self.name} {version}: {len(data) - decoder.at} bytes too many")
        return values

    def _check_names(self, fields, values):
        known = {field["name"]: field for field in fields}
        for name, value in values.items():
            inner = self.inner(known[name])  # a misspelt name raises here
            for each in value if isinstance(value, list) else [value]:
                if inner and isinstance(each, dict):
                    self._check_names(inner, each)

    def inner(self, field):
        return field.get("fields") or self.common.get(field["type"].removeprefix("[]"))


class _Codec:
    def __init__(self, schema, version):
        self.schema, self.version = schema, version
        self.flexible = _within(schema.flexible, version)

    def present(self, field):
        return in_version(field, self.version)

    def is_tagged(self, field):
        return "taggedVersions" in field and self.flexible and _within(_span(field["taggedVersions"]), self.version)

    def is_nullable(self, field):
        return null_allowed(field, self.version)


def _default(field):
    kind, value = field["type"], field.get("default")
    if value == "null":
        return None
    if kind.startswith("[]"):
        return []
    if kind == "bool":
        return str(value).lower() == "true"
    if kind in INTEGERS:
        return int(str(value), 0) if value not in (None, "") else 0
    if kind == "uuid":
        return uuid.UUID(int=0)
    if kind == "string":
        return value or ""
    return b"" if kind in ("bytes", "records") else {}


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


class Encoder(_Codec):
    def struct(self, fields, values):
        out, tags = [], []
        for field in fields:
            if not self.present(field):
                continue
            value = values.get(field["name"], _default(field))
            if not self.is_tagged(field):
                out.append(self.value(field, value))
            elif field["name"] in values:
                tags.append((field["tag"], self.value(field, value)))
        if self.flexible:
            out.append(_varint(len(tags)))
            out += [_varint(tag) + _varint(len(data)) + data for tag, data in sorted(tags)]
        return b"".join(out)

    def value(self, field, value):
        kind = field["type"]
        if kind.startswith("[]"):
            return self.array({**field, "type": kind[2:]}, value)
        if kind in INTEGERS:
            return struct.pack(INTEGERS[kind], value)
        if kind == "uuid":
            return value.bytes
        if kind in ("string", "bytes", "records"):
            data = value.encode() if isinstance(value, str) else value
            return self.size(None if data is None else len(data), 2 if kind == "string" else 4) + (data or b"")
        if value is None:
            return b"\xff"
        return (b"\x01" if self.is_nullable(field) else b"") + self.struct(self.schema.inner(field), value)

    def array(self, item, values):
        head = self.size(None if values is None else len(values), 4)
        item = {name: value for name, value in item.items() if name != "nullableVersions"}
        return head + b"".join(self.value(item, value) for value in values or [])

    def size(self, count, width):
        if self.flexible:
            return _varint(0 if count is None else count + 1)
        return struct.pack(">h" if width == 2 else ">i", -1 if count is None else count)


class Decoder(_Codec):
    def __init__(self, schema, version, data):
        super().__init__(schema, version)
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise ValueError(f"{self.schema.name} {self.version}: ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte, = self.take(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def struct(self, fields):
        values = {}
        tagged = {}
        for field in filter(self.present, fields):
            if self.is_tagged(field):
                tagged[field["tag"]] = field
            else:
                values[field["name"]] = self.value(field)
        for _ in range(self.varint() if self.flexible else 0):
            tag, size = self.varint(), self.varint()
            if tag in tagged:
                values[tagged[tag]["name"]] = self.value(tagged[tag])
            else:
                values[f"tag {tag}"] = self.take(size)
        return values

    def value(self, field):
        kind = field["type"]
        if kind.startswith("[]"):
            count = self.size(4)
            item = {name: value for name, value in field.items() if name != "nullableVersions"} | {"type": kind[2:]}
            return None if count < 0 else [self.value(item) for _ in range(count)]
        if kind in INTEGERS:
            return struct.unpack(INTEGERS[kind], self.take(struct.calcsize(INTEGERS[kind])))[0]
        if kind == "uuid":
            return uuid.UUID(bytes=self.take(16))
        if kind in ("string", "bytes", "records"):
            size = self.size(2 if kind == "string" else 4)
            data = None if size < 0 else self.take(size)
            return data.decode() if kind == "string" and data is not None else data
        if self.is_nullable(field) and struct.unpack(">b", self.take(1))[0] < 0:
            return None
        return self.struct(self.schema.inner(field))

    def size(self, width):
        if self.flexible:
            return self.varint() - 1
        return struct.unpack(">h" if width == 2 else ">i", self.take(width))[0]


class Schemas:
    def __init__(self, jar):
        self.requests, self.responses = {}, {}
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
                    document = json.loads(_strip_comments(archive.read(name).decode()))
                    if document["validVersions"] == "none":
                        continue
                    schema = Schema(document)
                    (self.requests if name.endswith("Request.json") else self.responses)[schema.key] = schema


class Connection:
    """Requests and answers in their order. `ConnectionLost` when the broker ends it."""

    def __init__(self, schemas, port, timeout):
        self.schemas = schemas
        self.stream = Socket("127.0.0.1", port, timeout)
        self.waiting = []  # (correlation, key, version)
        self.correlation = 0

    def send(self, key, version, values):
        """An ApiVersions request of a version that nobody has is answered in version 0."""
        self.send_body(key, version, self.schemas.requests[key].encode(version, values))

    def send_body(self, key, version, body, answer_version=None):
        self.correlation += 1
        schema = self.schemas.requests[key] if key in self.schemas.requests else None
        head = struct.pack(">hhih4s", key, version, self.correlation, 4, b"diff")
        if schema and _within(schema.flexible, version):
            head += b"\0"
        self.stream.send(struct.pack(">i", len(head) + len(body)) + head + body)
        self.waiting.append((self.correlation, key, version if answer_version is None else answer_version))

    def receive(self):
        correlation, key, version = self.waiting.pop(0)
        size, = struct.unpack(">i", self._read(4))
        if not 4 <= size <= ANSWER_BYTES_MAX:
            raise ValueError(f"an answer of {size} bytes")
        data = self._read(size)
        if struct.unpack_from(">i", data)[0] != correlation:
            raise ValueError("an answer to another request")
        schema = self.schemas.responses[key]
        head = 5 if key != API_VERSIONS and _within(schema.flexible, version) else 4
        return schema.decode(version, data[head:])

    def _read(self, size):
        while len(self.stream.buffer) < size:
            self.stream.fill()
        data, self.stream.buffer = self.stream.buffer[:size], self.stream.buffer[size:]
        return data

    def close(self):
        self.stream.close()


# --- record batches -------------------------------------------------------------------------------
def _crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _signed(value):
    return _varint((value << 1) ^ (value >> 63))


def _field(data):
    return _signed(-1) if data is None else _signed(len(data)) + data


def record(index, key, value, headers=()):
    body = b"\0" + _signed(0) + _signed(index) + _field(key) + _field(value) + _signed(len(headers))
    body += b"".join(_field(name) + _field(data) for name, data in headers)
    return _signed(len(body)) + body


def batch(records=((None, b"value"),), *, at_ms, producer=(PRODUCER_NONE, -1), sequence=-1, attributes=0, magic=2, base=0,
          leader_epoch=-1, last_delta=None, count=None, crc=None, tail=b"", body=None):
    """One record batch, in whatever way wrong."""
    data = b"".join(record(index, *each) for index, each in enumerate(records)) + tail if body is None else body
    if attributes & 7 == 1:
        packer = zlib.compressobj(wbits=31)
        data = packer.compress(data) + packer.flush()
    checked = struct.pack(">hiqqqhii", attributes, len(records) - 1 if last_delta is None else last_delta, at_ms, at_ms,
                          *producer, sequence, len(records) if count is None else count) + data
    head = struct.pack(">ibI", leader_epoch, magic, crc32c(checked) if crc is None else crc)
    return struct.pack(">qi", base, len(head) + len(checked)) + head + checked


def _plain(codec, data):
    """Two brokers pack in their own ways. None: a codec that Python has not."""
    if codec == 0:
        return data
    return zlib.decompress(data, wbits=47) if codec == 1 else None


def describe_batches(data):
    """What of fetched batches two brokers have in common: all but times, ids and checksums."""
    found, at = [], 0
    while at + 61 <= len(data):
        base, size, epoch, magic, _, attributes, delta, first, _, producer, producer_epoch, sequence, count = \
            struct.unpack_from(">qiibIhiqqqhii", data, at)
        control = attributes & 0x20
        records = _plain(attributes & 7, data[at + 61:at + 12 + size])
        found.append((base, delta, epoch, magic, attributes, producer >= 0, producer_epoch, sequence, count, first > 0,
                      None if control else records))
        at += 12 + size
    return found
