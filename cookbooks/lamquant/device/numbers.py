"""Computes logarithms and powers of two in integers, as ``lq_numbers.c`` does."""

from cookbooks.lamquant.lqc.compiled import jit


@jit
def length(v):
    """Returns how many bits a number of 0 or more has."""
    n = 0
    while v >> n:
        n += 1
    return n


@jit
def lg(v, lg_table):
    """Returns 256 * log2(v), rounded down, of a number above 0."""
    octave = length(v) - 1
    part = (v >> (octave - 16) if octave > 16 else v << (16 - octave)) & 65535
    i, rest = part >> 11, part & 2047
    low, high = int(lg_table[i]), int(lg_table[i + 1])
    return octave * 256 + ((low + ((high - low) * rest >> 11)) >> 8)
