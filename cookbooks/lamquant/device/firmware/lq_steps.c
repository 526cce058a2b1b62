/* Chooses each channel's step from how strong the chunk before was, and each frame's offset from the frame itself. */
#include "lq_inside.h"

enum { FINEST = -256, COARSEST = 2048, DEAD = -38, MOST_NARROW = 29, MOST_WIDE = 77 };

void lq_forget(lq_encoder *e)
{
    int32_t p, i;
    for (p = 0; p < e->setup.channels; p++) {
        e->channel[p].power = 0;
        for (i = 0; i < LQ_COUNTS; i++)
            e->channel[p].seen[i] = 0;
    }
    e->blocks = 0;
}

/* Returns where a bin of counts lies, in 1/64 octaves of a unit. */
static int32_t middle(int32_t bin)
{
    return 16 * (bin - LQ_UNIT) + 8;
}

static int32_t bin_of(int32_t coefficient, int32_t exponent)
{
    uint32_t size = (uint32_t)(coefficient < 0 ? -coefficient : coefficient), top;
    int32_t n = lq_length(size);
    if (n == 0)
        return 0;
    top = size << (32 - n);
    n = 4 * (n - 1) + (top >= 0x9837F052u) + (top >= 0xB504F334u) + (top >= 0xD744FCCBu);
    return lq_within(n - 4 * exponent + LQ_UNIT, 0, LQ_COUNTS - 1);
}

/* Counts the magnitudes of a frame of one channel: for its next steps, and for the offset of this frame. */
void lq_count(lq_encoder *e, lq_channel *c, int32_t exponent)
{
    int32_t k;
    for (k = 0; k < LQ_BINS; k++) {
        int32_t bin = bin_of(e->spectrum[k], exponent), ahead = (middle(bin) - c->step) >> 4;
        int32_t *peak = &e->peak[k >= LQ_WIDE];
        c->seen[bin]++;
        e->ahead[lq_within(ahead + LQ_NEAR, 0, LQ_FAR - 1)]++;
        *peak = lq_most(*peak, ahead);
    }
}

/* Returns 2**(v / 32) in 1/65536, of v <= 0. */
static uint32_t power_of_two(int32_t v)
{
    int32_t down = -(v >> 5);
    return down > 31 ? 0 : lq_powers[v & 31] >> down;
}

/* Returns 256 * log2 of the mean squared error at a step, in squared steps; less than any where there is none. */
static int32_t error_at(const lq_channel *c, int32_t step, uint32_t total)
{
    uint64_t sum = 0;
    int32_t i;
    for (i = 0; i < LQ_COUNTS; i++) {
        int32_t d = middle(i) - step;
        sum += c->seen[i] * (uint64_t)(d < DEAD ? power_of_two(d) : 5898u);
    }
    return sum ? lq_lg(sum) - lq_lg(total) - 16 * 256 : -(1 << 20);
}

/* Returns 256 * log2 of a channel's variance without drift, at least that of one unit. */
static int32_t loudness(const lq_encoder *e, const lq_channel *c)
{
    return c->power ? lq_most(0, lq_lg(c->power) - lq_lg(e->blocks) - 4 * 256) : 0;
}

static int32_t top_of(const lq_channel *c)
{
    int32_t top = LQ_COUNTS - 1;
    while (top > 0 && c->seen[top] == 0)
        top--;
    return top;
}

/* Returns the largest step at which the error is what is allowed at most, within the levels that were trained. */
static int32_t fitting(const lq_encoder *e, const lq_channel *c)
{
    int32_t loud = loudness(e, c), allowed = 2 * e->setup.ratio + loud;
    /* one octave above the largest magnitude, all is zero already */
    int32_t low = FINEST, high = lq_least(COARSEST, middle(top_of(c)) + 64);
    while (high - low > 1) {
        int32_t half = (low + high) >> 1;
        if (error_at(c, half, e->blocks * LQ_BINS) + 8 * half <= allowed)
            low = half;
        else
            high = half;
    }
    low = lq_within(low, (loud >> 3) - 16 * (LQ_MOST_LEVEL - 16), (loud >> 3) - 16 * (LQ_LEAST_LEVEL - 16));
    return lq_within(low, FINEST, COARSEST);
}

/* Returns the level of a channel whose RMS, drift and all, is counted. */
static int32_t level_at(const lq_encoder *e, const lq_channel *c)
{
    int32_t top = top_of(c), i, lg;
    uint64_t sum = 0;
    for (i = 0; i <= top; i++)
        sum += c->seen[i] * (uint64_t)power_of_two(16 * (i - top));
    lg = lq_lg(sum) - 16 * 256 + 8 * middle(top) - lq_lg(e->blocks * LQ_BINS);
    return lq_within(16 + ((lg - 8 * c->step + 64) >> 7), 0, LQ_LEVELS - 1);
}

/* Chooses steps, levels and the order of planes by what was counted; a channel that was still keeps its step. */
void lq_choose_steps(lq_encoder *e)
{
    int32_t p, i;
    for (p = 0; p < e->setup.channels; p++) {
        lq_channel *c = &e->channel[p];
        if (c->power > 0 || e->chunk == 0)
            c->step = (int16_t)fitting(e, c);
        c->level = (uint8_t)level_at(e, c);
        for (i = p; i > 0 && e->channel[e->order[i - 1]].level < c->level; i--)
            e->order[i] = e->order[i - 1];
        e->order[i] = (uint8_t)p;
    }
}

/* Returns by how many quarter octaves finer the steps should be by what is counted so far, over all channels. */
int32_t lq_steps_moved(const lq_encoder *e)
{
    int32_t p, sum = 0, heard = 0;
    for (p = 0; p < e->setup.channels; p++) {
        const lq_channel *c = &e->channel[p];
        if (c->power > 0) {
            sum += c->step - fitting(e, c);
            heard++;
        }
    }
    return heard ? lq_within(lq_floor_div(sum + 8 * heard, 16 * heard), -40, 40) : 0;
}

/* Returns about how many sixteenths of a bit a frame takes, rather too many. */
static uint32_t bits_at(const lq_encoder *e, int32_t offset)
{
    uint32_t sum = 0;
    int32_t i;
    for (i = 0; i < LQ_FAR; i++) {
        int32_t size = i - LQ_NEAR + offset;
        sum += e->ahead[i] * (uint32_t)(size < -6 ? 3 : size < -3 ? 8 : 64 + 5 * (size + 3));
    }
    return sum;
}

/* Returns the offset that is wanted, or a coarser one: values must fit the rows, and the frame what room there is.
 * A frame may take half as much again as its share of the room.
 */
int32_t lq_offset_for(const lq_encoder *e, int32_t wanted)
{
    int32_t offset = wanted, before = e->frame > 0 ? e->offset[e->frame - 1] : wanted;
    int32_t left = LQ_FRAMES - e->frame;
    uint32_t used = e->coder.at + e->coder.pending + 8;
    uint32_t room = used < LQ_BUFFER ? 200u * (LQ_BUFFER - used) / (uint32_t)(left + 1) : 0;
    uint32_t now = used < e->coder.room ? 128u * (e->coder.room - used) : 0;
    room = room < now ? room : now;
    while (offset > -112 && (e->peak[1] + offset > MOST_NARROW || e->peak[0] + offset > MOST_WIDE
                             || lq_scaled(e->largest_row, offset - before, 0xFFFFFFFFu) > 65535u
                             || bits_at(e, offset) > room))
        offset--;
    return offset;
}
