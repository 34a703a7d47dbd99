"""The parts of the benchmark; `../run` puts them together."""
