"""When a run is saved: by the clock and by steps, and what is left of one that was killed."""

import math

import pytest
from test_loop import equal, silent, trainer

from napari_tcsdl._validation import InputError
from napari_tcsdl.training.state import Saving


def test_a_run_that_was_killed_goes_on_from_the_last_step_that_was_saved(tmp_path):
    """Nothing but saving by steps had its turn when the process went away."""
    whole = trainer(tmp_path / "whole", steps=6)
    whole.run(tell=silent)

    def killed(moment):
        if moment.step == 5:
            raise KeyboardInterrupt

    first = trainer(tmp_path / "parts", steps=6)
    with pytest.raises(KeyboardInterrupt):
        first.run(Saving(minutes=1e9, steps=2), tell=silent, watch=killed)
    assert not (tmp_path / "parts" / "log.jsonl").exists()  # no validation
    second = trainer(tmp_path / "parts", steps=6)
    second.resume(tmp_path / "parts" / "state.pt")
    assert second.step == 4
    second.run(tell=silent)
    assert second.step == 6
    assert equal(whole.learner.net.state_dict(), second.learner.net.state_dict())
    assert equal(whole.learner.average, second.learner.average)


def test_steps_to_save_after_are_counted_from_the_beginning_of_the_run(tmp_path, monkeypatch):
    saved = []
    run = trainer(tmp_path, steps=8)
    run.learner.step = 1  # as a run that is gone on with
    monkeypatch.setattr(run, "save", lambda: saved.append(run.step))
    run.run(Saving(minutes=1e9, steps=3), tell=silent)
    assert saved == [3, 6, 8]


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((-1.0, None), "got save_every = -1, expected minutes of 0 or more; give for example 5"),
        ((math.nan, None), "got save_every = nan, expected minutes of 0 or more"),
        ((5.0, 0), "got save_steps = 0, expected a whole number of steps of at least 1; give for"),
        ((5.0, -3), "got save_steps = -3, expected a whole number"),
        ((5.0, 2.5), "got save_steps = 2.5, expected a whole number"),
    ],
)
def test_times_to_save_that_are_none(numbers, sentence):
    with pytest.raises(InputError, match=sentence):
        Saving(*numbers)
