"""Decides, four times a second, how much a stretch of EEG deserves: causal, montage-free, in integers."""
