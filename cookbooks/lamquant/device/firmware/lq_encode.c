/* Goes from samples to blocks, from blocks to frames, from frames to chunks. */
#include "lq_encode.h"

#include "lq_inside.h"

void lq_start(lq_encoder *e, const lq_setup *setup, lq_sink sink, void *to)
{
    int32_t p;
    e->setup = *setup;
    e->sink = sink;
    e->to = to;
    e->written = 0;
    e->samples = 0;
    e->chunk = 0;
    e->heads_size = 0;
    e->lost = 0;
    e->largest_row = 0;
    e->frame = 0;
    e->filled = 0;
    e->now = 0;
    e->waits = lq_least(LQ_WAITS, (int32_t)(LQ_BUFFER / (LQ_HOP * sizeof(lq_sample) * (uint32_t)setup->channels)));
    e->waiting = e->waits > 1 ? 0 : -1;
    e->still_level = -1;
    e->follow = 0;
    e->free = LQ_BUFFER;
    lq_coder_start(&e->coder, e->out, LQ_BUFFER);
    for (p = 0; p < setup->channels; p++) {
        e->channel[p].dc = lq_within(0, setup->low, setup->high);
        e->channel[p].step = 0;
        e->channel[p].level = 0;
        e->order[p] = (uint8_t)p;
    }
    lq_forget(e);
}

/* Counts the frame that ends with the block that is full. */
static void measure(lq_encoder *e)
{
    int32_t p, i;
    for (i = 0; i < LQ_FAR; i++)
        e->ahead[i] = 0;
    e->peak[0] = e->peak[1] = -LQ_FAR;
    e->blocks++;
    for (p = 0; p < e->setup.channels; p++) {
        lq_channel *c = &e->channel[p];
        lq_count(e, c, lq_transform(c, e->now, e->spectrum));
        c->power += lq_variance(c, e->now);
    }
}

static void open_chunk(lq_encoder *e)
{
    if (e->blocks == 0)
        measure(e); /* nothing came before, and nothing waited: its first frame has to say */
    lq_choose_steps(e);
    lq_forget(e);
    e->follow = 0;
    e->largest_row = 0;
    lq_coder_start(&e->coder, e->out, e->free);
}

static void close_chunk(lq_encoder *e, int final)
{
    uint32_t planes = lq_coder_finish(&e->coder);
    lq_write_chunk(e, lq_pack_beside(e), planes, final);
    e->frame = 0;
}

/* Returns the offset of a frame: none, but the first chunk's steps come from few frames, so it follows what it sees. */
static int32_t offset_of(lq_encoder *e)
{
    int32_t t = e->frame, moved;
    if (e->chunk == 0 && t > 0 && t >= e->waits && (t & (t - 1)) == 0) {
        moved = lq_steps_moved(e);
        if (moved - e->follow >= 2 || e->follow - moved >= 2)
            e->follow = moved;
    }
    return lq_offset_for(e, e->follow);
}

static void code_frame(lq_encoder *e)
{
    int32_t offset, moved, i;
    if (e->frame == LQ_FRAMES)
        close_chunk(e, 0);
    if (e->frame == 0)
        open_chunk(e);
    e->coder.room = e->free;
    measure(e);
    offset = offset_of(e);
    moved = e->frame > 0 ? offset - e->offset[e->frame - 1] : 0;
    e->offset[e->frame] = (int8_t)offset;
    e->largest_row = 0;
    for (i = 0; i < e->setup.channels; i++) {
        lq_channel *c = &e->channel[e->order[i]];
        int32_t exponent = lq_transform(c, e->now, e->spectrum);
        lq_open_rows(e, c);
        if (moved)
            lq_rescale_rows(e, moved);
        lq_code_plane(e, c, exponent, offset);
        lq_close_rows(e, c);
    }
    e->frame++;
    e->now = !e->now;
}

/* Measures the blocks that waited, and then codes them. */
static void go_on(lq_encoder *e)
{
    int32_t n = e->waiting, place;
    e->now = 0;
    for (place = 0; place < n; place++) {
        lq_take_block(e, place);
        if (place == 0)
            lq_mirror_block(e, !e->now);
        measure(e);
        e->now = !e->now;
    }
    e->now = 0;
    for (place = 0; place < n; place++) {
        lq_take_block(e, place);
        if (place == 0)
            lq_mirror_block(e, !e->now);
        e->free = lq_room_before(e, place + 1);
        code_frame(e);
    }
    e->free = e->coder.room = LQ_BUFFER;
    e->waiting = -1;
}

static void block_is_full(lq_encoder *e)
{
    e->filled = 0;
    if (e->waiting >= 0) {
        lq_keep_block(e, e->waiting++);
        e->now = !e->now;
        if (e->waiting == e->waits)
            go_on(e);
        return;
    }
    if (e->samples <= LQ_HOP)
        lq_mirror_block(e, !e->now);
    code_frame(e);
}

/* Takes one sample of each channel. */
void lq_put(lq_encoder *e, const int32_t *samples)
{
    int32_t p;
    for (p = 0; p < e->setup.channels; p++) {
        int32_t x = lq_within(samples[p], e->setup.low, e->setup.high);
        if (e->samples == 0)
            e->channel[p].dc = x;
        lq_sample_set(&e->channel[p], e->now, e->filled, x);
    }
    if (e->samples == 0)
        lq_write_header(e);
    e->samples++;
    e->filled++;
    if (e->filled == LQ_HOP)
        block_is_full(e);
}

/* Codes what is left, and writes the end of the file. */
void lq_end(lq_encoder *e)
{
    if (e->samples == 0) {
        lq_write_header(e);
        lq_write_chunk(e, 0, 0, 1);
    } else {
        if (e->filled > 0) {
            lq_fill_block(e);
            block_is_full(e);
        }
        if (e->waiting > 0)
            go_on(e);
        lq_mirror_block(e, e->now);
        code_frame(e);
        close_chunk(e, 1);
    }
    lq_write_index(e);
}
