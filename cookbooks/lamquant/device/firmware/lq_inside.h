/* What the parts of the encoder tell each other. */
#ifndef LQ_INSIDE_H
#define LQ_INSIDE_H

#include "lq_encode.h"
#include "lq_model.h"

enum { LQ_STEP, LQ_MORE_STEPS, LQ_LEVEL, LQ_RUN, LQ_OFFSET, LQ_SHARED, LQ_BANDS };

/* Where a plane's frame is coded: sums over rows about the bin, and what the level adds to the network. */
typedef struct {
    int32_t before, lower, wide, level;
    int32_t bias[LQ_HIDDEN];
} lq_place;

/* lq_numbers.c */
int32_t lq_length(uint32_t v);
int32_t lq_lg(uint64_t v);
int32_t lq_floor_div(int32_t a, int32_t b);
uint32_t lq_scaled(uint32_t v, int32_t quarter_octaves, uint32_t most);
int32_t lq_shift_of(int32_t table);

static inline int32_t lq_least(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t lq_most(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t lq_within(int32_t v, int32_t low, int32_t high) { return lq_least(lq_most(v, low), high); }

/* lq_samples.c */
int32_t lq_sample_at(const lq_channel *c, int32_t block, int32_t i);
void lq_sample_set(lq_channel *c, int32_t block, int32_t i, int32_t value);
uint32_t lq_room_before(lq_encoder *e, int32_t place);
void lq_keep_block(lq_encoder *e, int32_t place);
void lq_take_block(lq_encoder *e, int32_t place);
void lq_fill_block(lq_encoder *e);
void lq_mirror_block(lq_encoder *e, int32_t block);
uint64_t lq_variance(const lq_channel *c, int32_t block);

/* lq_transform.c */
int32_t lq_transform(const lq_channel *c, int32_t now, int32_t *spectrum);

/* lq_steps.c */
void lq_forget(lq_encoder *e);
void lq_count(lq_encoder *e, lq_channel *c, int32_t exponent);
void lq_choose_steps(lq_encoder *e);
int32_t lq_steps_moved(const lq_encoder *e);
int32_t lq_offset_for(const lq_encoder *e, int32_t wanted);

/* lq_rows.c */
void lq_open_rows(lq_encoder *e, const lq_channel *c);
void lq_rescale_rows(lq_encoder *e, int32_t quarter_octaves);
void lq_close_rows(lq_encoder *e, lq_channel *c);

/* lq_context.c */
void lq_place_open(lq_encoder *e, lq_place *at, int32_t level);
int32_t lq_place_table(lq_encoder *e, const lq_place *at, int32_t k);
void lq_place_next(const lq_encoder *e, lq_place *at, int32_t k);

/* lq_plane.c */
void lq_code_plane(lq_encoder *e, const lq_channel *c, int32_t exponent, int32_t offset);

/* lq_range.c */
void lq_coder_start(lq_coder *c, uint8_t *out, uint32_t room);
void lq_put_symbol(lq_coder *c, uint32_t start, uint32_t size);
void lq_put_bits(lq_coder *c, uint32_t value, int32_t n);
uint32_t lq_coder_finish(lq_coder *c);

/* lq_side.c */
uint32_t lq_pack_beside(lq_encoder *e);

/* lq_file.c */
void lq_write_header(lq_encoder *e);
void lq_write_chunk(lq_encoder *e, uint32_t beside, uint32_t planes, int final);
void lq_write_index(lq_encoder *e);

#endif
