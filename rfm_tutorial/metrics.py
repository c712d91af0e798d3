"""How good scores are: the share of rows that are right, and the mean squared error."""

from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import check_labels, check_matrix, check_numbers


def accuracy(scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> float:
    """Share of rows whose largest score is at the label.

    Parameters
    ----------
    scores : (n, c) floats, or the (n, c) output of `predict`
    labels : (n,) int64 class numbers

    Raises
    ------
    ValueError
        If the shapes disagree, a score is not finite, or a label is not in 0 … c − 1.

    Examples
    --------
    >>> import torch
    >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    0.5
    """
    check_numbers("scores", check_matrix("scores", scores))
    check_labels("labels", labels, *scores.shape, device=scores.device)
    return float((scores.argmax(1) == labels).double().mean())


def mean_squared_error(scores: Float[Tensor, "n c"], targets: Float[Tensor, "n c"]) -> float:
    """Mean of (score − target)² over all rows and outputs: the loss of every history here.

    Raises
    ------
    ValueError
        If the shapes, dtypes or devices disagree, or a score or a target is not finite.

    Examples
    --------
    >>> import torch
    >>> mean_squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
    2.0
    """
    check_numbers("scores", check_matrix("scores", scores))
    n, c = scores.shape
    check_matrix("targets", targets, rows=n, columns=c, like=scores, like_name="scores")
    return float((scores - targets).square().mean())
