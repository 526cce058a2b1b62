/* Encodes samples as they come into a .lqc file (BLQ2, profile device). Integers only, no heap, no library.
 *
 * lq_start, then lq_put once for each moment of sampling, then lq_end. The file comes out of the sink in order.
 * Once every LQ_HOP moments lq_put takes long (it codes a frame of all channels), and once, some seconds after the
 * start, it codes several: keep samples that arrive meanwhile in the driver's own queue. Everything that is kept between calls is in the lq_encoder.
 */
#ifndef LQ_ENCODE_H
#define LQ_ENCODE_H

#include <stdint.h>

#include "lq_config.h"

#define LQ_HOP (1 << LQ_LOG2_HOP)
#define LQ_MARGIN 8
#define LQ_ROW (LQ_BINS + 2 * LQ_MARGIN)
/* Bins of which magnitudes are kept in 32 bits: those of drift. Above, no value is over 255 steps. */
#define LQ_WIDE (LQ_BINS < 16 ? LQ_BINS : 16)
/* Counts of magnitudes in quarter octaves, from an eighth of a unit on, as far as samples can reach. */
#define LQ_UNIT 12
#define LQ_COUNTS (LQ_UNIT + 4 * (LQ_BITS + (LQ_LOG2_HOP + 1) / 2 + 2))
#define LQ_NEAR 8
#define LQ_FAR 128
/* Bytes beside the planes: of each channel a step and a level, of each frame an offset, at their longest. */
#define LQ_BESIDE (16 + 8 * LQ_CHANNELS + 6 * LQ_FRAMES)
/* The first blocks wait, as many as out has room for, at most so many. */
#define LQ_WAITS (LQ_FRAMES < 16 ? LQ_FRAMES : 16)
#define LQ_SIDE_CONTEXTS 7
#define LQ_SIDE_BITS 16

#if LQ_CHANNELS < 1 || LQ_CHANNELS > 255 || LQ_LOG2_HOP < 5 || LQ_LOG2_HOP > 10 || LQ_BINS < 8 || LQ_BINS > LQ_HOP
#error "lq_config.h: LQ_CHANNELS must be 1..255, LQ_LOG2_HOP 5..10, LQ_BINS 8..hop"
#endif
#if LQ_FRAMES < 1 || LQ_FRAMES * LQ_HOP > 65535 || (LQ_BITS != 16 && LQ_BITS != 24)
#error "lq_config.h: LQ_FRAMES * hop must be below 65536, LQ_BITS 16 or 24"
#endif

typedef void (*lq_sink)(void *to, const uint8_t *bytes, uint32_t n);

typedef struct {
    int32_t channels; /* 1 to LQ_CHANNELS */
    int32_t rate;     /* which of the rates in lq_weights.h */
    int32_t low;      /* what the converter gives at least */
    int32_t high;     /* and at most; both within LQ_BITS */
    int32_t ratio;    /* allowed noise: 256 * log2 of its share of a channel's RMS without drift */
} lq_setup;

#if LQ_BITS == 16
typedef int16_t lq_sample;
#else
typedef struct {
    uint8_t low[2];
    int8_t high;
} lq_sample;
#endif

enum { LQ_ONE, LQ_TWO, LQ_SLOW, LQ_ENVELOPE, LQ_KEPT, LQ_NOW = LQ_KEPT, LQ_ROWS };

typedef struct {
    lq_sample block[2][LQ_HOP];
    uint16_t rows[LQ_KEPT][LQ_BINS];
    uint16_t high[LQ_KEPT][LQ_WIDE];
    uint16_t seen[LQ_COUNTS];
    uint64_t power; /* sum of the variances of blocks, in sixteenths */
    int32_t dc;
    int16_t step;
    uint8_t level;
} lq_channel;

typedef struct {
    uint64_t low;
    uint32_t range, pending, at, room, lacking;
    int32_t cache;
    uint8_t *out;
} lq_coder;

typedef struct {
    uint16_t zero[LQ_SIDE_CONTEXTS][4][LQ_SIDE_BITS];
    uint8_t used[LQ_SIDE_CONTEXTS][4][LQ_SIDE_BITS];
} lq_side;

typedef struct {
    lq_channel channel[LQ_CHANNELS];
    uint8_t out[LQ_BUFFER];
    uint8_t heads[LQ_INDEX];
    int32_t spectrum[LQ_HOP];
    union {
        int32_t row[LQ_ROWS][LQ_ROW];
        lq_side side;
    } work;
    uint32_t ahead[LQ_FAR]; /* counts of a frame's magnitudes in quarter octaves of steps */
    uint8_t still[LQ_BINS];
    uint8_t order[LQ_CHANNELS + 1]; /* one more than is used: compilers cannot see that a loop stays below */
    uint8_t beside[LQ_BESIDE];
    int8_t offset[LQ_FRAMES];
    lq_setup setup;
    lq_coder coder;
    lq_sink sink;
    void *to;
    uint64_t written, samples;
    uint32_t check;       /* CRC of the record or header that is being written */
    uint32_t chunk;       /* its number */
    uint32_t heads_size;  /* bytes of the index; more than LQ_INDEX: there is none */
    uint32_t free;        /* bytes of out that nothing waits in */
    uint32_t lost;        /* chunks that did not fit LQ_BUFFER, and are silent */
    uint32_t blocks;      /* that power is summed over */
    uint32_t largest_row; /* of the rows of 16 bits */
    int32_t frame;        /* of the chunk */
    int32_t filled;       /* samples of the block */
    int32_t now;          /* which block is filled */
    int32_t waits;        /* blocks that wait in out until the first chunk begins: its steps come from them */
    int32_t waiting;      /* of these, those that are there; -1 when they have gone */
    int32_t still_level;
    int32_t follow;       /* the offset that the first chunk has come to */
    int32_t peak[2];      /* of a frame: the largest magnitude of wide and of narrow bins, quarter octaves of steps */
} lq_encoder;

void lq_start(lq_encoder *e, const lq_setup *setup, lq_sink sink, void *to);
void lq_put(lq_encoder *e, const int32_t *samples);
void lq_end(lq_encoder *e);

/* Says whether the tables are those that lq_weights.h was made of: call it at boot. */
int lq_weights_are_sound(void);
uint32_t lq_crc(uint32_t crc, const uint8_t *bytes, uint32_t n);

#endif
