"""Movies with known truth, made from a seed, and the sample movies that come with the package.

===================  ===========================================================
module               what it makes
===================  ===========================================================
``kirkland``         how atoms scatter: projected potentials
``microscope``       beam and lens: contrast transfer, coherence
``multislice``       atoms → exit waves → images, in torch
``crystals``         nanocrystals as lists of atoms
``dynamics``         molecular dynamics of crystals that sinter (needs asap3)
``trajectory``       atoms through time, and their files
``film``             the amorphous support
``render``           atoms, microscope, film and drift → movie
``rigid``            random scenes of rigid crystals
``sintering``        random views of molecular dynamics
``fibres``           bent carbon fibres, out of focus
``bending``          random scenes of fibres
``library``          files of such movies to train on
``procedural``       simple scenes on the fly, never twice the same
``scenes``           what it draws: crystals, grains, fibres, particles, …
``detectors``        counting, integrating and scintillator cameras
``sample``           the sample movies and their truth
``sample_scenes``    what they show, every number of it
===================  ===========================================================
"""

from .sample import SAMPLES, sample_movie_path, sample_truth, simulate_sample, write_sample

__all__ = [
    "SAMPLES",
    "sample_movie_path",
    "sample_truth",
    "simulate_sample",
    "write_sample",
]
