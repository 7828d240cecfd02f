"""How right the noise is that is measured in a movie: simulated cases whose noise is known.

    python benchmarks/noise.py [--seeds 2] [--first 0] [--all] [--markdown]

Every detector of a small collection records every scene at several doses: white and correlated
noise, gains from 1 to 40, pedestals, read noise, 0.3 to 300 electrons per pixel and frame; scenes
that stand still, creep, run, jump or are drawn at random, some with a beam stop. The table counts
by detector, by dose and by motion how often the following are within 10 % of the truth; a second
one counts warnings where they are off, and false alarms. What is off without a warning is listed.

level        variance at the movie's mean value
gain         slope of the variance over the value, of the cases in which it is told (the others have
             gain 0), against the line through all pixels of this movie
read noise   of the cases in which it is told: pixels that no electron hits are needed
correlation  of the noise of neighbouring pixels: within 10 %, or within 0.02 where it is below 0.2
warned       that any of them is unsure (``spectrum.spoilt``, ``spectrum.unsure``)
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from napari_tcsdl.noise_spectrum import REACH, MeasuredNoise, measure_noise
from napari_tcsdl.simulate.detectors import Detector, expose
from napari_tcsdl.simulate.procedural import SCENES, ProceduralSettings, procedural_movies

N_FRAMES, SIDE = 12, 160
DOSES = (0.3, 3.0, 30.0, 300.0)  # [e/px/frame]
TOLERANCE = 0.10
LEAST_CONTRAST = 0.01  # of the signal: below it there is no slope to see
LEAST_CORRELATION = 0.2  # below it the tolerance is that of 0.2
QUANTITIES = ("level", "gain", "read noise", "correlation")

DETECTORS = {
    "counting": Detector("counting", 1.0),
    "integrating, white": Detector(
        "integrating", 1.0, 12.0, 0.2, (0.01, 0.0), 4.0, 80.0, gain_map_std=0.005
    ),
    "integrating": Detector("integrating", 1.0, 30.0, 0.3, (0.085, 0.0), 8.0, 100.0),
    "integrating, noisy": Detector("integrating", 1.0, 5.0, 0.4, (0.07, 0.0), 10.0, 150.0),
    "scintillator": Detector(
        "scintillator", 1.0, 40.0, 0.4, (0.17, 0.02), 6.0, 200.0, gain_map_std=0.01
    ),
}

Movie = NDArray[np.float32]


# --- scenes -------------------------------------------------------------------------------------


def lattice(speed: float, rng: np.random.Generator) -> Movie:
    """Two waves of 7 to 11 px, uneven, that drift by ``speed`` px a frame."""
    y, x = np.mgrid[:SIDE, :SIDE]
    periods = rng.uniform(7, 11, 2)
    shift = speed * np.arange(N_FRAMES)[:, None, None]
    waves = np.cos(2 * np.pi * (x + shift) / periods[0]) * np.cos(2 * np.pi * y / periods[1])
    return (1 + 0.5 * waves * (1 + 0.3 * np.sin(x / 40))).astype(np.float32)


def jumping(share: float, rng: np.random.Generator) -> Movie:
    """Make a lattice in ``share`` of the field jump at random in every frame."""
    y, x = np.mgrid[:SIDE, :SIDE]
    jumps = rng.uniform(-2, 2, (2, N_FRAMES, 1, 1))
    waves = np.cos(2 * np.pi * (x + jumps[0]) / 8.2) * np.cos(2 * np.pi * (y + jumps[1]) / 9.1)
    inside = np.hypot(x - SIDE / 3, y - SIDE / 2) < SIDE * np.sqrt(share / np.pi)
    return (1 + 0.3 * (x / SIDE - 0.5) + 0.4 * waves * inside).astype(np.float32)


def beam_stop(rng: np.random.Generator) -> Movie:
    """Make a still lattice, part of which no electron reaches."""
    movie = lattice(0.0, rng)
    y, x = np.mgrid[:SIDE, :SIDE]
    movie[:, np.hypot(x - 0.3 * SIDE, y - 0.3 * SIDE) < 0.18 * SIDE] = 0
    return movie


def procedural(name: str, rng: np.random.Generator) -> Movie:
    """Draw what networks are trained on, with its drift, vibration, jumps and flicker."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    settings = ProceduralSettings({name: 1.0}, overlay_probability=0.0, cut_probability=0.0)
    movies = procedural_movies(
        1, (N_FRAMES, SIDE, SIDE), generator=generator, device="cpu", settings=settings
    )
    return movies[0].numpy()


class Scene(NamedTuple):
    """What is recorded, and how it moves."""

    motion: str
    make: Callable[[np.random.Generator], Movie]


SCENE_TABLE = {
    "still lattice": Scene("still", lambda rng: lattice(0.0, rng)),
    "beam stop": Scene("still", beam_stop),
    "creeping lattice": Scene("slow", lambda rng: lattice(0.7, rng)),
    "running lattice": Scene("fast", lambda rng: lattice(4.5, rng)),
    "jumping crystal": Scene("fast", lambda rng: jumping(0.12, rng)),
    "jumping everywhere": Scene("fast", lambda rng: jumping(4.0, rng)),
} | {
    f"random {name}": Scene("random", lambda rng, name=name: procedural(name, rng))
    for name in SCENES
}


@cache
def intensity(scene: str, seed: int) -> torch.Tensor:
    """Draw a scene relative to an empty field, (n, H, W)."""
    return torch.from_numpy(SCENE_TABLE[scene].make(np.random.default_rng(seed)))


# --- one case -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Case:
    """One movie, what was measured in it, and what is true."""

    detector_name: str
    dose: float
    scene: str
    seed: int

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.detector_name}, {self.dose:g} e, {self.scene}, seed {self.seed}"

    @property
    def detector(self) -> Detector:
        """With the dose."""
        return replace(DETECTORS[self.detector_name], dose=self.dose)

    @cached_property
    def _recorded(self) -> tuple[Movie, Movie]:
        generator = torch.Generator().manual_seed(self.seed)
        values, truth = expose(intensity(self.scene, self.seed), self.detector, generator)
        return values.numpy(), truth.numpy()

    @cached_property
    def measured(self) -> MeasuredNoise:
        """By the library."""
        return measure_noise(self._recorded[0])

    @cached_property
    def pairs(self) -> dict[str, tuple[float, float]]:
        """Measured and true value of each quantity that is told."""
        values, truth = self._recorded
        model, spectrum = self.measured
        level, variance, gain = self.true_line(truth)
        near = spectrum.correlation[[REACH, REACH + 1], [REACH + 1, REACH]].mean()
        pairs = {
            "level": (model.variance(level), variance),
            "correlation": (float(near), neighbour_correlation(values - truth)),
        }
        if model.gain > 0:
            pairs["gain"] = (model.gain, gain)
        if model.read_noise is not None:
            pairs["read noise"] = (model.read_noise, self.detector.read_noise)
        return pairs

    def true_line(self, truth: Movie) -> tuple[float, float, float]:
        """Mean value, mean variance and the slope of the line through both of all pixels.

        A detector blurs charge by K and its variance by K²: less. So the slope of fine structures
        is above that of the detector's noise model, which holds where the intensity varies slowly.
        """
        detector = self.detector
        model = detector.noise_model()
        variance = intensity(self.scene, self.seed).numpy() * detector.dose
        squares = np.square(detector.kernel)
        for axis in (1, 2):
            variance = correlate1d(variance, squares, axis=axis, mode="nearest")
        variance *= detector.gain**2 * (1 + detector.gain_spread)
        white = model.offset_variance + model.gain * detector.pedestal
        flat = truth.std() < LEAST_CONTRAST * (truth.mean() - detector.pedestal)
        values = truth - truth.mean()
        slope = float((values * variance).mean() / np.square(values).mean()) if not flat else 0.0
        return float(truth.mean()), float(variance.mean()) + white, slope or model.gain

    @cached_property
    def right(self) -> dict[str, bool]:
        """Whether each quantity that is told is within the tolerance."""
        return {name: abs(self.error(name)) <= TOLERANCE for name in self.pairs}

    def warned(self, name: str) -> bool:
        """Whether the library says that this quantity is unsure."""
        return name in self.measured.spectrum.unsure

    def error(self, name: str) -> float:
        """Relative error of one quantity."""
        measured, true = self.pairs[name]
        scale = max(true, LEAST_CORRELATION) if name == "correlation" else true
        return (measured - true) / scale if scale else float(measured != true)

    def __str__(self) -> str:
        told = (f"{q} {self.pairs[q][0]:.4g} for {self.pairs[q][1]:.4g}" for q in self.pairs)
        return f"{self.name}: {', '.join(told)}"


def neighbour_correlation(noise: Movie) -> float:
    """Mean over both directions."""
    near = [(noise[:, 1:] * noise[:, :-1]).mean(), (noise[..., 1:] * noise[..., :-1]).mean()]
    return float(np.mean(near) / np.square(noise).mean())


def cases(seeds: range) -> Iterator[Case]:
    """All of them; counted electrons have no beam stop to show their read noise, 0."""
    for seed in seeds:
        for scene in SCENE_TABLE:
            for detector in DETECTORS:
                for dose in DOSES:
                    yield Case(detector, dose, scene, seed)


# --- the table ----------------------------------------------------------------------------------


def row(group: list[Case]) -> list[str]:
    """Shares of one line of the table."""
    cells = [str(len(group))]
    for quantity in QUANTITIES:
        told = [case.right[quantity] for case in group if quantity in case.right]
        cells.append(f"{sum(told)}/{len(told)}" if told else "–")
    return [*cells, str(sum(case.measured.spectrum.spoilt is not None for case in group))]


def print_table(done: list[Case], markdown: bool) -> None:
    groups: dict[str, list[Case]] = defaultdict(list)
    for key in (
        lambda case: case.detector_name,
        lambda case: f"{case.dose:g} e/px",
        lambda case: f"motion: {SCENE_TABLE[case.scene].motion}",
        lambda case: "all",
    ):
        for case in done:
            groups[key(case)].append(case)
    headings = ["cases", "number", *QUANTITIES, "warned"]
    print_lines([headings, *([name, *row(group)] for name, group in groups.items())], markdown)


def print_warnings(done: list[Case], markdown: bool) -> None:
    """Count warnings of each quantity: they should be there where it is off, and only there."""
    lines = [["quantity", "off", "warned of", "right", "false alarms"]]
    for name in QUANTITIES:
        told = [case for case in done if name in case.pairs]
        cells = [name]
        for right in (False, True):
            these = [case for case in told if case.right[name] is right]
            cells += [str(len(these)), str(sum(case.warned(name) for case in these))]
        lines.append(cells)
    print()
    print_lines(lines, markdown)


def print_lines(lines: list[list[str]], markdown: bool) -> None:
    for index, line in enumerate(lines):
        print("| " + " | ".join(f"{c:<{20 if i == 0 else 11}}" for i, c in enumerate(line)) + " |")
        if markdown and index == 0:
            print("|" + "---|" * len(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2, help="of every scene")
    parser.add_argument("--first", type=int, default=0, help="seed of the first of them")
    parser.add_argument("--all", action="store_true", help="print each case")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    done = []
    for case in cases(range(options.first, options.first + options.seeds)):
        done.append(case)
        if options.all:
            print(f"{case} ({case.measured.spectrum.spoilt or 'no warning'})", flush=True)
    print_table(done, options.markdown)
    print_warnings(done, options.markdown)
    off = [(case, name) for case in done for name, right in case.right.items() if not right]
    silent = [(case, name) for case, name in off if not case.warned(name)]
    print(f"\nmore than {TOLERANCE:.0%} off and not warned of: {len(silent)}")
    for case, name in silent:
        print(f"- {case.name}: {name} ({case.error(name):+.0%})")


if __name__ == "__main__":
    main()
