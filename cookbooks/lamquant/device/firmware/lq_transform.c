/* The lapped transform: a frame of two blocks is windowed, folded to one, and its cosine transform (DCT-IV) is
 * one complex FFT of half as many points. In 32 bits with an exponent of the frame: every second stage of the
 * FFT halves, so that numbers stay as large as the frame's energy lets them be, and never larger.
 */
#include "lq_inside.h"

enum { HALF = LQ_HOP / 2, STAGES = LQ_LOG2_HOP - 1 };

static int32_t rounded(int64_t v, int32_t shift)
{
    /* every compiler in use shifts negative numbers arithmetically; the self test would tell of one that does not */
    return (int32_t)((v + ((int64_t)1 << (shift - 1))) >> shift);
}

static int32_t exponent_for(const lq_channel *c)
{
    uint32_t reach = 0;
    int32_t i, b;
    for (b = 0; b < 2; b++)
        for (i = 0; i < LQ_HOP; i++) {
            int32_t x = lq_sample_at(c, b, i) - c->dc;
            reach |= (uint32_t)(x < 0 ? -x : x);
        }
    return reach ? lq_least(15, 30 - lq_length(reach) - (LQ_LOG2_HOP + 3) / 2) : -64;
}

static int64_t weighed(const lq_channel *c, int32_t block, int32_t i, int32_t window)
{
    return (int64_t)(lq_sample_at(c, block, i) - c->dc) * lq_window[window];
}

static int32_t folded(const lq_channel *c, int32_t now, int32_t j, int32_t shift)
{
    int64_t sum;
    if (j < HALF)
        sum = -weighed(c, now, HALF - 1 - j, HALF + j) - weighed(c, now, HALF + j, HALF - 1 - j);
    else
        sum = weighed(c, !now, j - HALF, j - HALF) - weighed(c, !now, LQ_HOP - 1 - (j - HALF), LQ_HOP - 1 - (j - HALF));
    return rounded(sum, shift);
}

/* Turns the number at z backwards by the angle whose cosine and sine are given. */
static void turn(int32_t *z, const int32_t *angle)
{
    int64_t re = z[0], im = z[1];
    z[0] = rounded(re * angle[0] + im * angle[1], 30);
    z[1] = rounded(im * angle[0] - re * angle[1], 30);
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t kept = *a;
    *a = *b;
    *b = kept;
}

static void reverse_bits(int32_t *z)
{
    int32_t i, j = 0, bit;
    for (i = 1; i < HALF; i++) {
        for (bit = HALF >> 1; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            swap(&z[2 * i], &z[2 * j]);
            swap(&z[2 * i + 1], &z[2 * j + 1]);
        }
    }
}

static void fft(int32_t *z)
{
    int32_t stage, first, j;
    reverse_bits(z);
    for (stage = 1; stage <= STAGES; stage++) {
        int32_t reach = 1 << (stage - 1), halve = stage % 2 == 0;
        for (j = 0; j < reach; j++) {
            const int32_t *angle = lq_angles[j << (STAGES - stage)];
            for (first = j; first < HALF; first += 2 * reach) {
                int32_t *a = &z[2 * first], *b = a + 2 * reach;
                int32_t re, im;
                turn(b, angle);
                re = a[0] - b[0];
                im = a[1] - b[1];
                a[0] = (a[0] + b[0] + halve) >> halve;
                a[1] = (a[1] + b[1] + halve) >> halve;
                b[0] = (re + halve) >> halve;
                b[1] = (im + halve) >> halve;
            }
        }
    }
}

/* Fills the spectrum of the frame that ends with block now, in units of 2**-exponent, and returns the exponent. */
int32_t lq_transform(const lq_channel *c, int32_t now, int32_t *z)
{
    int32_t exponent = exponent_for(c), k;
    if (exponent == -64) {
        for (k = 0; k < LQ_HOP; k++)
            z[k] = 0;
        return 0;
    }
    for (k = 0; k < HALF; k++) {
        z[2 * k] = folded(c, now, 2 * k, 30 - exponent);
        z[2 * k + 1] = folded(c, now, LQ_HOP - 1 - 2 * k, 30 - exponent);
        turn(&z[2 * k], lq_twiddles[k]);
    }
    fft(z);
    for (k = 0; k < HALF; k++) {
        turn(&z[2 * k], lq_twiddles[k]);
        z[2 * k + 1] = -z[2 * k + 1];
    }
    /* the imaginary parts are the odd coefficients, backwards */
    for (k = 0; k < HALF / 2; k++)
        swap(&z[2 * k + 1], &z[LQ_HOP - 1 - 2 * k]);
    return exponent;
}
