"""A claim that does not hold stops the page."""

import inspect

import pytest
import torch

from rfm_tutorial.claims import claim

checked_claim = claim  # tests wrap the functions of the package to check their types


def test_a_claim_that_holds_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    claim("2 is 2", 1 + 1 == 2)
    claim("so is a tensor", torch.tensor(2) == 2)
    assert capsys.readouterr().out == "✓ 2 is 2\n✓ so is a tensor\n"


def test_a_claim_that_does_not_hold_stops_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="does not hold here: 2 is 3"):
        claim("2 is 3", 1 + 1 == 3)
    with pytest.raises(AssertionError, match="does not hold here: 2 is 3"):
        claim("2 is 3", torch.tensor(2) == 3)
    assert capsys.readouterr().out == ""


def test_a_claim_that_does_not_hold_says_what_it_saw() -> None:
    claim = inspect.unwrap(checked_claim)  # a caller of its own, as on a page
    gap, bound, table = 0.25, torch.tensor([1e-8]), {"add": 1.0}
    with pytest.raises(AssertionError) as caught:
        claim(
            f"the gap is below {float(bound):g}",
            gap < bound[0] and table["add"] == 1,
        )
    first, *values = str(caught.value).splitlines()
    assert first == "this claim does not hold here: the gap is below 1e-08"
    assert sorted(values) == [
        "bound = [9.99999993922529e-09]",
        "gap = 0.25",
        "table = {'add': 1.0}",
    ]


def test_a_failing_claim_without_source_still_fails() -> None:
    claim = inspect.unwrap(checked_claim)
    with pytest.raises(AssertionError, match=r"^this claim does not hold here: 2 is 3$"):
        exec('claim("2 is 3", False)', {"claim": claim})


@pytest.mark.parametrize(
    "value", [1, "yes", None, torch.tensor([True, True]), torch.tensor(1), [1]]
)
def test_a_claim_takes_one_truth_value(value: object) -> None:
    with pytest.raises(TypeError, match="must be True or False"):
        claim("it is so", value)
