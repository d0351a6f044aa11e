"""What every sink promises: it is finished once, appears once, and leaves nothing where it could not."""

from __future__ import annotations

import numpy as np
import pytest
from support.diaries import SinkDiary

from cfork_cli.errors import OutputError
from cfork_cli.output.sink import publish_together


def test_a_new_sink_holds_nothing_and_tells_nothing() -> None:
    sink = SinkDiary()
    assert (sink.samples, sink.notes, sink.found) == (0, (), ())
    with pytest.raises(NotImplementedError):
        sink.write(np.zeros((1, 1)))
    assert sink.said == []


def test_closing_completes_then_appears_then_cleans_up_once() -> None:
    sink = SinkDiary()
    with sink as same:
        assert same is sink
    assert sink.said == ["complete", "appear", "stop", "discard"]
    sink.close()
    sink.finish()
    sink.publish()
    sink.abort()
    assert len(sink.said) == 4


def test_finishing_twice_is_finishing_once() -> None:
    sink = SinkDiary()
    sink.finish()
    sink.finish()
    assert sink.said == ["complete"]
    sink.publish()
    assert sink.said == ["complete", "appear", "stop", "discard"]


def test_an_error_in_the_block_aborts() -> None:
    sink = SinkDiary()
    with pytest.raises(KeyError), sink:
        raise KeyError
    assert sink.said == ["stop", "discard"]
    sink.close()  # nothing appears any more
    assert sink.said == ["stop", "discard"]


def test_what_is_not_finished_cannot_be_published() -> None:
    sink = SinkDiary()
    with pytest.raises(ValueError, match="finished before it is published"):
        sink.publish()
    assert sink.said == []


def test_an_output_that_is_not_complete_never_appears() -> None:
    sink = SinkDiary("complete")
    with pytest.raises(OutputError, match="no complete"):
        sink.close()
    assert sink.said == ["complete", "stop", "discard"]
    sink.publish()
    assert sink.said == ["complete", "stop", "discard"]


def test_an_output_that_cannot_appear_is_cleaned_up() -> None:
    sink = SinkDiary("appear")
    sink.finish()
    with pytest.raises(OutputError, match="no appear"):
        sink.publish()
    assert sink.said == ["complete", "appear", "stop", "discard"]


def test_what_cannot_be_stopped_is_removed_all_the_same() -> None:
    sink = SinkDiary("stop")
    with pytest.raises(OutputError, match="no stop"):
        sink.abort()
    assert sink.said == ["stop", "discard"]


def test_several_appear_after_the_last_is_complete() -> None:
    sinks = [SinkDiary(), SinkDiary()]
    publish_together(sinks)
    assert [sink.said for sink in sinks] == [["complete", "appear", "stop", "discard"]] * 2
    broken = [SinkDiary(), SinkDiary("complete")]
    with pytest.raises(OutputError):
        publish_together(broken)
    assert "appear" not in broken[0].said


def test_those_that_did_not_appear_yet_are_not_withdrawn() -> None:
    sinks = [SinkDiary(), SinkDiary("appear"), SinkDiary()]
    with pytest.raises(OutputError):
        publish_together(sinks)
    assert [sink.said[-1] for sink in sinks] == ["withdraw", "withdraw", "complete"]
