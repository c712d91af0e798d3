"""The live laboratory: any run of the package, started and stopped by hand. It needs a kernel."""

import base64
import html
import threading
import time
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any, cast

import ipywidgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rfm_tutorial import plots
from rfm_tutorial.circulant import circulant_block, circulant_deviation
from rfm_tutorial.explorables.grok import LAST, MEASURES, packed_runs
from rfm_tutorial.explorables.wording import SYMBOLS
from rfm_tutorial.kernels import KERNELS, Kernel, RadialKernel
from rfm_tutorial.number_theory import is_prime
from rfm_tutorial.rfm import RFM, RFMStep
from rfm_tutorial.tasks import ModularTask

PEOPLE = {"gaussian": "Gaussian", "laplace": "Laplace"}
"""Kernels that are named after somebody have a capital letter."""
PRIMES = [p for p in range(5, 98) if is_prime(p)]
DRAW_EVERY = 0.5
"""Seconds between two drawings, so that quick runs are not slowed down by their picture."""
EXAMPLE = (
    "The live laboratory, here as a picture of a finished run: a + b mod 61 with the Gaussian "
    "kernel and half of the table."
)


class Laboratory(ipywidgets.VBox):
    """Choose a task and a machine, start the run, watch it, stop it.

    The run goes on in a thread, so that the controls stay alive. Each step is one record in
    `history`, and the last `RFM` is kept as `rfm`: after a run, look at
    `laboratory.rfm.feature_matrix_` in the next cell.

    Where there is no kernel behind the page, its picture is shown instead.

    Examples
    --------
    >>> laboratory = Laboratory(modulus=11, iterations=3)
    >>> laboratory.start()
    >>> laboratory.wait()
    >>> len(laboratory.history), laboratory.history[-1]["train_accuracy"]
    (4, 1.0)
    """

    def __init__(
        self,
        operation: str = "add",
        modulus: int = 61,
        kernel: str = "Gaussian",
        fraction: float = 0.5,
        seed: int = 0,
        iterations: int = 25,
    ) -> None:
        plain = {"style": {"description_width": "initial"}}
        self.operation = ipywidgets.Dropdown(
            options=[(symbol, name) for name, symbol in SYMBOLS.items()],
            value=operation,
            description="operation",
            **plain,
        )
        self.modulus = ipywidgets.SelectionSlider(
            options=PRIMES, value=modulus, description="modulus p", **plain
        )
        self.kernel = ipywidgets.Dropdown(
            options=[PEOPLE.get(name, name) for name in KERNELS],
            value=kernel,
            description="kernel",
            **plain,
        )
        self.bandwidth = ipywidgets.FloatSlider(
            value=2.5, min=0.5, max=10, step=0.5, description="bandwidth L", **plain
        )
        self.fraction = ipywidgets.FloatSlider(
            value=fraction, min=0.1, max=0.7, step=0.05, description="known share", **plain
        )
        self.seed = ipywidgets.BoundedIntText(
            value=seed, min=0, max=9999, description="seed of the split", **plain
        )
        self.iterations = ipywidgets.IntSlider(
            value=iterations, min=1, max=60, description="iterations", **plain
        )
        self.start_button = ipywidgets.Button(description="Start", button_style="primary")
        self.stop_button = ipywidgets.Button(description="Stop", disabled=True)
        self.progress = ipywidgets.IntProgress(description="progress", **plain)
        self.status = ipywidgets.HTML()
        self.picture = ipywidgets.HTML()
        self.history: list[dict[str, float]] = []
        self.rfm: RFM | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.start_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        self.kernel.observe(self._kernel_changed, "value")
        self._kernel_changed()
        self._say("Choose, then press Start.")
        row = ipywidgets.Layout(flex_flow="row wrap")
        super().__init__(
            [
                ipywidgets.HBox(
                    [self.operation, self.modulus, self.fraction, self.seed], layout=row
                ),
                ipywidgets.HBox([self.kernel, self.bandwidth, self.iterations], layout=row),
                ipywidgets.HBox([self.start_button, self.stop_button, self.progress], layout=row),
                self.status,
                self.picture,
            ]
        )

    def start(self) -> None:
        """Begin a run with the settings of the controls; nothing if one is under way."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self.history = []
        self.start_button.disabled, self.stop_button.disabled = True, False
        self.progress.max, self.progress.value = self.iterations.value, 0
        self._say("Started.")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Have the run end after the step that it is at."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Return when the run has ended, or after so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._fit()
            ending = "Stopped by hand." if self._stop.is_set() else "Finished."
            self._say(f"{ending} {_sentence(self.history)}")
        # Nobody waits for this thread: whatever went wrong has to be said here.
        except Exception as error:
            self._say(f"The run ended with an error. {type(error).__name__}: {error}")
        self.start_button.disabled, self.stop_button.disabled = False, True

    def _fit(self) -> None:
        operation = cast(str, self.operation.value)
        task = ModularTask(operation, self.modulus.value)
        split = task.split(train_fraction=self.fraction.value, seed=self.seed.value)
        rfm = self.rfm = RFM(self._machine(), self.iterations.value)
        title = f"{SYMBOLS[operation]} mod {task.modulus}"
        drawn = 0.0

        def note(step: RFMStep) -> bool:
            nonlocal drawn
            deviation = circulant_deviation(circulant_block(step.feature_matrix, operation))
            self.history.append(rfm.history_[-1] | {"deviation": deviation})
            self.progress.value = step.iteration
            self._say(_sentence(self.history))
            last = self._stop.is_set() or step.iteration == rfm.n_iterations
            if last or time.monotonic() - drawn > DRAW_EVERY:
                self.picture.value = _image(self.history, title)
                drawn = time.monotonic()
            return self._stop.is_set()

        hidden = (split.X_test, split.Y_test)
        rfm.fit(split.X_train, split.Y_train, validation=hidden, progress=False, on_step=note)

    @property
    def _radial(self) -> bool:
        """Whether the kernel has a bandwidth."""
        return issubclass(KERNELS[cast(str, self.kernel.value).lower()], RadialKernel)

    def _machine(self) -> Kernel:
        parameters = {"bandwidth": self.bandwidth.value} if self._radial else {}
        return KERNELS[cast(str, self.kernel.value).lower()](**parameters)

    def _kernel_changed(self, _: object = None) -> None:
        self.bandwidth.disabled = not self._radial

    def _say(self, text: str) -> None:
        self.status.value = f'<p role="status">{html.escape(text)}</p>'

    def __repr__(self) -> str:
        return _example()[1]

    # IPython takes a pair of data and metadata as well.
    def _repr_mimebundle_(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Controls where there is a kernel, else a picture; book/_ext chooses on the website."""
        data = dict(super()._repr_mimebundle_(**kwargs) or {})
        picture, text = _example()
        data["text/plain"] = text
        data["image/png"] = base64.b64encode(picture).decode()
        return data, {"image/png": {"alt": text, "width": 360}}


def _sentence(history: Sequence[dict[str, float]]) -> str:
    last = history[-1]
    deviation = last["deviation"]
    block = "" if np.isnan(deviation) else f" Circulant deviation {deviation:.2f}."
    return (
        f"Step {last['iteration']:.0f}: right on {100 * last['test_accuracy']:.1f} % of the hidden "
        f"cells and on {100 * last['train_accuracy']:.1f} % of the known ones. "
        f"Test loss {last['test_loss']:.4f}.{block}"
    )


def _drawn(history: Sequence[dict[str, float]], title: str, panels: int = 2) -> tuple[bytes, str]:
    """Accuracy with deviation, and the loss, as a picture and in words.

    Not through pyplot, which other threads may use.
    """
    figure = Figure(figsize=(3.6 * panels, 3.4), layout="constrained", facecolor="#fcfcfa")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    plots.grokking_curves(history, "accuracy", ax=axes[0])
    steps = [record["iteration"] for record in history]
    values = [record["deviation"] for record in history]
    colour, style, marker, label = plots.LINES["deviation"]
    axes[0].plot(steps, values, color=colour, ls=style, marker=marker, markersize=4, label=label)
    axes[0].set_ylabel("accuracy, deviation")
    if panels == 2:
        plots.grokking_curves(history, "loss", ax=axes[1])
    for ax in axes:
        ax.set_facecolor("#fcfcfa")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False, fontsize="small")
    axes[0].set_title(title, loc="left")
    known = [value for value in values if not np.isnan(value)]
    text = plots.alt_text(figure)
    if known:
        text += f" The circulant deviation goes from {known[0]:.2f} to {known[-1]:.2f}."
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue(), text


def _image(history: Sequence[dict[str, float]], title: str) -> str:
    picture, text = _drawn(history, title)
    data = base64.b64encode(picture).decode()
    alt = html.escape(f"Line plots of accuracy, deviation and loss. {text}")
    style = "max-width: 720px; width: 100%"
    return f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{data}">'


@cache
def _example() -> tuple[bytes, str]:
    """A finished run from the packed runs, as a picture and in words."""
    table = packed_runs()["add Gaussian measures"]
    history = [
        {"iteration": step, **dict(zip(MEASURES, table[step].tolist(), strict=True))}
        for step in range(LAST + 1)
    ]
    picture, text = _drawn(history, "a + b mod 61", panels=1)
    return picture, f"{EXAMPLE} {text}"
