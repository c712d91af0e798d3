"""RFM in the page: the whole loop, solve, AGOP, root, runs in the browser while one watches."""

from functools import lru_cache

import traitlets

from rfm_tutorial.checks import check_integer, check_real
from rfm_tutorial.circulant import circulant_block, circulant_deviation
from rfm_tutorial.explorables.base import script, style
from rfm_tutorial.explorables.in_page import GIVEN, InPage, check_settings
from rfm_tutorial.explorables.wording import rounded
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import SingularKernelError
from rfm_tutorial.metrics import accuracy
from rfm_tutorial.rfm import RFM
from rfm_tutorial.tasks import ModularTask

LAST = 30
BANDWIDTHS = (0.5, 10.0)


class RFMInPage(InPage):
    """A Recursive Feature Machine that the page itself runs, update by update.

    Gaussian kernel, no ridge, on the package's own split. The page computes as many updates as
    `step` asks for and starts again when another setting changes. What it has computed is in
    `history`, with the names of `RFM.history_`; `sentence` does not look there but runs the
    package.

    Parameters
    ----------
    operation : "add", "sub", "mul" or "div"
    modulus : p, a prime from 11 to 23
    train_fraction : 0.3 … 0.9
    seed : of the split, 0 … 50
    bandwidth : L of the Gaussian kernel, 0.5 … 10
    step : 0 … 30, how many updates of the features

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> RFMInPage("add", 13, step=12)  # doctest: +NORMALIZE_WHITESPACE
    a + b mod 13, 70 % to train on, bandwidth 2.5. After 12 updates the machine answers
    28 of 51 new pairs right, 55 %, and 100 % of the training pairs. Circulant deviation 0.06.
    """

    _esm = script("rfm_in_page", **GIVEN, BANDWIDTHS=BANDWIDTHS, LAST=LAST)
    _css = style("in_page", "rfm_in_page")

    bandwidth = traitlets.Float(2.5, min=BANDWIDTHS[0], max=BANDWIDTHS[1]).tag(sync=True)
    step = traitlets.Int(0, min=0, max=LAST).tag(sync=True)
    history = traitlets.List().tag(sync=True)

    def __init__(
        self,
        operation: str = "add",
        modulus: int = 23,
        train_fraction: float = 0.7,
        seed: int = 0,
        bandwidth: float = 2.5,
        step: int = 0,
    ) -> None:
        check_settings(operation, modulus, train_fraction, seed)
        low, high = BANDWIDTHS
        if not low <= check_real("bandwidth", bandwidth) <= high:
            raise ValueError(f"bandwidth must lie in {low} … {high}, got {bandwidth}")
        check_integer("step", step, at_least=0, at_most=LAST)
        super().__init__(
            operation=operation,
            modulus=modulus,
            train_fraction=train_fraction,
            seed=seed,
            bandwidth=bandwidth,
            step=step,
        )

    @property
    def sentence(self) -> str:
        """The accuracy and the structure after so many updates."""
        records = _run(
            self.operation,
            self.modulus,
            self.train_fraction,
            self.seed,
            self.bandwidth,
            self.step,
        )
        total = len(self.split.y_test)
        start = f"{self._task_in_words}, bandwidth {rounded(self.bandwidth, 1)}."
        if not records:
            return f"{start} The kernel matrix is singular: there is no answer."
        record = records[-1]
        right, done = round(record["test_accuracy"] * total), len(records) - 1
        if done < self.step:
            start += f" The next kernel matrix is singular, and the run ends after {done} updates."
        when = f"After {done} update{'' if done == 1 else 's'}" if done else "Before any update"
        block = (
            f"Circulant deviation {rounded(record['deviation'], 2)}."
            if done
            else "The block is empty: M = I."
        )
        return (
            f"{start} {when} the machine answers {right} of {total} new pairs right, "
            f"{rounded(100 * record['test_accuracy'], 0)} %, and "
            f"{rounded(100 * record['train_accuracy'], 0)} % of the training pairs. {block}"
        )


@lru_cache(maxsize=32)
def _run(
    operation: str, modulus: int, train_fraction: float, seed: int, bandwidth: float, steps: int
) -> list[dict[str, float]]:
    """One record for each step 0 … `steps`; fewer if a kernel matrix is singular."""
    split = ModularTask(operation, modulus).split(train_fraction, seed)
    records: list[dict[str, float]] = []
    try:
        for step in RFM(GaussianKernel(bandwidth), steps).iterate(split.X_train, split.Y_train):
            block = circulant_block(step.feature_matrix, operation)
            records.append(
                {
                    "train_accuracy": accuracy(step.predict(split.X_train), split.y_train),
                    "test_accuracy": accuracy(step.predict(split.X_test), split.y_test),
                    "deviation": circulant_deviation(block),
                }
            )
    except SingularKernelError:
        pass
    return records
