/* Keeps the last two blocks of each channel, and measures how strong one is without its drift. */
#include "lq_inside.h"

int32_t lq_sample_at(const lq_channel *c, int32_t block, int32_t i)
{
#if LQ_BITS == 16
    return c->block[block][i];
#else
    const lq_sample *s = &c->block[block][i];
    return s->high * 65536 + s->low[1] * 256 + s->low[0];
#endif
}

void lq_sample_set(lq_channel *c, int32_t block, int32_t i, int32_t value)
{
#if LQ_BITS == 16
    c->block[block][i] = (int16_t)value;
#else
    lq_sample *s = &c->block[block][i];
    s->low[0] = (uint8_t)(value & 255);
    s->low[1] = (uint8_t)(value >> 8 & 255);
    s->high = (int8_t)(value >> 16);
#endif
}

static uint8_t *place_of(lq_encoder *e, int32_t place, int32_t p)
{
    uint32_t size = LQ_HOP * sizeof(lq_sample), channels = (uint32_t)e->setup.channels;
    uint32_t behind = (uint32_t)(e->waits - place) * channels - (uint32_t)p;
    return e->out + LQ_BUFFER - behind * size;
}

/* Returns how many bytes of out are free while the block of this place, and those behind it, wait. */
uint32_t lq_room_before(lq_encoder *e, int32_t place)
{
    return (uint32_t)(place_of(e, place, 0) - e->out);
}

/* Lets the block that is full wait in out, or brings it back from there. */
void lq_keep_block(lq_encoder *e, int32_t place)
{
    int32_t p, i;
    for (p = 0; p < e->setup.channels; p++) {
        uint8_t *to = place_of(e, place, p);
        const uint8_t *from = (const uint8_t *)e->channel[p].block[e->now];
        for (i = 0; i < (int32_t)(LQ_HOP * sizeof(lq_sample)); i++)
            to[i] = from[i];
    }
}

void lq_take_block(lq_encoder *e, int32_t place)
{
    int32_t p, i;
    for (p = 0; p < e->setup.channels; p++) {
        const uint8_t *from = place_of(e, place, p);
        uint8_t *to = (uint8_t *)e->channel[p].block[e->now];
        for (i = 0; i < (int32_t)(LQ_HOP * sizeof(lq_sample)); i++)
            to[i] = from[i];
    }
}

/* Fills the rest of a block with what came before, backwards. */
void lq_fill_block(lq_encoder *e)
{
    int32_t n = e->filled, now = e->now, first = e->samples == (uint64_t)n, p, i;
    for (p = 0; p < e->setup.channels; p++) {
        lq_channel *c = &e->channel[p];
        for (i = n; i < LQ_HOP; i++) {
            int32_t from = first ? i % (2 * n) : 2 * n - 1 - i;
            if (first && from >= n)
                from = 2 * n - 1 - from;
            lq_sample_set(c, now, i, from >= 0 ? lq_sample_at(c, now, from) : lq_sample_at(c, !now, LQ_HOP + from));
        }
    }
}

/* Makes a block the other one backwards: before the first, and behind the last. */
void lq_mirror_block(lq_encoder *e, int32_t block)
{
    int32_t p, i;
    for (p = 0; p < e->setup.channels; p++)
        for (i = 0; i < LQ_HOP; i++)
            lq_sample_set(&e->channel[p], block, i, lq_sample_at(&e->channel[p], !block, LQ_HOP - 1 - i));
}

/* Returns the variance of a block about a straight line, in sixteenths. */
uint64_t lq_variance(const lq_channel *c, int32_t block)
{
    int64_t sum = 0, moment = 0;
    uint64_t square = 0;
    int32_t i, mean;
    for (i = 0; i < LQ_HOP; i++) {
        int32_t x = lq_sample_at(c, block, i) - c->dc;
        sum += x;
        moment += (int64_t)x * (2 * i + 1 - LQ_HOP);
    }
    mean = (int32_t)(sum >> LQ_LOG2_HOP);
    /* the squares of the times add up to hop**3 / 3, nearly */
    for (i = 0; i < LQ_HOP; i++) {
        int32_t line = (int32_t)(3 * moment * (2 * i + 1 - LQ_HOP) >> (3 * LQ_LOG2_HOP));
        int64_t r = (int64_t)lq_sample_at(c, block, i) - c->dc - mean - line;
        square += (uint64_t)(r * r);
    }
    return LQ_LOG2_HOP > 4 ? square >> (LQ_LOG2_HOP - 4) : square << (4 - LQ_LOG2_HOP);
}
