"""Answers to unusual requests, as Kafka 4.1 gives them: what conformance/kafka_diff.py found, kept where no Kafka is needed."""

import uuid

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic
from kafka.protocol.admin import (CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
                                  DescribeGroupsRequest, DescribeProducersRequest, ListGroupsRequest)
from kafka.protocol.consumer import (FetchRequest, ListOffsetsRequest, OffsetCommitRequest, OffsetDeleteRequest,
                                     SyncGroupRequest)
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import InitProducerIdRequest
from kafkarequests import Requests

OUT_OF_RANGE, UNKNOWN_TOPIC, BAD_TOPIC, BAD_GENERATION, BAD_PROTOCOL, BAD_GROUP = 1, 3, 17, 22, 23, 24
INVALID_REQUEST, GROUP_UNKNOWN, NO_SESSION, MISMATCHED_ENDPOINT, UNSUPPORTED_ENDPOINT = 42, 69, 70, 114, 115
NO_ID = uuid.UUID(int=0)


@pytest.fixture
def kafka(broker):
    one = Requests(broker)
    yield one
    one.close()


@pytest.fixture
def topic(broker, name):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    return name


def describe(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    return admin.describe_topics(TopicCollection([topic]))[topic].result(10)


def create(kafka, version, name, partitions, factor):
    topics = CreateTopicsRequest.CreatableTopic
    answer = kafka.call(CreateTopicsRequest, version, timeout_ms=5000, validate_only=False, topics=[topics(
        version=version, name=name, num_partitions=partitions, replication_factor=factor, assignments=[], configs=[])])
    return answer.topics[0]


def test_creation_by_default_values_in_old_versions(kafka, name):
    assert create(kafka, 2, name, -1, -1).error_code == 0
    assert create(kafka, 7, "a b", 1, 1).configs == [], "none, and not null"


def delete(kafka, *topics):
    states = DeleteTopicsRequest.DeleteTopicState
    answer = kafka.call(DeleteTopicsRequest, 6, timeout_ms=5000, topics=[
        states(version=6, name=topic, topic_id=topic_id) for topic, topic_id in topics])
    return [each.error_code for each in answer.responses]


def test_a_topic_is_deleted_only_when_it_is_named_once(broker, kafka, topic):
    described = describe(broker, topic).topic_id
    topic_id = uuid.UUID(int=(described.get_most_significant_bits() << 64) | described.get_least_significant_bits() & (2**64 - 1))
    assert delete(kafka, (topic, NO_ID), (topic, NO_ID)) == [INVALID_REQUEST]
    assert delete(kafka, (None, topic_id), (None, topic_id)) == [INVALID_REQUEST]
    assert delete(kafka, (topic, NO_ID), (None, topic_id)) == [INVALID_REQUEST]
    assert delete(kafka, (topic, topic_id)) == [INVALID_REQUEST]
    assert delete(kafka, (None, NO_ID)) == [INVALID_REQUEST]
    assert describe(broker, topic).name == topic
    assert delete(kafka, (None, topic_id)) == [0]


def configs(kafka, topic, keys):
    resources = DescribeConfigsRequest.DescribeConfigsResource
    return kafka.call(DescribeConfigsRequest, 4, include_synonyms=False, include_documentation=False, resources=[resources(
        version=4, resource_type=2, resource_name=topic, configuration_keys=keys)]).results[0]


def test_no_keys_of_settings_are_all(kafka, topic):
    assert len(configs(kafka, topic, []).configs) == len(configs(kafka, topic, None).configs) > 10
    assert configs(kafka, "a b", None).error_code == BAD_TOPIC


def test_the_endpoint_of_controllers(kafka):
    for kind, code in ((1, 0), (2, MISMATCHED_ENDPOINT), (3, UNSUPPORTED_ENDPOINT)):
        answer = kafka.call(DescribeClusterRequest, 1, include_cluster_authorized_operations=False, endpoint_type=kind)
        assert (answer.error_code, answer.endpoint_type, bool(answer.cluster_id)) == (code, 1, code == 0)


def test_half_an_identity_of_a_producer(kafka, name):
    for producer, epoch in ((5, -1), (-1, 5)):
        answer = kafka.call(InitProducerIdRequest, 4, transactional_id=name, transaction_timeout_ms=5000, producer_id=producer,
                            producer_epoch=epoch)
        assert answer.error_code == INVALID_REQUEST


def test_metadata_of_a_topic_that_is_named_twice(kafka, topic):
    topics = MetadataRequest.MetadataRequestTopic
    answer = kafka.call(MetadataRequest, 7, allow_auto_topic_creation=False, topics=[topics(version=7, name=topic)] * 2)
    assert [each.name for each in answer.topics] == [topic]


def test_offsets_of_a_partition_that_is_named_twice(kafka, topic):
    topics = ListOffsetsRequest.ListOffsetsTopic
    partitions = topics.ListOffsetsPartition
    answer = kafka.call(ListOffsetsRequest, 5, replica_id=-1, isolation_level=0, topics=[topics(version=5, name=topic, partitions=[
        partitions(version=5, partition_index=0, current_leader_epoch=-1, timestamp=when) for when in (-1, -2)])])
    assert [each.error_code for each in answer.topics[0].partitions] == [INVALID_REQUEST]


def fetch(kafka, topic, offset=0, session=0, epoch=-1):
    topics = FetchRequest.FetchTopic
    return kafka.call(FetchRequest, 11, replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1000, isolation_level=0,
                      session_id=session, session_epoch=epoch, forgotten_topics_data=[], rack_id="", topics=[topics(
                          version=11, topic=topic, partitions=[topics.FetchPartition(
                              version=11, partition=0, current_leader_epoch=-1, fetch_offset=offset, log_start_offset=-1,
                              partition_max_bytes=1000)])])


def test_fetches_that_fail(kafka, topic, name):
    out = fetch(kafka, topic, 5).responses[0].partitions[0]
    assert (out.error_code, out.high_watermark, out.aborted_transactions) == (OUT_OF_RANGE, -1, None)
    unknown = fetch(kafka, name + "-none").responses[0].partitions[0]
    assert (unknown.error_code, unknown.aborted_transactions) == (UNKNOWN_TOPIC, [])


def test_only_the_continuation_of_a_session_needs_one(kafka, topic):
    assert fetch(kafka, topic, session=77, epoch=1).error_code == NO_SESSION
    for epoch, opens in ((0, True), (-1, False)):
        answer = fetch(kafka, topic, session=77, epoch=epoch)
        assert (answer.error_code, answer.session_id > 0, len(answer.responses)) == (0, opens, 1)


def commit(kafka, version, group, topic, generation):
    topics = OffsetCommitRequest.OffsetCommitRequestTopic
    answer = kafka.call(OffsetCommitRequest, version, group_id=group, generation_id_or_member_epoch=generation, member_id="",
                        group_instance_id=None, topics=[topics(version=version, name=topic, partitions=[
                            topics.OffsetCommitRequestPartition(version=version, partition_index=0, committed_offset=1,
                                                                committed_leader_epoch=-1, committed_metadata="")])])
    return answer.topics[0].partitions[0].error_code


def test_commits_of_a_generation_of_an_unknown_group(kafka, topic, name):
    assert commit(kafka, 7, f"{name}-g", topic, 3) == BAD_GENERATION
    assert commit(kafka, 9, f"{name}-g", topic, 3) == GROUP_UNKNOWN
    assert commit(kafka, 7, f"{name}-g", topic, -1) == 0


def test_a_group_that_only_has_offsets_has_no_protocol(kafka, topic, name):
    group = f"{name}-g"
    assert commit(kafka, 7, group, topic, -1) == 0
    listed = kafka.call(ListGroupsRequest, 4, states_filter=[]).groups
    assert [(each.protocol_type, each.group_state) for each in listed if each.group_id == group] == [("", "Empty")]


def test_empty_names_of_groups(kafka, topic):
    topics = OffsetDeleteRequest.OffsetDeleteRequestTopic
    answer = kafka.call(OffsetDeleteRequest, 0, group_id="", topics=[topics(version=0, name=topic, partitions=[])])
    assert answer.error_code == BAD_GROUP


def test_an_unknown_group_has_no_operations(kafka, name):
    answer = kafka.call(DescribeGroupsRequest, 6, groups=[f"{name}-none"], include_authorized_operations=True)
    assert answer.groups[0].error_code == GROUP_UNKNOWN
    assert not answer.groups[0].authorized_operations, "none, which is not the empty set of them"


def test_producers_of_a_bad_name(kafka):
    topics = DescribeProducersRequest.TopicRequest
    answer = kafka.call(DescribeProducersRequest, 0, topics=[topics(version=0, name="a b", partition_indexes=[0])])
    assert answer.topics[0].partitions[0].error_code == BAD_TOPIC


def test_members_say_their_protocol_from_version_5_on(kafka, name):
    answer = kafka.call(SyncGroupRequest, 5, group_id=name, generation_id=1, member_id="m", group_instance_id=None,
                        protocol_type=None, protocol_name=None, assignments=[])
    assert answer.error_code == BAD_PROTOCOL
