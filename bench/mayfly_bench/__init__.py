"""mayfly-bench: the probe (mayfly-probe, C++) measures and writes samples; this computes, prints, records and draws."""
