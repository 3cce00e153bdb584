"""The viewer's reader in JavaScript makes of damaged files what the reader in Python makes of them."""

from __future__ import annotations

import shutil

import pytest

from tests.fuzz.driver import case
from tests.fuzz.volume_files import PARSERS, sample
from tests.fuzz.volume_twin import fault_of, outcomes

CASES = 200  # of each kind
SEED = 13


@pytest.mark.skipif(shutil.which("node") is None, reason="no node; tests/web reads some in a browser")
@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_both_readers_agree_on_damaged_files(parser) -> None:
    files = [case(parser, SEED, number)[1] for number in range(CASES)]
    found = {number: fault_of(outcome, data) for number, (data, outcome) in enumerate(outcomes(files))}
    assert not {number: fault for number, fault in found.items() if fault} and len(found) == CASES


def test_a_difference_is_a_failure() -> None:
    assert "reads it" in fault_of({"refused": "The viewer file is damaged: queue the node again."}, sample(0))
    assert "refuses it" in fault_of({"good": "0" * 64}, b"")
    assert "no sentence of ours" in fault_of({"refused": "Unexpected token"}, b"")
    assert fault_of({"failed": "TypeError: x\n at y"}, b"") == "TypeError: x"
    assert "memory" in fault_of({"refused": "This is no viewer file.", "kilobytes": 5 * 2**20}, b"")
