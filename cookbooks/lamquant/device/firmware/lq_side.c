/* Packs what stands beside the planes: steps, levels, offsets, with probabilities that adapt. */
#include "lq_inside.h"

static uint32_t folded(int32_t v)
{
    return v >= 0 ? (uint32_t)v << 1 : ((uint32_t)-v << 1) - 1;
}

static void put_bit(lq_coder *c, uint16_t *zero, uint8_t *used, uint32_t bit)
{
    if (bit)
        lq_put_symbol(c, *zero, 65536u - *zero);
    else
        lq_put_symbol(c, 0, *zero);
    *zero = (uint16_t)(*zero + lq_floor_div((bit ? 32 : 65504) - *zero, *used + 2));
    if (*used < 30)
        ++*used;
}

static void put(lq_side *s, lq_coder *c, int32_t context, uint32_t number)
{
    uint32_t value = number + 1;
    int32_t size = lq_length(value) - 1, i, left, row = 1;
    for (i = 0; i <= size; i++)
        put_bit(c, &s->zero[context][0][i], &s->used[context][0][i], i < size);
    for (left = size; left > 0 && row < 4;) {
        uint32_t bit = value >> --left & 1;
        put_bit(c, &s->zero[context][row][size], &s->used[context][row][size], bit);
        row = row > 1 ? 4 : (int32_t)(2 + bit);
    }
    lq_put_bits(c, value, left);
}

static void put_offsets(const lq_encoder *e, lq_side *s, lq_coder *c)
{
    int32_t at = -1, last = 0, t;
    for (t = 0; t < e->frame; t++)
        if (e->offset[t] != last) {
            put(s, c, LQ_RUN, (uint32_t)(t - at - 1));
            put(s, c, LQ_OFFSET, folded(e->offset[t] - last));
            at = t;
            last = e->offset[t];
        }
    put(s, c, LQ_RUN, (uint32_t)(e->frame - at - 1));
}

/* Fills e->beside for the frames of a chunk, and returns how many bytes there are. */
uint32_t lq_pack_beside(lq_encoder *e)
{
    lq_side *s = &e->work.side;
    lq_coder coder;
    int32_t i, j, k, p, last;
    lq_coder_start(&coder, e->beside, LQ_BESIDE);
    for (i = 0; i < LQ_SIDE_CONTEXTS; i++)
        for (j = 0; j < 4; j++)
            for (k = 0; k < LQ_SIDE_BITS; k++) {
                s->zero[i][j][k] = 1u << 15;
                s->used[i][j][k] = 0;
            }
    for (p = 0, last = 0; p < e->setup.channels; p++) {
        put(s, &coder, p ? LQ_MORE_STEPS : LQ_STEP, folded(e->channel[p].step - last));
        last = e->channel[p].step;
    }
    for (p = 0, last = 16; p < e->setup.channels; p++) {
        put(s, &coder, LQ_LEVEL, folded(e->channel[p].level - last));
        last = e->channel[p].level;
    }
    put_offsets(e, s, &coder);
    if (e->setup.channels > 1) {
        put(s, &coder, LQ_SHARED, 0);
        put(s, &coder, LQ_BANDS, 0);
    }
    return lq_coder_finish(&coder);
}
