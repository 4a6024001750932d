"""The Kafka protocol with Debian's kcat (librdkafka 2.0.2): an older client than the Python one."""

import json
import subprocess

import pytest


@pytest.fixture
def kcat(broker):
    def run(*arguments, text=None, code=0):
        result = subprocess.run(["kcat", "-b", broker.bootstrap, *arguments], input=text, capture_output=True, text=True,
                                timeout=40)
        assert result.returncode == code, (result.stdout, result.stderr)
        return result.stdout

    return run


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_produce_consume(kcat, name, codec):
    text = "".join(f"k{index}:v{index}\n" for index in range(200))
    kcat("-P", "-t", name, "-K", ":", "-z", codec, "-X", "acks=all", "-H", "a=1", text=text)
    assert kcat("-C", "-t", name, "-e", "-q", "-K", ":", "-o", "beginning") == text
    rows = [json.loads(line) for line in kcat("-C", "-t", name, "-e", "-q", "-J", "-c", "3").splitlines()]
    assert [(row["partition"], row["offset"], row["headers"]) for row in rows] == [
        (0, index, ["a", "1"]) for index in range(3)]


def test_metadata_and_query(kcat, name):
    kcat("-P", "-t", name, text="x\ny\n")
    listing = json.loads(kcat("-L", "-J", "-t", name))
    assert listing["topics"][0]["topic"] == name and len(listing["brokers"]) == 1
    assert kcat("-Q", "-t", f"{name}:0:-1").split()[-1] == "2"
    assert kcat("-Q", "-t", f"{name}:0:-2").split()[-1] == "0"


def test_group(kcat, name):
    kcat("-P", "-t", name, text="a\nb\nc\n")
    output = kcat("-G", f"{name}.g", "-q", "-c", "3", "-X", "auto.offset.reset=earliest", name)
    assert output == "a\nb\nc\n"


def test_idempotent(kcat, name):
    kcat("-P", "-t", name, "-X", "enable.idempotence=true", text="".join(f"{index}\n" for index in range(1000)))
    assert kcat("-C", "-t", name, "-e", "-q").split() == [str(index) for index in range(1000)]
