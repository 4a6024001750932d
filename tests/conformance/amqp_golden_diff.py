#!/usr/bin/env python3
"""Plays the golden conversations of tests/golden/amqp with Debian's rabbitmq-server 3.10.8 and compares frame by frame.

  amqp_golden_diff.py [--record] [--theirs HOST:AMQP-PORT:HTTP-PORT] [FILE...]      (default: all files; a server is started)

The answers in the files (A< ...) are ours: the program amqp_golden proves that. Where the other server answers otherwise,
the file says so after our answers:

  #~ the reason
  #~A< what it sends instead (no such line: nothing)

and a conversation that it cannot play begins with `#~ only here: the reason`. Anything else that differs is a failure, and so is
a difference that is gone. --record writes what differs into the files, for the reason to be filled in.
What is compared of connection.start is which capabilities there are. Answers to the parts of one message are taken together.
"""

import argparse
import contextlib
import difflib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import harness  # noqa: E402
import rabbitmq_peer  # noqa: E402

FOLDER = harness.REPO / "tests/golden/amqp"
PROGRAM = harness.REPO / "build/release/src/amqp/golden/amqp_golden"
ONLY_HERE = "#~ only here: "
UNEXPLAINED = "#~ ?"
PLAY_SECONDS = 120


@dataclass
class Block:
    """An action (or a comment) and what is answered."""

    line: str
    ours: list = field(default_factory=list)
    theirs: list = None  # when it differs
    reason: str = ""

    def expected(self):
        return self.ours if self.theirs is None else self.theirs

    def text(self):
        noted = [] if self.theirs is None else [self.reason, *("#~" + line for line in self.theirs)]
        return [self.line, *self.ours, *noted]


def is_answer(line):
    return line[1:2] == "<"


def parse(lines):
    blocks = []
    for line in lines:
        if line.startswith("#~") and not line.startswith(ONLY_HERE):
            block = blocks[-1]
            if block.theirs is None:
                block.theirs = []
            if line[3:4] == "<":
                block.theirs.append(line[2:])
            else:
                block.reason = line
        elif is_answer(line):
            blocks[-1].ours.append(line)
        else:
            blocks.append(Block(line))
    return blocks


def conversations(lines):
    found = [[]]
    for line in lines:
        if line.startswith("== "):
            found.append([])
        found[-1].append(line)
    return [parse(part) for part in found if part]


def is_played(blocks):
    return any(block.line and block.line[0] not in "#=" for block in blocks)


def is_only_here(blocks):
    return any(block.line.startswith(ONLY_HERE) for block in blocks)


def normal(line):
    """Without what must differ."""
    found = re.search(r"connection\.start .*capabilities:F\{(.*?)\}", line)
    return "A< connection.start " + " ".join(sorted(found[1].split(", "))) if found else line


def is_unfinished(block, following):
    """Of a message of which more parts follow: its answer comes when it is whole."""
    return bool(following) and re.match(r"\w> \d+ (basic\.publish|content|body) ?", block.line) is not None and \
        re.match(r"\w> \d+ (content|body) ", following.line) is not None


def pairs(blocks, got):
    """(blocks of one action, what was answered to them) for each action."""
    held = []
    for index, (block, answered) in enumerate(zip(blocks, got)):
        held.append((block, answered))
        if not is_unfinished(block, blocks[index + 1] if index + 1 < len(blocks) else None):
            yield [each for each, _ in held], [line for _, each in held for line in each.ours]
            held = []


def play(address, blocks):
    """What the other server answers: as many blocks."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        lines = [line for block in blocks for line in (block.line, *block.expected())]
        file.write("\n".join(lines) + "\n")
        file.flush()
        done = subprocess.run([str(PROGRAM), "--against", address, file.name], capture_output=True, text=True,
                              timeout=PLAY_SECONDS)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return parse(done.stdout.splitlines())


def differences(blocks, got):
    """Actions of which the answers are others than expected: (the last block, expected, found)."""
    for together, found in pairs(blocks, got):
        expected = [line for block in together for line in block.expected()]
        if [normal(line) for line in expected] != [normal(line) for line in found]:
            yield together[-1], expected, found


def note(blocks, got):
    """Writes what was found beside our answers, where it differs from them."""
    for together, found in pairs(blocks, got):
        ours = [line for block in together for line in block.ours]
        reasons = [block.reason for block in together if block.reason]
        for block in together:
            block.theirs, block.reason = None, ""
        if [normal(line) for line in ours] != [normal(line) for line in found]:
            together[-1].theirs = found
            together[-1].reason = reasons[0] if reasons else UNEXPLAINED
            if together[-1].ours != ours:  # Ours came before the message was whole.
                for block in together[:-1]:
                    if block.ours:
                        block.theirs, block.reason = [], together[-1].reason


@dataclass
class Totals:
    played: int = 0
    equal: int = 0
    explained: int = 0
    only_here: int = 0
    failed: int = 0


def compare_one(address, name, blocks, totals, record):
    if not is_played(blocks):
        return
    if is_only_here(blocks):
        totals.only_here += 1
        return
    totals.played += 1
    title = f"{name}: {blocks[0].line}"
    if any(block.reason == UNEXPLAINED for block in blocks) and not record:
        print(f"{title}\n  a difference without a reason")
        totals.failed += 1
        return
    try:
        got = play(address, blocks)
        found = list(differences(blocks, got))
        if found and not record:  # Once more, for a machine that was busy.
            got = play(address, blocks)
            found = list(differences(blocks, got))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"{title}\n  cannot be played: {error}")
        totals.failed += 1
        return
    if record:
        note(blocks, got)
    elif found:
        totals.failed += 1
        print(title)
        for block, expected, answered in found:
            print(f"  {block.line}")
            print("\n".join("    " + line for line in difflib.unified_diff(expected, answered, lineterm="", n=0)
                            if not line.startswith(("---", "+++", "@@"))))
        return
    if any(block.theirs is not None for block in blocks):
        totals.explained += 1
    else:
        totals.equal += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--theirs")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    totals = Totals()
    with contextlib.ExitStack() as stack:
        address = options.theirs
        if not address:
            peer = stack.enter_context(rabbitmq_peer.RabbitMQ())
            address = f"127.0.0.1:{peer.amqp_port}:{peer.management_port}"
        for path in options.files or sorted(set(FOLDER.glob("*.txt")) - {FOLDER / "CMakeLists.txt"}):
            parts = conversations(path.read_text().splitlines())
            for blocks in parts:
                compare_one(address, path.name, blocks, totals, options.record)
            if options.record:
                path.write_text("".join(line + "\n" for blocks in parts for block in blocks for line in block.text()))
    print(f"{totals.played} conversations played: {totals.equal} equal, {totals.explained} with differences that are explained; "
          f"{totals.only_here} cannot be played there")
    print(f"{totals.played - totals.failed} passed, {totals.failed} failed")
    return 1 if totals.failed or not totals.played else 0


if __name__ == "__main__":
    sys.exit(main())
