"""Training: is it going well, and when is it done?"""

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import ContentSwitcher, Log

from tuitrain.analysis import health, pace, summary, units
from tuitrain.config.values import from_text, to_text
from tuitrain.errors import RunError
from tuitrain.runs.control import KEYS, CommandName, accepted, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.listing import Entry
from tuitrain.runs.process import this_process
from tuitrain.runs.records import Score, State
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets import terminal
from tuitrain.widgets.curves import Curves, Gradients
from tuitrain.widgets.footer import FittingFooter
from tuitrain.widgets.meter import progress
from tuitrain.widgets.navigation import AskValue, DetachRun, OpenRun, RunEnded, TrainOn
from tuitrain.widgets.report import STATUS
from tuitrain.widgets.said import Said
from tuitrain.widgets.ticking import BUDGET, TickingScreen

PAGES = ("curves", "gradients", "log")
LOG_LINES = 3
# Below this width the name of the run is worth more than the time of day at its end.
NARROW = 72
# The name has so many columns at least.
SHORTEST = 6


class Training(TickingScreen):
    """A run that goes on, read from its folder; leaving this screen changes nothing for the run."""

    CSS_PATH = "training.tcss"
    TITLE = "Training"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause", tooltip="Hold the run", id="training.pause"),
        Binding("p", "go_on", "resume", tooltip="Let the run go on", id="training.go_on"),
        Binding("s", "stop", "stop", tooltip="Stop after this step, with a checkpoint", id="training.stop"),
        Binding("r", "rate", "rate", tooltip="Change the learning rate", id="training.rate"),
        Binding(
            "e", "epochs", "epochs", tooltip="Change the number of epochs, after the end, too", id="training.epochs"
        ),
        Binding("d", "detach", "background", tooltip="Move to a process of its own", id="training.detach"),
        Binding("enter", "results", "results", tooltip="The results, with the confusion matrix", id="training.results"),
        Binding("1", "page('curves')", "curves", tooltip="Loss and accuracy", id="training.curves"),
        Binding(
            "2", "page('gradients')", "gradients", tooltip="Gradient norms and learning rate", id="training.gradients"
        ),
        Binding("3", "page('log')", "log", tooltip="All that the run printed", id="training.log"),
        Binding("k", "checkpoint", "checkpoint", tooltip="Save a checkpoint now", id="training.checkpoint"),
        Binding("escape", "app.pop_screen", "runs", tooltip="Back; the run goes on", id="training.back"),
        Binding("q", "app.quit", tooltip="Leave tuitrain", show=False),
    ]

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.run = Follower(folder)
        self._logged = 0
        # Stands in the log until something is printed.
        self._waiting = ""
        self._seen_pages: set[str] = set()
        self._active = False
        self._refused: int | None = None
        self._blocks = utf8_locale()

    def compose(self) -> ComposeResult:
        yield Said(id="head")
        with ContentSwitcher(initial="curves"):
            yield Curves(id="curves")
            yield Gradients(id="gradients")
            yield Log(id="log", max_lines=2000, auto_scroll=True)
        yield Said(id="progress")
        yield Said(id="numbers")
        yield Said(id="health")
        yield Said(id="tail")
        yield FittingFooter()

    def on_mount(self) -> None:
        self.query_one(Curves).focus()

    def on_resize(self) -> None:
        self.set_class(self.size.height < 24, "low")
        if self.is_mounted:
            self._lines()

    def tick(self) -> None:
        was_active, before = self._active, self.run.state.started
        self.run.poll(BUDGET)
        if self.hurries(self.run.behind):
            return
        self._active = self.run.status in ("queued", "running", "paused")
        if was_active and not self._active and before is not None:
            self.post_message(RunEnded(self.run.folder, self.run.info.name, self.run.state, self.run.status))
        self._tell_refused()
        state = self.run.state
        whole = f"{state.step / state.steps:.0%} " if state.steps and state.active else ""
        terminal.title(self.app, f"{whole}{self.run.info.name} · {self.run.status}")
        self._page()
        self._lines()
        self.refresh_bindings()

    def _tell_refused(self) -> None:
        """What the trainer did not take since the screen was opened."""
        refused = [event.detail for event in self.run.events if event.name == "refused"]
        for detail in refused[self._refused :] if self._refused is not None else ():
            self.notify(f"Refused: {plain(detail)}", severity="warning", markup=False)
        self._refused = len(refused)

    def _page(self) -> None:
        """Only the page that is seen is drawn."""
        current = self.query_one(ContentSwitcher).current or ""
        self._seen_pages.add(current)
        if current == "log":
            self._show_log()
        else:
            self.query_one(f"#{current}", Curves if current == "curves" else Gradients).show(self.run)

    def _show_log(self) -> None:
        """What the run printed; until then, what it does."""
        log, fresh = self.query_one(Log), self.run.log_lines - self._logged
        lines = [plain(line, 1000) for line in list(self.run.log)[-fresh:]] if fresh > 0 else []
        if not self.run.log_lines:
            lines = [f"{plain(self.run.state.phase or self.run.status, 60)} · nothing printed yet"]
        if lines != [self._waiting]:
            if self._waiting:
                log.clear()
            log.write_lines(lines)
            self._waiting = "" if self.run.log_lines else lines[0]
        self._logged = self.run.log_lines

    def _lines(self) -> None:
        self.query_one("#head", Said).say(self._head())
        self.query_one("#progress", Said).say(self._progress())
        self.query_one("#numbers", Said).say(self._numbers())
        self.query_one("#health", Said).say(self._health())
        count = 1 if self.has_class("low") else LOG_LINES
        last = list(self.run.log)[-count:] if self.run.log else [self.run.state.phase or "waiting for the first step"]
        self.query_one("#tail", Said).say(Content("\n".join(plain(line) for line in last)))

    def _head(self) -> Content:
        run, state = self.run, self.run.state
        status = (
            run.status
            if run.status != "running" or state.phase in ("", "training")
            else plain(state.phase.partition(" ")[0], 16)
        )
        now = f" · epoch {min(state.epoch + 1, state.epochs)}/{state.epochs}" if state.active else ""
        left = pace.seconds_left(run) if run.status == "running" else None
        end = ""
        if left is not None:
            rest = units.duration(left)
            end = (
                f" · ends {units.clock(time.time() + left)} (in {rest})"
                if self.size.width >= NARROW
                else f" · {rest} left"
            )
        room = max(1, self.size.width - 2 - len(status + now + end) - 1)
        return Content.assemble(
            self._title(room), " ", (status, STATUS.get(run.status, "")), now, (end, "$foreground 60%")
        )

    def _title(self, room: int) -> Content:
        """The name and what the run is made from, as much as there is room for; optimizer and rate stay longest."""
        run = self.run
        entry = Entry(run.folder, run.info, run.config, run.state, run.status)
        model = f"{summary.model(entry)} {run.config.model.activation}"
        parts = [run.config.data.dataset, model, f"{run.config.optimizer.name} {self._rate:g}"]
        name = Content.styled(plain(run.info.name, 60), "bold")
        while len(parts) > 1 and name.cell_length + sum(len(part) + 3 for part in parts) > room:
            parts.pop(0)
        about = Content.styled("".join(f" · {part}" for part in parts), "$foreground 60%")
        name = name.truncate(max(SHORTEST, room - about.cell_length), ellipsis=True)
        return (name + about).truncate(room, ellipsis=True, pad=True)

    @property
    def _rate(self) -> float:
        """The learning rate, the peak where there is a schedule."""
        set_since = self.run.state.lr
        return self.run.config.optimizer.lr if set_since is None else set_since

    def _progress(self) -> Content:
        state = self.run.state
        whole = state.step / state.steps if state.steps else 0.0
        within = state.step - state.epoch * state.steps_per_epoch
        part = within / state.steps_per_epoch if state.steps_per_epoch and state.epoch < state.epochs else whole
        speed = units.rate(pace.images_per_second(self.run))
        device = plain(self.run.info.device, 40).partition(" ")[0] or "…"
        tail = f"  {speed} images/s · {device} {units.size(state.memory)}"
        width = self.size.width - 2 - len(tail)
        if width < 60:
            return Content.assemble(progress("run", whole, width, blocks=self._blocks), (tail, "$foreground 60%"))
        half = (width - 2) // 2
        return Content.assemble(
            progress("epoch", min(1.0, max(0.0, part)), half, blocks=self._blocks), "  ",
            progress("run", whole, half, blocks=self._blocks), (tail, "$foreground 60%"),
        )  # fmt: skip

    def _numbers(self) -> Content:
        """As much of it as there is room for, the scores first."""
        run, state = self.run, self.run.state
        rate, norm = (run.train[name][-1] if len(run.train) else None for name in ("lr", "grad_norm"))
        steps = [
            Content.assemble(("lr ", "$foreground 60%"), units.number(rate)),
            Content.assemble(("|grad| ", "$foreground 60%"), units.number(norm)),
        ]
        best = _best(state)
        ways = (
            (best, 2, True),
            (best[:1], 2, True),
            (best[:1], 1, True),
            (best[:1], 0, True),
            ((), 0, True),
            ((), 0, False),
        )
        for about, count, losses in ways:
            more = f" ({', '.join(about)})" if about else ""
            scores = [
                _score("train", state.train, losses=losses),
                _score("val", state.validation, more, losses=losses),
                _score("test", state.test, losses=losses),
            ]
            line = Content("   ").join(part for part in (*scores, *steps[:count]) if part)
            if line.cell_length <= self.size.width - 2:
                break
        return line

    def _health(self) -> Content:
        found = health.findings(self.run)
        worst = not found[0].good
        mark = (
            "! " if worst else "✓ ",
            "$error" if worst and self.run.status == "failed" else "$warning" if worst else "$success",
        )
        return Content.assemble(mark, plain(health.fitting(found, self.size.width - 4)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        active = self._active
        if action == "detach":
            return active and self.run.state.process == this_process()
        if action in ("pause", "go_on"):
            return active and (self.run.state.status == "paused") == (action == "go_on")
        if action in ("stop", "checkpoint", "rate"):
            return active
        if action == "results":
            return not active
        if action == "page":
            return self.query_one(ContentSwitcher).current != parameters[0] if self.is_mounted else True
        return True

    def action_page(self, page: str) -> None:
        self.query_one(ContentSwitcher).current = page
        self.query_one(f"#{page}").focus()
        # A page that was seen before is there at once, and a moment later what is new.
        if page in self._seen_pages:
            self.refresh_bindings()
            self.call_after_refresh(self._go)
        else:
            self._page()
            self.refresh_bindings()

    def action_results(self) -> None:
        self.post_message(OpenRun(self.run.folder, results=True, replace=True))

    def action_pause(self) -> None:
        self._send("pause")

    def action_go_on(self) -> None:
        self._send("resume")

    def action_stop(self) -> None:
        self._send("stop")

    def action_checkpoint(self) -> None:
        self._send("checkpoint")

    def action_rate(self) -> None:
        self._ask("lr", to_text(self._rate), "Learning rate, the peak where there is a schedule")

    def action_epochs(self) -> None:
        if not self._active:
            self.post_message(TrainOn(self.run.folder, ask=True, watch=True))
            return
        self._ask("epochs", str(self.run.state.epochs), "Number of epochs in all")

    def action_detach(self) -> None:
        self.post_message(DetachRun())

    def _ask(self, command: CommandName, present: str, text: str) -> None:
        def check(text: str) -> float:
            if not self._active:
                raise RunError(f"The run does not go on: it is {self.run.status}.")
            value: float = accepted(command, from_text(KEYS[command], text), self.run.state.begun)
            return value

        def answer(text: str | None) -> None:
            if text is not None:
                self._send(command, from_text(KEYS[command], text))

        self.post_message(AskValue(text, present, check, answer))

    def _send(self, command: CommandName, value: float | None = None) -> None:
        try:
            send(self.run.folder, command, value)
            self.notify(f"{command} sent", timeout=2)
        except RunError as error:
            self.notify(str(error), severity="error", markup=False)


def _best(state: State) -> tuple[str, ...]:
    """What is said of the best validation: what it was chosen by, with the value where that is not the last, and the
    epoch. Another tool's run without losses is judged by its accuracies."""
    if state.best is None:
        return ()
    found = state.best.validation
    by, value = ("lowest loss", units.loss(found.loss))
    if found.loss is None:
        by, value = "highest", units.percent(found.measured)
    return (by if found == state.validation else f"{by} {value}", f"epoch {state.best.epoch}")


def _score(name: str, score: Score | None, more: str = "", *, losses: bool = True) -> Content:
    if score is None:
        return Content("")
    return Content.assemble(
        (f"{name} ", "$foreground 60%"),
        f"{units.loss(score.loss)} · " if losses else "",
        (units.percent(score.accuracy), "bold"),
        (more, "$foreground 60%"),
    )
