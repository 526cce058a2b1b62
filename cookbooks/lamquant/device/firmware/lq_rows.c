/* Keeps the magnitudes that contexts are made of, of each channel: two frames and two running means. */
#include "lq_inside.h"

/* Lays a channel's rows out in 32 bits, with zeros on each side. */
void lq_open_rows(lq_encoder *e, const lq_channel *c)
{
    int32_t r, k;
    for (r = 0; r < LQ_ROWS; r++)
        for (k = 0; k < LQ_ROW; k++)
            e->work.row[r][k] = 0;
    if (e->frame == 0)
        return;
    for (r = 0; r < LQ_KEPT; r++) {
        for (k = 0; k < LQ_BINS; k++)
            e->work.row[r][k + LQ_MARGIN] = c->rows[r][k];
        for (k = 0; k < LQ_WIDE; k++)
            e->work.row[r][k + LQ_MARGIN] += (int32_t)((uint32_t)c->high[r][k] << 16);
    }
}

/* States all rows in the steps of a frame that are finer by so much than those of the frame before. */
void lq_rescale_rows(lq_encoder *e, int32_t quarter_octaves)
{
    static const uint32_t most[LQ_KEPT] = {1u << 24, 1u << 24, 1u << 26, 1u << 28};
    int32_t r, k;
    for (r = 0; r < LQ_KEPT; r++)
        for (k = LQ_MARGIN; k < LQ_MARGIN + LQ_BINS; k++)
            e->work.row[r][k] = (int32_t)lq_scaled((uint32_t)e->work.row[r][k], quarter_octaves, most[r]);
}

static int32_t envelope_shift(int32_t frames)
{
    static const uint8_t from[5] = {2, 3, 6, 12, 24};
    int32_t shift = 0;
    while (shift < 5 && frames >= from[shift])
        shift++;
    return shift;
}

/* Updates the means by the frame that was coded, and keeps the rows for the next one. */
void lq_close_rows(lq_encoder *e, lq_channel *c)
{
    int32_t shift = envelope_shift(e->frame + 1), r, k;
    for (k = 0; k < LQ_BINS; k++) {
        int32_t j = k + LQ_MARGIN, now = e->work.row[LQ_NOW][j];
        e->work.row[LQ_SLOW][j] += (now * 4 - e->work.row[LQ_SLOW][j]) >> 3;
        e->work.row[LQ_ENVELOPE][j] += (now * 16 - e->work.row[LQ_ENVELOPE][j]) >> shift;
        e->work.row[LQ_TWO][j] = e->work.row[LQ_ONE][j];
        e->work.row[LQ_ONE][j] = now;
        for (r = 0; r < LQ_KEPT; r++) {
            uint32_t value = (uint32_t)e->work.row[r][j];
            c->rows[r][k] = (uint16_t)value;
            if (k < LQ_WIDE)
                c->high[r][k] = (uint16_t)(value >> 16);
            else if (value > e->largest_row)
                e->largest_row = value;
        }
    }
}
