"""Parts of the procedural movies: randomness, motion, fields, lattices, and one file a scene."""
