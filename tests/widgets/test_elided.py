"""A path that is cut keeps its name; a sentence keeps its beginning."""

from __future__ import annotations

from napari_cryoorient.widgets.elided import ElidedLabel, cut_path


def test_the_name_of_a_file_stays_whole_while_it_fits(qtbot):
    label = ElidedLabel()
    qtbot.addWidget(label)
    metrics = label.fontMetrics()
    path = "/a/long/way/through/many/folders/of/a/project/particles_192_1.274A.star"
    name = path.rpartition("/")[2]
    for extra in (30, 60, 120):
        room = metrics.horizontalAdvance("…" + name) + extra
        cut = cut_path(path, metrics, room)
        assert cut.endswith(name)
        assert "…" in cut
        assert metrics.horizontalAdvance(cut) <= room + 1
    assert cut_path(path, metrics, 10_000) == path
    assert "…" in cut_path(path, metrics, metrics.horizontalAdvance(name) // 2)


def test_a_sentence_is_cut_at_its_end(qtbot):
    sentence = "No particles yet. Choose a map and particles under 1 Data, or drop them here."
    label = ElidedLabel(sentence, is_sentence=True)
    qtbot.addWidget(label)
    label.resize(label.fontMetrics().horizontalAdvance(sentence) // 2, 20)
    label.show()
    assert label.text().startswith("No particles yet.")
    assert label.text().endswith("…")
    assert label.whole_text() == sentence
