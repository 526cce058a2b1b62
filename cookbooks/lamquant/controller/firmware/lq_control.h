/* Decides, frame by frame, how much a stretch of EEG deserves. Integers only, no heap, no library.
 *
 * lq_control_start, then lq_control_put once for each moment of sampling. When it returns 1, a frame's state is in
 * `state`: that of the frame LQ_PREROLL frames ago, since a state may be raised by what comes after it. At the end
 * lq_control_end gives the states that wait. It needs two's complement and >> that keeps the sign, as gcc has.
 */
#ifndef LQ_CONTROL_H
#define LQ_CONTROL_H

#include <stdint.h>

#include "lq_control_config.h"

#define LQ_SECTIONS 12
#define LQ_SUMS 8
#define LQ_WINDOW 4
#define LQ_LAGS 39
#define LQ_CHANNEL_NUMBERS 9
#define LQ_FEATURES (3 * LQ_CHANNEL_NUMBERS)

enum { LQ_QUIET, LQ_BASELINE, LQ_INTERESTING, LQ_CRITICAL };

typedef struct {
    int32_t first, sum, before;
    int32_t section[LQ_SECTIONS][5];
    int64_t ring[LQ_WINDOW][LQ_SUMS];
    int32_t base[8];
    int32_t seen;
    int32_t past[LQ_LAGS];
    int64_t likeness[LQ_LAGS + 1];
    int32_t number[LQ_CHANNEL_NUMBERS];
    int32_t live, loud, excess;
} lq_channel;

typedef struct {
    lq_channel channel[LQ_CHANNELS];
    uint32_t samples_high, samples, frames;
    int32_t group, step;
    int64_t unit[LQ_UNITS];
    int32_t odds[2];
    int32_t percentile;
    int64_t until[2];
    uint8_t waiting[LQ_PREROLL + 1];
    int32_t held;
    uint8_t state;
} lq_controller;

void lq_control_start(lq_controller *c);
int lq_control_put(lq_controller *c, const int32_t sample[LQ_CHANNELS]);
int lq_control_end(lq_controller *c);

/* Of lq_decide.c: log odds of the inputs of a frame, in 1/256. */
void lq_decide(int64_t *unit, const int32_t x[LQ_FEATURES], int32_t odds[2]);

#endif
