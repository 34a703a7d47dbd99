"""One package a vendor. Each offers `Personality`, which `simulator.main` starts by name."""
