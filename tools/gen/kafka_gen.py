#!/usr/bin/env python3
"""Turns schema/kafka/*.txt into src/kafka/wire/*.gen.{h,cc}, and into fuzz/kafka_schema.gen.cc for who is a client.

    tools/gen/kafka_gen.py            write what has changed
    tools/gen/kafka_gen.py --check    exit 1 when anything is not fresh

The schema language is described in schema/kafka/README.md. Python's standard library only.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schema" / "kafka"
OUT = ROOT / "src" / "kafka" / "wire"
TABLE = ROOT / "fuzz" / "kafka_schema.gen.cc"

INTS = {"i8": 1, "i16": 2, "i32": 4, "i64": 8}
FIXED = {"bool": 1, "uuid": 16, "f64": 8, **INTS}
BYTES = {"string", "bytes", "records"}
ANY_LAST = 1 << 15

FIELD = re.compile(
    r"^(?P<name>[a-z][a-z0-9_]*) (?P<type>\[?[A-Za-z0-9]+\]?)(?P<null>\?(?:\d+\+)?)?"
    r"(?: (?P<versions>\d+(?:\+|-\d+)?))?(?: tag=(?P<tag>\d+))?(?: =(?P<default>\S+))?$")


class SchemaError(Exception):
    pass


def parse_range(text):
    if text is None:
        return 0, ANY_LAST
    if text.endswith("+"):
        return int(text[:-1]), ANY_LAST
    first, _, last = text.partition("-")
    return int(first), int(last or first)


class Field:
    def __init__(self, match):
        self.name = match["name"]
        self.is_array = match["type"].startswith("[")
        self.type = match["type"].strip("[]")
        self.first, self.last = parse_range(match["versions"])
        null = match["null"]
        self.nullable_from = None if null is None else int(null[1:-1] or 0) if len(null) > 1 else 0
        self.tag = None if match["tag"] is None else int(match["tag"])
        self.default = match["default"]
        self.fields = []
        if not self.is_struct and self.type not in FIXED and self.type not in BYTES:
            raise SchemaError(f"unknown type {self.type}")
        if self.is_struct and not self.is_array and self.nullable_from not in (None, 0):
            raise SchemaError(f"{self.name}: a single struct must be nullable in all versions or in none")

    @property
    def is_struct(self):
        return self.type[0].isupper()

    @property
    def nullable(self):
        return self.nullable_from is not None

    def size_min(self):
        """The least that one element of this type takes in any version."""
        if self.is_struct:
            return max(1, sum(f.wire_size_min() for f in self.fields))
        return FIXED.get(self.type, 1)

    def wire_size_min(self):
        if self.tag is not None or self.first > 0 or self.last < ANY_LAST:
            return 0
        return 1 if self.is_array else FIXED.get(self.type, 1)


class Message:
    def __init__(self, path):
        self.stem = path.stem
        lines = path.read_text().splitlines()
        self.parts = {}
        self.flexible = None
        stack = []
        for number, line in enumerate(lines, 1):
            text = line.split("#")[0].rstrip()
            if not text:
                continue
            try:
                self.parse_line(text, stack)
            except SchemaError as error:
                raise SchemaError(f"{path}:{number}: {error}") from None

    def parse_line(self, text, stack):
        body = text.lstrip(" ")
        depth, odd = divmod(len(text) - len(body), 2)
        if odd:
            raise SchemaError("odd indentation")
        if depth == 0:
            words = body.split()
            if words[0] == "api":
                self.key, self.name = int(words[1]), words[2]
            elif words[0] == "versions":
                self.first, self.last = parse_range(words[1])
            elif words[0] == "flexible":
                self.flexible = None if words[1] == "none" else parse_range(words[1])[0]
            elif words[0] in ("request", "response"):
                stack[:] = [self.parts.setdefault(words[0], [])]
            else:
                raise SchemaError(f"unknown line {body!r}")
            return
        match = FIELD.match(body)
        if match is None:
            raise SchemaError(f"not a field: {body!r}")
        if depth > len(stack):
            raise SchemaError("too deep")
        del stack[depth:]
        field = Field(match)
        stack[depth - 1].append(field)
        stack.append(field.fields)


class Cpp:
    """Writes the header and the source of one API."""

    def __init__(self, message):
        self.m = message
        self.lines = []
        self.depth = 0
        self.variables = 0

    def put(self, text=""):
        self.lines.append("  " * self.depth + text if text else "")

    def fresh(self, stem):
        self.variables += 1
        return f"{stem}{self.variables}"

    def element_type(self, field, owned):
        simple = {"bool": "bool", "uuid": "Uuid", "f64": "double", "string": "std::string" if owned else "ByteView",
                  "bytes": "std::string" if owned else "ByteView",
                  "records": "Records" if owned else "ByteView"}
        if field.type in INTS:
            return f"std::int{8 * INTS[field.type]}_t"
        return simple.get(field.type, field.type)

    def cpp_type(self, field, owned):
        name = self.element_type(field, owned)
        if field.is_array:
            name = f"std::vector<{name}>"
        return f"std::optional<{name}>" if field.nullable else name

    def default(self, field):
        if field.is_struct and not field.is_array:
            return None
        if field.default is not None:
            return "INT32_MIN" if field.default == "-2147483648" else field.default
        if field.is_array or field.nullable or field.type in BYTES or field.type == "uuid":
            return None
        return "false" if field.type == "bool" else "0"

    def struct(self, name, fields, owned):
        self.put(f"struct {name} {{")
        self.depth += 1
        for field in fields:
            if field.is_struct:
                self.struct(field.type, field.fields, owned)
        for field in fields:
            value = self.default(field)
            init = "" if value is None else f" = {value}"
            self.put(f"{self.cpp_type(field, owned)} {field.name}{init};")
        self.depth -= 1
        self.put("};")

    def header(self):
        m = self.m
        flexible = ANY_LAST - 1 if m.flexible is None else m.flexible
        self.put("// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.")
        self.put("#pragma once")
        self.put()
        self.put('#include "kafka/wire/codec.h"')
        self.put()
        self.put("namespace trv::kafka::wire {")
        self.put()
        for part, owned in (("request", False), ("response", True)):
            self.struct(m.name + part.capitalize(), m.parts[part], owned)
            self.put()
        self.put(f"struct {m.name}Api {{")
        self.put(f"  static constexpr std::int16_t key = {m.key};")
        self.put(f"  static constexpr std::int16_t version_min = {m.first};")
        self.put(f"  static constexpr std::int16_t version_max = {m.last};")
        self.put(f"  static constexpr std::int16_t flexible_from = {flexible};")
        self.put(f"  using Request = {m.name}Request;")
        self.put(f"  using Response = {m.name}Response;")
        self.put("};")
        self.put()
        self.put(f"void decode(Decoder& in, {m.name}Request& out);")
        self.put(f"void encode(Encoder& out, const {m.name}Response& in);")
        self.put()
        self.put("}  // namespace trv::kafka::wire")
        return self.finish()

    def finish(self):
        text = "\n".join(self.lines) + "\n"
        self.lines = []
        return text

    # The range of versions that reach a field, as a condition on `version`; None when always.
    def condition(self, first, last):
        tests = []
        if first > self.m.first:
            tests.append(f"version >= {first}")
        if last < self.m.last:
            tests.append(f"version <= {last}")
        return " && ".join(tests) or None

    def guarded(self, first, last, body):
        test = self.condition(first, last)
        if test is None:
            body()
            return
        self.put(f"if ({test}) {{")
        self.depth += 1
        body()
        self.depth -= 1
        self.put("}")

    def flexible_test(self):
        if self.m.flexible is None:
            return "false"
        return "true" if self.m.flexible <= self.m.first else f"version >= {self.m.flexible}"

    def on_flexible(self, body):
        test = self.flexible_test()
        if test == "false":
            return
        if test == "true":
            body()
            return
        self.put(f"if ({test}) {{")
        self.depth += 1
        body()
        self.depth -= 1
        self.put("}")

    READ = {"bool": "boolean", "records": "bytes"}

    def decode_scalar(self, field, target, source):
        name = self.READ.get(field.type, field.type)
        if not field.nullable or field.type in FIXED:
            self.put(f"{target} = {source}.{name}();")
        elif self.condition(field.nullable_from, ANY_LAST) is None:
            self.put(f"{target} = {source}.nullable_{name}();")
        else:
            self.put(f"if (version >= {field.nullable_from}) {{")
            self.put(f"  {target} = {source}.nullable_{name}();")
            self.put("} else {")
            self.put(f"  {target} = {source}.{name}();")
            self.put("}")

    def decode_array(self, field, target, source):
        count = self.fresh("count")
        size = field.size_min()
        if not field.nullable:
            self.put(f"std::size_t {count} = {source}.array({size});")
            self.decode_elements(field, target, source, count)
            return
        if self.condition(field.nullable_from, ANY_LAST) is None:
            self.put(f"std::optional<std::size_t> {count} = {source}.nullable_array({size});")
        else:
            self.put(f"std::optional<std::size_t> {count} = version >= {field.nullable_from}")
            self.put(f"    ? {source}.nullable_array({size})")
            self.put(f"    : std::optional<std::size_t>({source}.array({size}));")
        self.put(f"if ({count}) {{")
        self.depth += 1
        self.put(f"{target}.emplace();")
        self.decode_elements(field, f"(*{target})", source, f"*{count}")
        self.depth -= 1
        self.put("}")

    def decode_elements(self, field, target, source, count):
        item, index = self.fresh("item"), self.fresh("i")
        loop = f"for (std::size_t {index} = 0; {index} < {count} && {source}.ok(); ++{index}) {{"
        self.put(loop)
        self.depth += 1
        if field.is_struct:
            self.put(f"auto& {item} = {target}.emplace_back();")
            self.decode_fields(field.fields, item, source)
        else:
            name = self.READ.get(field.type, field.type)
            self.put(f"{target}.push_back({source}.{name}());")
        self.depth -= 1
        self.put("}")

    def decode_single(self, field, target, source):
        if not field.nullable:
            self.decode_fields(field.fields, target, source)
            return
        self.put(f"if ({source}.i8() >= 0) {{")
        self.depth += 1
        # Not emplace(): to Clang 14 a nested struct with default values has no constructor without arguments there.
        one = self.fresh("one")
        self.put(f"std::remove_reference_t<decltype(*{target})> {one}{{}};")
        self.decode_fields(field.fields, one, source)
        self.put(f"{target} = {one};")
        self.depth -= 1
        self.put("}")

    def decode_field(self, field, owner, source):
        target = f"{owner}.{field.name}"
        if field.is_array:
            self.decode_array(field, target, source)
        elif field.is_struct:
            self.decode_single(field, target, source)
        else:
            self.decode_scalar(field, target, source)

    def decode_fields(self, fields, owner, source):
        for field in fields:
            if field.tag is None:
                self.guarded(field.first, field.last,
                             lambda f=field: self.decode_field(f, owner, source))
        self.on_flexible(lambda: self.decode_tags(fields, owner, source))

    def decode_tags(self, fields, owner, source):
        tagged = [f for f in fields if f.tag is not None]
        if not tagged:
            self.put(f"{source}.skip_tags();")
            return
        self.put(f"{source}.tags([&](std::uint64_t tag, Decoder& part) {{")
        self.depth += 1
        for field in tagged:
            self.put(f"if (tag == {field.tag}) {{")
            self.depth += 1
            self.decode_field(field, owner, "part")
            self.depth -= 1
            self.put("}")
        self.depth -= 1
        self.put("});")

    WRITE = {"bool": "boolean"}

    def encode_field(self, field, owner, sink):
        value = f"{owner}.{field.name}"
        if field.is_array:
            self.encode_array(field, value, sink)
            return
        if field.is_struct:
            self.encode_single(field, value, sink)
            return
        name = self.WRITE.get(field.type, field.type)
        if not field.nullable or field.type in FIXED:
            self.put(f"{sink}.{name}({value});")
        elif self.condition(field.nullable_from, ANY_LAST) is None:
            self.put(f"{sink}.nullable_{name}({value});")
        else:
            self.put(f"if (version >= {field.nullable_from}) {{")
            self.put(f"  {sink}.nullable_{name}({value});")
            self.put("} else {")
            self.put(f'  {sink}.{name}({value} ? ByteView(*{value}) : ByteView());')
            self.put("}")

    def encode_single(self, field, value, sink):
        if not field.nullable:
            self.encode_fields(field.fields, value, sink)
            return
        self.put(f"{sink}.i8({value} ? 1 : -1);")
        self.put(f"if ({value}) {{")
        self.depth += 1
        self.encode_fields(field.fields, f"(*{value})", sink)
        self.depth -= 1
        self.put("}")

    def encode_array(self, field, value, sink):
        if field.nullable:
            self.put(f"if (!{value}) {{")
            empty = f"{sink}.null_array();"
            if self.condition(field.nullable_from, ANY_LAST) is not None:
                empty = (f"version >= {field.nullable_from} ? {sink}.null_array() : "
                         f"{sink}.array(0);")
            self.put("  " + empty)
            self.put("} else {")
            self.depth += 1
            self.encode_elements(field, f"(*{value})", sink)
            self.depth -= 1
            self.put("}")
        else:
            self.encode_elements(field, value, sink)

    def encode_elements(self, field, value, sink):
        item = self.fresh("item")
        self.put(f"{sink}.array({value}.size());")
        self.put(f"for (const auto& {item} : {value}) {{")
        self.depth += 1
        if field.is_struct:
            self.encode_fields(field.fields, item, sink)
        else:
            self.put(f"{sink}.{self.WRITE.get(field.type, field.type)}({item});")
        self.depth -= 1
        self.put("}")

    def encode_fields(self, fields, owner, sink):
        for field in fields:
            if field.tag is None:
                self.guarded(field.first, field.last,
                             lambda f=field: self.encode_field(f, owner, sink))
        self.on_flexible(lambda: self.encode_tags(fields, owner, sink))

    def encode_tags(self, fields, owner, sink):
        tagged = sorted((f for f in fields if f.tag is not None), key=lambda f: f.tag)
        if not tagged:
            self.put(f"{sink}.tag_count(0);")
            return
        tests = []
        for field in tagged:
            name = self.fresh("has")
            value = f"{owner}.{field.name}"
            test = f"!{value}.empty()" if field.is_array else f"{value} != {self.default(field)}"
            tests.append(name)
            self.put(f"const bool {name} = {test};")
        self.put(f"{sink}.tag_count({' + '.join(f'({t} ? 1u : 0u)' for t in tests)});")
        for field, test in zip(tagged, tests):
            self.put(f"if ({test}) {{")
            self.depth += 1
            self.put(f"{sink}.tag({field.tag}, [&](Encoder& part) {{")
            self.depth += 1
            self.encode_field(field, owner, "part")
            self.depth -= 1
            self.put("});")
            self.depth -= 1
            self.put("}")

    def source(self):
        m = self.m
        self.put("// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.")
        self.put(f'#include "kafka/wire/{m.stem}.gen.h"')
        self.put()
        self.put("namespace trv::kafka::wire {")
        self.put()
        version = "[[maybe_unused]] const std::int16_t version"
        self.put(f"void decode(Decoder& in, {m.name}Request& out) {{")
        self.depth = 1
        self.put(f"{version} = in.version();")
        self.decode_fields(m.parts["request"], "out", "in")
        self.depth = 0
        self.put("}")
        self.put()
        self.put(f"void encode(Encoder& out, const {m.name}Response& in) {{")
        self.depth = 1
        self.put(f"{version} = out.version();")
        self.encode_fields(m.parts["response"], "in", "out")
        self.depth = 0
        self.put("}")
        self.put()
        self.put("}  // namespace trv::kafka::wire")
        return self.finish()


class Table:
    """Writes the schema itself as a table: the fields of a struct stand one behind the other."""

    def __init__(self):
        self.rows = []

    def add(self, fields):
        """Result: first row and count."""
        nested = [self.add(field.fields) for field in fields]
        first = len(self.rows)
        for field, (begin, count) in zip(fields, nested):
            kind = "record" if field.is_struct else "boolean" if field.type == "bool" else field.type
            null = -1 if field.nullable_from is None else field.nullable_from
            tag = -1 if field.tag is None else field.tag
            value = {None: "0", "true": "1", "false": "0"}.get(field.default, field.default)
            self.rows.append(f'{{"{field.name}", Kind::{kind}, {str(field.is_array).lower()}, {field.first}, {min(field.last, 32767)}, '
                             f"{null}, {tag}, {value}, {begin}, {count}}},")
        return first, len(fields)

    def source(self, messages):
        apis = []
        for m in sorted(messages, key=lambda one: one.key):
            (request, requests), (response, responses) = self.add(m.parts["request"]), self.add(m.parts["response"])
            flexible = 32767 if m.flexible is None else m.flexible
            apis.append(f'{{{m.key}, "{m.name}", {flexible}, {{{request}, {requests}}}, {{{response}, {responses}}}}},')
        return "\n".join([
            "// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.", '#include "kafka_schema.h"', "",
            "namespace trv::fuzz {", "namespace {", "", "using Kind = SchemaField::Kind;", "",
            "constexpr SchemaField fields[] = {", *("    " + row for row in self.rows), "};", "",
            "constexpr SchemaApi apis[] = {", *("    " + api for api in apis), "};", "", "}  // namespace", "",
            "std::span<const SchemaApi> schema_apis() { return apis; }", "",
            "std::span<const SchemaField> fields_of(SchemaFields place) {",
            "  return std::span(fields).subspan(place.first, place.count);", "}", "",
            "}  // namespace trv::fuzz", ""])


def generate():
    files = {}
    messages = []
    for path in sorted(SCHEMAS.glob("*.txt")):
        message = Message(path)
        messages.append(message)
        cpp = Cpp(message)
        files[OUT / f"{message.stem}.gen.h"] = cpp.header()
        files[OUT / f"{message.stem}.gen.cc"] = cpp.source()
    files[TABLE] = Table().source(messages)
    return files


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    try:
        files = generate()
    except SchemaError as error:
        sys.exit(f"kafka_gen: {error}")
    stale = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    orphans = [p for p in sorted(OUT.glob("*.gen.*")) if p not in files]
    if check:
        for path in stale + orphans:
            print(f"not fresh: {path.relative_to(ROOT)}", file=sys.stderr)
        sys.exit(1 if stale or orphans else 0)
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path])
    for path in orphans:
        path.unlink()


if __name__ == "__main__":
    main()
