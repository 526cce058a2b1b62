/* Logarithms and powers of two in integers. */
#include "lq_inside.h"

/* Returns how many bits a number has: 0 of 0. */
int32_t lq_length(uint32_t v)
{
#if defined(__ARM_FEATURE_CLZ) || defined(__x86_64__) || defined(__aarch64__) || defined(__riscv_zbb)
    return v ? 32 - __builtin_clz(v) : 0;
#else
    int32_t n = 0;
    if (v >> 16) {
        n += 16;
        v >>= 16;
    }
    if (v >> 8) {
        n += 8;
        v >>= 8;
    }
    if (v >> 4) {
        n += 4;
        v >>= 4;
    }
    if (v >> 2) {
        n += 2;
        v >>= 2;
    }
    return n + (v >> 1 ? 2 : (int32_t)v);
#endif
}

/* Returns 256 * log2(v), rounded down, of a number above 0. */
int32_t lq_lg(uint64_t v)
{
    uint32_t high = (uint32_t)(v >> 32);
    int32_t octave = high ? 31 + lq_length(high) : lq_length((uint32_t)v) - 1;
    uint32_t part = (uint32_t)(octave > 16 ? v >> (octave - 16) : v << (16 - octave)) & 65535u;
    uint32_t i = part >> 11, rest = part & 2047u;
    uint32_t lg = lq_lg_table[i] + ((lq_lg_table[i + 1] - lq_lg_table[i]) * rest >> 11);
    return octave * 256 + (int32_t)(lg >> 8);
}

/* Returns a / b rounded down; b is above 0. */
int32_t lq_floor_div(int32_t a, int32_t b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* Returns a magnitude in steps that are by so many quarter octaves finer, as the decoder finds it. */
uint32_t lq_scaled(uint32_t v, int32_t quarter_octaves, uint32_t most)
{
    static const uint32_t factor[4] = {65536, 77936, 92682, 110218};
    int32_t octaves = lq_within(quarter_octaves >> 2, -40, 16);
    uint64_t value = (uint64_t)v * factor[quarter_octaves & 3] >> 8;
    value = octaves >= 0 ? value << octaves : value >> -octaves;
    value >>= 8;
    return value < most ? (uint32_t)value : most;
}

/* Returns how many low bits of a magnitude are plain, by its table. */
int32_t lq_shift_of(int32_t table)
{
    return lq_most(0, (table >> 2) - 6);
}
