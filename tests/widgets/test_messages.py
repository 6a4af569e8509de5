"""What is said is seen in the panel, whole, until it is closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from napari.utils.notifications import show_error, show_info, show_warning

from napari_cryoorient.widgets.messages import LONGEST, MessageBar


@pytest.fixture
def bar(qtbot) -> Iterator[MessageBar]:
    bar = MessageBar()
    qtbot.addWidget(bar)
    yield bar
    bar.close_bar()


def test_a_message_is_whole_and_stays_until_it_is_closed(bar):
    assert bar.isHidden()
    sentence = "The stack has 12 images, but the STAR file names 13: check the file. " * 3
    show_warning(sentence)
    assert not bar.isHidden()
    assert bar.label.text() == sentence
    assert not bar._timer.isActive()
    bar.close_button.click()
    assert bar.isHidden()


def test_an_older_warning_waits_below_good_news_which_goes_by_itself(bar):
    show_error("The run failed.")
    show_info("12 particles written.")
    assert bar.message.text == "12 particles written."
    assert bar.more.text() == "+1"
    assert bar._timer.isActive()
    bar._timer.timeout.emit()
    assert bar.message.text == "The run failed."
    assert bar.message.severity == "error"
    show_error("The run failed.")  # again: once is enough
    bar.close_message()
    assert bar.message is None


def test_very_long_messages_leave_room_for_the_rest(bar):
    show_warning("x" * 5000)
    assert len(bar.label.text()) == LONGEST
    assert bar.label.toolTip() == "x" * 5000


def test_messages_from_other_threads_arrive(bar, qtbot):
    thread = threading.Thread(target=lambda: show_warning("from elsewhere"))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bar.message is not None)
    assert bar.message.text == "from elsewhere"


def test_a_bar_that_was_closed_hears_no_more(qtbot):
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.close_bar()
    show_warning("nobody listens")
    assert bar.message is None
