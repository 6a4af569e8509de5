"""2 Train: settings, w while it runs, start and stop, and how the run stands."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.training_status import standing
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.settings import W_ADVICE, W
from napari_cryoorient.widgets.part import Part
from napari_cryoorient.widgets.path_row import PathRow
from napari_cryoorient.widgets.poses_part import PosesPart
from napari_cryoorient.widgets.run_on import RunOn
from napari_cryoorient.widgets.setting_rows import SettingRows, label_of
from napari_cryoorient.widgets.steady import SteadyLabel

W_TOOLTIP = (
    "<p>The objective is <b>w·QD + (1 - w)·L1</b>: QD is the distance of the predicted rotation to "
    f"the known one, L1 the difference of their projections. For w {W_ADVICE}. "
    "During training it follows the slider.</p>"
)
MAIN = ("preset", "symmetry", "labels", "minutes", "device")
STEER_EVERY_MS = 120


def _by_label(name: str, sentence: str) -> str:
    """Let a sentence on a setting begin with what stands beside the setting's field."""
    label = label_of(TrainConfig, name)
    return f"{label}: {sentence.removeprefix(name.replace('_', ' ')).strip()}"


class TrainSection(QWidget):
    """Shows settings and run of the session; asks the controller for the rest."""

    refused = Signal(str)

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._session = controller.session
        self._shown_log = ""
        form = QFormLayout()
        self.main_rows = SettingRows(MAIN, form, self._on_setting)
        self.w_slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.w_slider.setAccessibleName("w, rotation against projection")
        self.w_slider.setRange(*W.bounds())
        self.w_slider.setSingleStep(0.05)  # type: ignore[arg-type]
        self.w_slider.setDecimals(2)
        self.w_slider.setToolTip(W_TOOLTIP)
        self.w_slider.setMinimumWidth(100)
        # Slider and number take the keyboard; what holds both would do nothing with it.
        self.w_slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for inner, name in (
            (QSlider, "w, rotation against projection"),
            (QLineEdit, "w as a number"),
        ):
            for widget in self.w_slider.findChildren(inner):
                widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                widget.setAccessibleName(name)
        self.suggest_button = QPushButton("Suggest")
        self.suggest_button.setToolTip(
            "<p>Tests the map for symmetry, and sets symmetry and w as the paper advises.</p>"
        )
        w_line = QHBoxLayout()
        w_line.addWidget(self.w_slider, 1)
        w_line.addWidget(self.suggest_button)
        form.insertRow(1, "w", w_line)
        self.reason = SteadyLabel(3)  # what was found or set back, and why

        self.rare = Part("More settings")
        rare = QWidget()
        rare_form = QFormLayout(rare)
        rare_form.setContentsMargins(0, 0, 0, 0)
        self.run_on = RunOn(controller.compute_target)
        rare_form.addRow("Run on", self.run_on)
        names = [n for n in TrainConfig.model_fields if n not in MAIN and n != "w"]
        self.rare_rows = SettingRows(names, rare_form, self._on_setting)
        self.rare.addWidget(rare)

        self.refine_box = QCheckBox("Refine the poses afterwards")
        self.refine_box.setToolTip(
            "<p>When the run has finished, its predictions are refined against the map, and "
            "doubtful particles searched globally.</p>"
        )
        self.poses_part = PosesPart(controller)
        self.without = Part("Poses without training")
        self.without.addWidget(self.poses_part)

        self.run_row = PathRow("a run folder", is_folder=True, placeholder="beside the stack")
        run_form = QFormLayout()
        run_form.addRow("Run folder", self.run_row)
        self.train_button = QPushButton("Train")
        self.stop_button = QPushButton("Stop")
        self.resume_button = QPushButton("Resume")
        self.predict_button = QPushButton("Predict")
        self.predict_button.setToolTip(
            "<p>Predicts the whole stack with the best that this run has learned so far.</p>"
        )
        self.open_button = QPushButton("Open a run…")
        self.stop_button.setToolTip("<p>The run keeps its best and can be resumed.</p>")
        self.open_button.setToolTip(
            "<p>Follow a run started in a terminal or on a cluster, or see one that is over.</p>"
        )
        self.copy_button = QPushButton("Copy command")
        buttons = QGridLayout()
        for column, button in enumerate((self.train_button, self.stop_button, self.open_button)):
            buttons.addWidget(button, 0, column)
        for column, button in enumerate(
            (self.resume_button, self.predict_button, self.copy_button)
        ):
            buttons.addWidget(button, 1, column)
        self.headline = SteadyLabel(2)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the run")
        self.details = SteadyLabel(3)

        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setAccessibleName("Log of the run")
        self.log.setFixedHeight(120)
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.log_part = Part("Log")
        self.log_part.addWidget(self.log)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.reason)
        layout.addLayout(buttons)
        layout.addWidget(self.headline)
        layout.addWidget(self.bar)
        layout.addWidget(self.details)
        layout.addLayout(run_form)
        layout.addWidget(self.refine_box)
        layout.addWidget(self.rare)
        layout.addWidget(self.without)
        layout.addWidget(self.log_part)
        layout.addStretch(1)

        # A slider being dragged tells of every pixel; the run need not.
        self._steer = QTimer(self)
        self._steer.setSingleShot(True)
        self._steer.setInterval(STEER_EVERY_MS)
        self._steer.timeout.connect(self._on_w)
        self.w_slider.valueChanged.connect(self._on_slider)
        self.suggest_button.clicked.connect(self._on_suggest)
        self.train_button.clicked.connect(self._on_train)
        self.stop_button.clicked.connect(controller.stop)
        self.resume_button.clicked.connect(self._on_resume)
        self.predict_button.clicked.connect(lambda: controller.pose_jobs.predict())
        self.refine_box.toggled.connect(self._on_refine)
        self.copy_button.clicked.connect(self._on_copy)
        self.run_row.chosen.connect(self._on_run_dir)
        self._session.settings_changed.connect(self._pull)
        self._session.data_changed.connect(self._pull)
        self._session.run_changed.connect(self._pull_run)
        self._session.data_changed.connect(self._on_data)
        self._session.map_symmetry_changed.connect(self._pull)
        controller.pose_jobs.changed.connect(self._pull_run)
        controller.compute_target.changed.connect(self._pull_command)
        self._pull()
        self._pull_run()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._steer.stop()
        self._session.settings_changed.disconnect(self._pull)
        self._session.data_changed.disconnect(self._pull)
        self._session.run_changed.disconnect(self._pull_run)
        self._session.data_changed.disconnect(self._on_data)
        self._session.map_symmetry_changed.disconnect(self._pull)
        self._controller.pose_jobs.changed.disconnect(self._pull_run)
        self._controller.compute_target.changed.disconnect(self._pull_command)
        self.poses_part.close_part()
        self.run_on.close_part()

    def _pull(self, *_: object) -> None:
        settings = self._session.settings
        self.main_rows.pull(settings)
        self.rare_rows.pull(settings)
        if not self._steer.isActive():
            with signals_blocked(self.w_slider):
                self.w_slider.setValue(settings.w)
        hint = "" if self._session.is_training else self._session.symmetry_hint()
        self.reason.setText(" ".join(part for part in (self._session.advice, hint) if part))
        self._pull_command()

    def _pull_command(self) -> None:
        run = self._session.run
        shown = run.path if self._session.is_training and run else None
        self.run_row.set_path(shown or self._controller.planned_run_dir())
        why_not = self._controller.why_no_training()
        text = "" if why_not else self._controller.command()
        self.train_button.setEnabled(not why_not)
        self.train_button.setToolTip(
            f"<p>{escape(why_not or 'Start a run in the background.')}</p>"
        )
        self.copy_button.setEnabled(bool(text))
        self.copy_button.setToolTip(
            f"<p>What Train does, as a command line:</p><p>{escape(text)}</p>"
            if text
            else f"<p>{escape(why_not)}</p>"
        )

    def _pull_run(self, *_: object) -> None:
        run = self._session.run
        is_training, is_stopping = self._session.is_training, self._session.is_stopping
        self.main_rows.set_enabled(not is_training)
        self.rare_rows.set_enabled(not is_training)
        self.run_row.setEnabled(not is_training)
        self.stop_button.setEnabled(is_training and not is_stopping)
        self.stop_button.setText("Stopping…" if is_stopping else "Stop")
        can_resume = run is not None and run.state in ("stopped", "failed", "crashed")
        is_free = not self._controller.pose_jobs.is_going
        can_resume = can_resume and run is not None and run.is_there
        self.resume_button.setEnabled(can_resume and is_free)
        self.predict_button.setEnabled(can_resume and self._controller.pose_jobs.can_predict)
        self.open_button.setEnabled(not is_training)
        now = standing(run, is_stopping=is_stopping)
        self.headline.setText(on_screen(now.headline))
        self.details.setText("\n".join(now.details))
        # Without a known end the bar only shows that something is going on.
        self.bar.setRange(0, 0 if now.fraction is None else 1000)
        if now.fraction is not None:
            self.bar.setValue(round(1000 * now.fraction))
        self._pull_log("" if run is None else run.log)
        self._pull_command()

    def _pull_log(self, text: str) -> None:
        """Show the log, its end unless the user has scrolled away from it."""
        self.log_part.setVisible(bool(text))
        if text == self._shown_log:
            return
        self._shown_log = text
        bar = self.log.verticalScrollBar()
        place = None if bar is None or bar.value() == bar.maximum() else bar.value()
        self.log.setPlainText(text.rstrip("\n"))
        if bar is not None:
            bar.setValue(bar.maximum() if place is None else place)

    def _on_setting(self, name: str, value: object) -> None:
        try:
            self._session.change_settings(**{name: value})
        except InputError as error:
            self._pull()
            self.refused.emit(on_screen(_by_label(name, str(error))))

    def _on_data(self, data: Data) -> None:
        """Offer what these data allow."""
        particles = data.particles
        has_poses = particles is None or particles.poses is not None
        self.main_rows.allow("labels", "star", has_poses)
        if not has_poses:
            self.without.expand(animate=False)

    def _on_refine(self, is_wanted: bool) -> None:
        self._controller.refines_afterwards = is_wanted

    def _on_slider(self, _value: float) -> None:
        if not self._steer.isActive():
            self._steer.start()

    def _on_w(self) -> None:
        self._session.change_settings(w=round(float(self.w_slider.value()), 3))

    def _on_suggest(self) -> None:
        self._controller.suggest()

    def _flush_w(self) -> None:
        """Take a move of the slider that has not been told yet."""
        if self._steer.isActive():
            self._steer.stop()
            self._on_w()

    def _on_train(self) -> None:
        self._flush_w()
        self._controller.train()

    def _on_resume(self) -> None:
        self._flush_w()
        self._controller.resume()

    def _on_run_dir(self, path: Path | None) -> None:
        self._controller.run_dir = path
        self._pull_command()

    def _on_copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._controller.command())
