/* Codes a frame of one channel: chooses each integer by error and price, and writes it by its table. */
#include "lq_inside.h"

static const uint32_t MOST = (1u << 20) - 1;

/* Returns the price of a magnitude with its sign, in 1/256 bits. */
static uint32_t price(int32_t table, uint32_t m)
{
    int32_t shift = lq_shift_of(table);
    uint32_t token = m >> shift, bits = lq_price[table][token < LQ_ESCAPE ? token : LQ_ESCAPE] + 256u * (uint32_t)shift;
    if (m > 0)
        bits += 256;
    if (token >= LQ_ESCAPE)
        bits += 512u * (uint32_t)(lq_length(token - LQ_ESCAPE + 1) - 1) + 256u;
    return bits;
}

/* Returns the magnitude for one of m / 256 steps. */
static uint32_t chosen(uint32_t m, int32_t table)
{
    uint32_t top = (m + 128) >> 8, best = 0, v;
    uint64_t least = (uint64_t)m * m + (uint64_t)LQ_LAMBDA * price(table, 0);
    for (v = top > 1 ? top - 1 : 1; v <= top; v++) {
        uint32_t error = m > 256 * v ? m - 256 * v : 256 * v - m;
        uint64_t loss = (uint64_t)error * error + (uint64_t)LQ_LAMBDA * price(table, v);
        if (loss < least) {
            least = loss;
            best = v;
        }
    }
    return best;
}

static void put(lq_coder *c, int32_t table, uint32_t m, int negative)
{
    int32_t shift = lq_shift_of(table), length;
    uint32_t token = m >> shift, symbol = token < LQ_ESCAPE ? token : LQ_ESCAPE;
    uint32_t next = symbol < LQ_ESCAPE ? lq_starts[table][symbol + 1] : 65536u;
    lq_put_symbol(c, 65536u - next, next - lq_starts[table][symbol]);
    if (symbol == LQ_ESCAPE) {
        token -= LQ_ESCAPE - 1;
        length = lq_length(token) - 1;
        lq_put_bits(c, 0, length);
        lq_put_bits(c, 1, 1);
        lq_put_bits(c, token, length);
    }
    lq_put_bits(c, m, shift);
    if (m > 0)
        lq_put_bits(c, negative != 0, 1);
}

/* Codes the spectrum by the rows that are open, and fills the row of this frame. */
void lq_code_plane(lq_encoder *e, const lq_channel *c, int32_t exponent, int32_t offset)
{
    int32_t step = c->step - 16 * offset, shift = 22 + exponent + (step >> 6), k;
    uint32_t share = lq_shares[step & 63];
    lq_place at;
    lq_place_open(e, &at, lq_within(c->level + offset, 0, LQ_LEVELS - 1));
    for (k = 0; k < LQ_BINS; k++) {
        int32_t value = e->spectrum[k], table = lq_place_table(e, &at, k);
        uint64_t size = (uint64_t)(uint32_t)(value < 0 ? -value : value) * share;
        uint32_t m;
        size = shift > 62 ? 0 : size >> shift;
        m = chosen(size < MOST * 256 ? (uint32_t)size : MOST * 256, table);
        put(&e->coder, table, m, value < 0);
        e->work.row[LQ_NOW][k + LQ_MARGIN] = (int32_t)(m << 4);
        lq_place_next(e, &at, k);
    }
}
