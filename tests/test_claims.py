"""A claim that does not hold stops the page."""

import pytest
import torch

from rfm_tutorial.claims import claim


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


@pytest.mark.parametrize(
    "value", [1, "yes", None, torch.tensor([True, True]), torch.tensor(1), [1]]
)
def test_a_claim_takes_one_truth_value(value: object) -> None:
    with pytest.raises(TypeError, match="must be True or False"):
        claim("it is so", value)
