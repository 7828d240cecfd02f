"""The loop: it resumes to the bit, survives bad batches, and keeps what it promises."""

import copy
import json

import pytest
import torch
from tiny_training import BATCH, CPU, TINY, still_scenes, tiny_batch, tiny_settings

from napari_tcsdl._validation import Cancelled, CorruptFileError, InputError
from napari_tcsdl.training.learner import Learner, LearnSettings, mean_of
from napari_tcsdl.training.loop import Trainer, _schedule, asked_within_steps
from napari_tcsdl.training.objective import build_net
from napari_tcsdl.training.settings import TrainSettings
from napari_tcsdl.training.state import Saving, read_log, read_state
from napari_tcsdl.training.validation import validation_batches


def silent(sentence):
    pass


def trainer(folder, **changes):
    validation = validation_batches({"still": still_scenes}, BATCH, (4,), 9)
    return Trainer(tiny_settings(**changes), still_scenes, validation, folder, CPU)


def stop_at(step):
    def watch(moment):
        if moment.step >= step:
            raise Cancelled

    return watch


def equal(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_resumed_run_is_the_same_to_the_bit(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.run(tell=silent)
    first = trainer(tmp_path / "parts")
    with pytest.raises(Cancelled):
        first.run(tell=silent, watch=stop_at(2))
    second = trainer(tmp_path / "parts")
    second.resume(tmp_path / "parts" / "state.pt")
    assert second.step == 2
    second.run(tell=silent)
    assert second.step == whole.step == 4
    assert equal(whole.learner.net.state_dict(), second.learner.net.state_dict())
    assert equal(whole.learner.average, second.learner.average)
    assert whole.scores == second.scores


def test_a_new_leg_takes_the_averaged_weights_only(tmp_path):
    first = trainer(tmp_path / "a")
    first.run(tell=silent)
    second = trainer(tmp_path / "b")
    second.resume(tmp_path / "a" / "state.pt", new_leg=True)
    assert (second.step, second.minutes) == (0, 0.0)
    assert equal(first.learner.average, second.learner.net.state_dict())


def test_a_new_leg_from_weights_without_the_correction_begins_without(tmp_path):
    old = trainer(tmp_path / "a", config={**TINY, "deviation_width": 0})
    old.save()
    second = trainer(tmp_path / "b")
    second.resume(tmp_path / "a" / "state.pt", new_leg=True)
    own = second.learner.net.state_dict()
    assert not own["deviation.tell.weight"].any()  # it adds nothing yet
    assert equal(old.learner.average, own)
    second.run(tell=silent)
    assert second.learner.net.state_dict()["deviation.tell.weight"].any()


def test_the_seed_decides_the_first_weights_and_no_global_seed_is_set(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one, same, other = (trainer(tmp_path, seed=seed) for seed in (3, 3, 4))
    assert equal(one.learner.net.state_dict(), same.learner.net.state_dict())
    assert not equal(one.learner.net.state_dict(), other.learner.net.state_dict())
    assert torch.equal(torch.rand(3), expected)


def test_state_and_log_say_what_was_done(tmp_path):
    seen, said = [], []
    run = trainer(tmp_path)
    run.run(tell=said.append, watch=seen.append)
    state = read_state(tmp_path / "state.pt")
    assert set(state) == {"settings", "net", "average", "optimiser", "generator", "step", "minutes"}
    assert state["settings"] == tiny_settings().to_json()
    (row,) = read_log(tmp_path / "log.jsonl")
    assert row["step"] == state["step"] == 4
    assert row["still_B4"] == run.scores["still_B4"]
    assert len(said) == 1
    assert "still_B4" in said[0]
    assert [moment.step for moment in seen] == [1, 2, 3]
    assert [moment.progress for moment in seen] == [0.25, 0.5, 0.75]
    assert all(moment.minutes_left > 0 for moment in seen)


def test_a_leg_ends_and_is_saved(tmp_path):
    run = trainer(tmp_path)
    run.run(leg=1e-9, tell=silent)
    assert run.step == 1
    assert read_state(tmp_path / "state.pt")["step"] == 1
    assert len(read_log(tmp_path / "log.jsonl")) == 1


def test_validation_comes_every_few_minutes(tmp_path):
    run = trainer(tmp_path, steps=3)
    run.run(Saving(minutes=0.0), tell=silent)
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [1, 2, 3]


def test_an_interrupted_write_leaves_the_state_before(tmp_path, monkeypatch):
    run = trainer(tmp_path)
    run.save()
    monkeypatch.setattr(torch, "save", lambda state, path: path.write_bytes(b"half"))
    monkeypatch.setattr(type(tmp_path), "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.save()
    assert read_state(tmp_path / "state.pt")["step"] == 0


def test_a_state_of_another_network_is_refused(tmp_path):
    trainer(tmp_path / "a").save()
    wider = trainer(tmp_path / "b", config={**TINY, "width": 12})
    with pytest.raises(InputError, match=r"state.pt of another network, expected one of decoder"):
        wider.resume(tmp_path / "a" / "state.pt")


def test_a_state_from_another_kind_of_device_gives_other_numbers(tmp_path):
    run = trainer(tmp_path)
    run.save()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["generator"] = state["generator"][:16].clone()  # as long as a GPU's
    torch.save(state, tmp_path / "state.pt")
    run.resume(tmp_path / "state.pt")
    assert torch.isfinite(torch.rand(1, generator=run.generator)).all()


@pytest.mark.parametrize("content", [b"", b"no state"])
def test_a_damaged_state_is_named(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"state.pt, which cannot be read"):
        read_state(tmp_path / "state.pt")
    torch.save({"net": {}}, tmp_path / "state.pt")
    with pytest.raises(CorruptFileError, match="which is no state of a training run"):
        read_state(tmp_path / "state.pt")
    with pytest.raises(InputError, match="expected the state of a training run; check the path"):
        read_state(tmp_path / "none.pt")


def test_the_log_of_a_run_that_was_killed_and_resumed(tmp_path):
    log = tmp_path / "log.jsonl"
    rows = [{"step": 5, "a": 1}, {"step": 10, "a": 2}, {"step": 8, "a": 3}, {"step": 12, "a": 4}]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 1')
    assert [row["a"] for row in read_log(log)] == [1, 3, 4]
    log.write_text('{"step": 1}\nnothing\n{"step": 3}\n')
    with pytest.raises(CorruptFileError, match="whose line 2 is damaged"):
        read_log(log)


# --- steps ----------------------------------------------------------------------------------------


def tiny_learner(ema=0.9):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        net, objective = build_net("unfolding", TINY)
    learner = Learner(net, LearnSettings(1e-2, ema, 1.0))
    batch = tiny_batch()
    return learner, lambda net: objective.loss(objective.answer(net, batch), batch)


def test_the_average_follows_the_weights():
    learner, loss = tiny_learner()
    average = copy.deepcopy(learner.average)
    for step in range(1, 4):
        learner.learn(loss, 1e-2)
        keep = min(0.9, (1 + step) / (10 + step))
        for name, value in learner.net.state_dict().items():
            average[name] = keep * average[name] + (1 - keep) * value
    for name, value in learner.averaged().state_dict().items():
        torch.testing.assert_close(value, average[name])
    assert not equal(learner.average, learner.net.state_dict())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_changes_no_weights(bad):
    learner, loss = tiny_learner()
    before = copy.deepcopy(learner.net.state_dict())
    learner.learn(lambda net: bad * loss(net), 1e-2)
    assert equal(before, learner.net.state_dict())
    assert learner.step == 1
    assert torch.isfinite(torch.tensor(learner.learn(loss, 1e-2)))
    assert not equal(before, learner.net.state_dict())
    assert all(torch.isfinite(value).all() for value in learner.average.values())


def test_bad_losses_are_counted_and_left_out_of_the_mean():
    assert mean_of([1.0, float("nan"), 3.0, float("inf")]) == (2.0, 2)
    assert mean_of([float("nan")]) == (None, 1)


def test_the_learning_rate_warms_up_and_falls_as_a_cosine():
    assert _schedule(0, 0.0) == pytest.approx(1 / 200)
    assert _schedule(99, 0.0) == pytest.approx(0.5)
    assert _schedule(500, 0.0) == pytest.approx(1.0)
    assert _schedule(500, 0.5) == pytest.approx(0.51)
    assert _schedule(500, 1.0) == _schedule(500, 1.3) == pytest.approx(0.02)
    rates = [_schedule(500, p / 20) for p in range(21)]
    assert rates == sorted(rates, reverse=True)


# --- settings -------------------------------------------------------------------------------------


def test_settings_survive_json():
    settings = tiny_settings(library="movies/of mine", library_share=0.3)
    text = json.dumps(settings.to_json())
    assert TrainSettings.from_json(json.loads(text)) == settings


def test_settings_of_an_earlier_version_get_what_is_usual():
    values = tiny_settings().to_json()
    del values["library"], values["library_share"], values["batch"]["bernoulli"]
    assert TrainSettings.from_json(values) == tiny_settings()


def test_settings_are_changed_by_assignments():
    texts = "batch.crop=32", "config.width=12", "rate=2e-3", "precision=bfloat16"
    changed = tiny_settings().changed([*texts, "batch.ratios=[2,9]"])
    assert (changed.batch.crop, changed.config["width"], changed.rate) == (32, 12, 2e-3)
    assert (changed.precision, changed.batch.ratios) == ("bfloat16", (2, 9))
    assert changed.config["deep_width"] == 8


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("rate", "got the setting 'rate', expected NAME=VALUE"),
        ("optimiser.rate=1", "expected NAME=VALUE, for example batch.crop=96"),
        ("speed=3", "got unknown training setting speed, expected decoder, config"),
        ("batch.size=3", "got unknown training setting batch.size, expected batch.crop"),
        ("precision=float8", "got precision 'float8', expected float32 or bfloat16"),
        ("optimiser=sgd", "got optimiser 'sgd', expected adamw or muon"),
        ("minutes=0", "got minutes = 0, expected a number above 0"),
        ("ema=2", "got ema = 2, expected 0 … 1"),
        ("rate=fast", "with a value of the wrong kind"),
        ("batch.ratios=5", "with a value of the wrong kind"),
    ],
)
def test_settings_that_are_none(assignment, sentence):
    with pytest.raises(InputError, match=sentence):
        tiny_settings().changed([assignment])


@pytest.mark.parametrize("backwards", [False, True])
def test_it_is_asked_forwards_and_backwards_and_no_longer_than_needed(backwards, monkeypatch):
    monkeypatch.setattr("napari_tcsdl.training.loop._ASK_EVERY", 0.0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
    way = {"back": not backwards}
    asked = []

    def ask():
        asked.append(way["back"])
        if way["back"] == backwards:
            raise Cancelled

    def step():
        way["back"] = False
        loss = net(torch.ones(2, 3)).sum()
        way["back"] = True
        loss.backward()

    with pytest.raises(Cancelled), asked_within_steps(net, ask):
        step()
    assert asked[-1] is backwards
    before = len(asked)
    step()
    copy.deepcopy(net)(torch.ones(2, 3))
    assert len(asked) == before
