"""Training of the learned decoders: physics makes the movies, one loop teaches the network."""
