"""The checker itself: it is silent about what may happen, and finds each kind of violation when it is planted."""

import pytest

import histcheck


def rules(faults):
    return sorted(fault.split()[0] for fault in faults)


def queue():
    model = histcheck.Queue("q")
    model.sent_count = 10
    model.confirmed = {0, 1, 2, 3, 4, 5}
    model.refused = {9}
    model.ack_sent = {0, 1, 2}
    model.ack_durable = {0, 1}
    return model


@pytest.mark.parametrize("delivered, expected", [
    ([3, 4, 5], []),
    ([2, 3, 4, 5, 6, 8], []),  # An ack that nothing confirmed, and unknown publishes: either way.
    ([3, 5], ["Q1"]),
    ([3, 4, 5, 11], ["Q2"]),
    ([3, 4, 5, 9], ["Q3"]),
    ([4, 3, 5], ["Q4"]),
    ([3, 4, 4, 5], ["Q4"]),
    ([1, 3, 4, 5], ["Q6"]),
])
def test_queue(delivered, expected):
    assert rules(queue().check_content(delivered)) == expected


def flow():
    model = histcheck.Flow("f")
    model.sent_count = 10
    model.added = {0, 1, 2, 3, 4, 5}
    model.taken = {0, 1}
    model.takes_unanswered = 1
    return model


@pytest.mark.parametrize("last, first, expected", [
    ([2, 3], [4, 5], []),
    ([3], [4, 5, 8], []),  # A pop that was not answered, and unknown pushes: either way.
    ([4], [5], ["Q1"]),  # Two are gone for one such pop.
    ([2], [4, 5], ["Q1"]),  # No pop takes one from the middle.
    ([2, 3], [4, 5, 10], ["Q2"]),
    ([2, 3], [3, 4, 5], ["Q4"]),
    ([3, 2], [4, 5], ["Q4"]),
    ([1, 2, 3], [4, 5], ["Q6"]),
])
def test_flow(last, first, expected):
    assert rules(flow().check_content(last, first)) == expected


def test_what_a_flow_has_decided_stays_so():
    model = flow()
    assert model.check_content([3, 4], [5]) == []
    assert rules(model.check_content([2, 3, 4], [5])) == ["Q6"]
    model = flow()
    assert model.check_content([3, 4], [5]) == []
    assert rules(model.check_content([3, 4], [5, 8])) == ["Q6"], "what was not there cannot come later"
    assert rules(model.check_content([4], [5])) == ["Q1"]


def test_deliveries_leave_nothing_out():
    model = histcheck.Delivery("d")
    assert [model.take(offset) for offset in (0, 1, 2, 1, 2, 3)] == [[]] * 6
    assert rules(model.take(6)) == ["Q1"]
    assert model.take(7) == []


def stream():
    model = histcheck.Stream("s")
    model.sent_count = 5
    model.added = {0: (1, 0), 1: (1, 1), 2: (2, 0)}
    model.delete_sent = model.deleted = {(1, 1)}
    model.observed = {(3, 0): 3}
    return model


@pytest.mark.parametrize("entries, expected", [
    ([((1, 0), 0), ((2, 0), 2), ((3, 0), 3)], []),
    ([((1, 0), 0), ((2, 0), 2), ((3, 0), 3), ((4, 0), 4)], []),
    ([((2, 0), 2), ((3, 0), 3)], ["Q1"]),
    ([((1, 0), 0), ((2, 0), 2), ((3, 0), 3), ((4, 0), 5)], ["Q2"]),
    ([((1, 0), 0), ((1, 1), 1), ((2, 0), 2), ((3, 0), 3)], ["Q6"]),
    ([((1, 0), 0), ((2, 0), 2)], ["Q10"]),
    ([((1, 0), 0), ((2, 0), 2), ((3, 0), 3), ((3, 1), 3)], ["Q4"]),
])
def test_stream(entries, expected):
    assert rules(stream().check_content(entries)) == expected


@pytest.mark.parametrize("pending, new, expected", [
    ([3], [9], []),
    ([2, 3, 8], [], []),
    ([], [], ["Q1"]),
    ([1, 3], [], ["Q6"]),
    ([3], [3], ["Q6"]),
])
def test_pending(pending, new, expected):
    model = histcheck.Pending("p")
    model.delivered, model.ack_sent, model.acked = {1, 2, 3}, {1, 2}, {1}
    assert rules(model.check_content(pending, new)) == expected


@pytest.mark.parametrize("pending, new, is_all, expected", [
    ([3, 4, 5, 6], [], True, []),
    ([3, 4], [5, 6, 9], True, []),  # The last deliveries did not happen.
    ([3, 4], [5], False, []),  # Nor did that of 6, which is behind what was read.
    ([3, 4, 6], [5], True, ["Q1", "Q6"]),  # 6 was delivered, so the position is behind 5.
    ([3, 4], [6], True, ["Q1"]),  # 5 is nowhere.
    ([3], [4, 5, 6], True, ["Q1", "Q6"]),  # 4 had survived once.
    ([3, 4], [2, 5, 6], True, ["Q6"]),  # 2 was acknowledged.
])
def test_pending_after_a_loss_of_power(pending, new, is_all, expected):
    model = histcheck.Pending("p")
    model.delivered, model.ack_sent, model.acked, model.durable_position = {1, 2, 3, 4, 5, 6}, {1, 2}, {1, 2}, 4
    model.take_back(pending, new, is_all)
    assert rules(model.check_content(pending, new)) == expected


def test_an_acknowledgement_that_was_not_answered_goes_with_its_delivery():
    model = histcheck.Pending("p")
    model.delivered, model.ack_sent, model.durable_position = {1, 2}, {2}, 0
    model.take_back([1], [2], True)
    assert (model.delivered, model.ack_sent) == ({1}, set())
    assert model.check_content([1], [2]) == []


@pytest.mark.parametrize("value, expected", [(5, []), (7, []), (4, ["Q5"]), (None, ["Q5"]), (8, ["Q2"])])
def test_register(value, expected):
    model = histcheck.Register("r")
    model.sent, model.acknowledged = 7, 5
    assert rules(model.check_content(value)) == expected


@pytest.mark.parametrize("exists, expected", [
    ({"a": True, "b": False}, []), ({"a": False}, ["Q1"]), ({"a": True, "c": True}, ["Q6"])])
def test_names(exists, expected):
    model = histcheck.Names("n")
    model.made, model.remove_sent, model.removed = {"a", "b", "c"}, {"b", "c"}, {"c"}
    assert rules(model.check_content(exists)) == expected


@pytest.mark.parametrize("records, end, expected", [
    ([(10, 7), (11, 8)], 12, []),
    ([(10, 7)], 12, ["Q1", "Q4"]),
    ([(10, 7), (11, 6)], 12, ["Q1", "Q4"]),
    ([(10, 7), (11, 7)], 12, ["Q1", "Q4"]),
    ([(10, 9), (11, 8)], 12, ["Q10", "Q4"]),
    ([(10, 7), (11, 8), (12, 99)], 13, ["Q2"]),
    ([(11, 8)], 12, ["Q10", "Q4"]),
])
def test_partition(records, end, expected):
    model = histcheck.Partition("t", exactly_once=True)
    model.sent_count, model.next_offset, model.last_number = 50, 10, 6
    model.reported, model.observed = {11: 8}, {10: 7}
    assert rules(model.check_content(records, end)) == expected


@pytest.mark.parametrize("visible, expected", [
    ([(1, 0), (1, 1), (3, 0), (3, 1)], []),
    ([(1, 0), (1, 1)], []),
    ([(3, 0), (3, 1)], ["Q1"]),
    ([(1, 0), (1, 1), (2, 0), (2, 1)], ["Q3"]),
    ([(1, 0), (1, 1), (3, 1)], ["Q8"]),
    ([(1, 0), (1, 1), (1, 1)], ["Q8"]),
    ([(1, 0), (1, 1), (9, 0)], ["Q2"]),
])
def test_transactions(visible, expected):
    model = histcheck.Transactions("t")
    model.sizes = {1: 2, 2: 2, 3: 2}
    model.committed, model.aborted, model.undecided = {1}, {2}, {3}
    assert rules(model.check_content(visible)) == expected
