/* Declares what lq_weights.h defines: the model, which a checkpoint was turned into, and the tables of the hop. */
#ifndef LQ_MODEL_H
#define LQ_MODEL_H

#include "lq_encode.h"

enum { LQ_TABLES = 64, LQ_TOKENS = 16, LQ_ESCAPE = 15, LQ_LEVELS = 40, LQ_INPUTS = 15 };
enum { LQ_POSITIONS = 257, LQ_DURATIONS = 24 };

/* A rate: as the header writes it, its frames' duration, and for each bin the place of its frequency. */
typedef struct {
    uint8_t length, bytes[9], duration;
    uint16_t position[LQ_BINS];
} lq_rate;

extern const uint8_t lq_digest[8];
extern const uint32_t lq_weights_crc;
extern const lq_rate lq_rates[LQ_RATES];

/* The network: weights in 1/1024, what adds to them in 1/16384. */
extern const int16_t lq_w1[LQ_INPUTS][LQ_HIDDEN];
extern const int16_t lq_w2[LQ_HIDDEN][LQ_HIDDEN];
extern const int16_t lq_w3[LQ_HIDDEN];
extern const int32_t lq_position[LQ_POSITIONS][LQ_HIDDEN];
extern const int32_t lq_level[LQ_LEVELS][LQ_HIDDEN];
extern const int32_t lq_duration[LQ_DURATIONS][LQ_HIDDEN];
extern const int32_t lq_b2[LQ_HIDDEN];
extern const int32_t lq_b3;
/* Where tokens begin in 65536 parts, and what they cost in 1/256 bits. */
extern const uint16_t lq_starts[LQ_TABLES][LQ_TOKENS];
extern const uint16_t lq_price[LQ_TABLES][LQ_TOKENS];

/* The transform, in 2**-30: a sine's first quarter, and cosines and sines. */
extern const int32_t lq_window[LQ_HOP];
extern const int32_t lq_twiddles[LQ_HOP / 2][2];
extern const int32_t lq_angles[LQ_HOP / 4][2];

extern const uint8_t lq_logs[32];       /* 16 log2(1 + i / 32) */
extern const uint32_t lq_lg_table[33];  /* 65536 log2(1 + i / 32) */
extern const uint32_t lq_powers[32];    /* 65536 * 2**(i / 32) */
extern const uint32_t lq_shares[64];    /* 2**30 * 2**(-i / 64) */

#endif
