"""The machinery every personality shares: HTTP, faults, meters, the log of effects, the clock, the control port."""
