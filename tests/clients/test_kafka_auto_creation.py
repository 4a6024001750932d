"""Topics that come to be by being asked for, and the option that keeps them from it."""

import harness
import pytest
from kafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest
from kafka.protocol.metadata import MetadataRequest
from kafkarequests import Requests

UNKNOWN_TOPIC, INVALID_TOPIC = 3, 17


def ask(kafka, version, name, **fields):
    topics = MetadataRequest.MetadataRequestTopic
    answer = kafka.call(MetadataRequest, version, topics=[topics(version=version, name=name)], **fields)
    return answer.topics[0].error_code


@pytest.mark.own
@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("setting", ["on", "off"])
def test_the_option(shards, setting, name):
    broker = harness.Broker(shards=shards, arguments=["--kafka-auto-create-topics", setting]).start()
    try:
        kafka = Requests(broker)
        unknown = 0 if setting == "on" else UNKNOWN_TOPIC
        assert ask(kafka, 1, f"{name}-old") == unknown, "old versions always allow it"
        assert ask(kafka, 4, f"{name}-new", allow_auto_topic_creation=True) == unknown
        assert ask(kafka, 4, f"{name}-never", allow_auto_topic_creation=False) == UNKNOWN_TOPIC
        resources = DescribeConfigsRequest.DescribeConfigsResource
        told = kafka.call(DescribeConfigsRequest, 1, include_synonyms=False, resources=[resources(
            version=1, resource_type=4, resource_name="1", configuration_keys=["auto.create.topics.enable"])])
        assert told.results[0].configs[0].value == ("true" if setting == "on" else "false")
        kafka.close()
    finally:
        broker.close()


def test_what_kafka_keeps_in_topics(broker):
    """Those are the broker's to make (test_kafka_state_topics.py)."""
    kafka = Requests(broker)
    for name in ("__consumer_offsets", "__transaction_state", "__share_group_state"):
        topic = CreateTopicsRequest.CreatableTopic
        created = kafka.call(CreateTopicsRequest, 4, timeout_ms=10000, validate_only=False, topics=[topic(
            version=4, name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[])])
        assert created.topics[0].error_code == INVALID_TOPIC
    assert ask(kafka, 4, "__consumer_offset", allow_auto_topic_creation=True) == 0
    kafka.close()
