/* A byte-wise range coder with carry: as the decoder's, which reads zeros behind the end. */
#include "lq_inside.h"

void lq_coder_start(lq_coder *c, uint8_t *out, uint32_t room)
{
    c->low = 0;
    c->range = 0xFFFFFFFFu;
    c->cache = -1;
    c->pending = 0;
    c->at = 0;
    c->lacking = 0;
    c->out = out;
    c->room = room;
}

static void emit(lq_coder *c, uint32_t byte)
{
    if (c->at < c->room)
        c->out[c->at] = (uint8_t)byte;
    else
        c->lacking = 1;
    c->at++;
}

static void shift_low(lq_coder *c)
{
    uint32_t carry = (uint32_t)(c->low >> 32), low = (uint32_t)c->low;
    if (carry || low < 0xFF000000u) {
        if (c->cache >= 0)
            emit(c, (uint32_t)c->cache + carry);
        for (; c->pending > 0; c->pending--)
            emit(c, 0xFFu + carry);
        c->cache = (int32_t)(low >> 24);
    } else {
        c->pending++;
    }
    c->low = (uint64_t)(low & 0x00FFFFFFu) << 8;
}

/* Writes the symbol that owns size of 65536 parts from start on; the last one has what division leaves. */
void lq_put_symbol(lq_coder *c, uint32_t start, uint32_t size)
{
    uint32_t part = c->range >> 16, before = start * part;
    c->low += before;
    c->range = start + size < 65536u ? size * part : c->range - before;
    while (c->range < 0x1000000u) {
        c->range <<= 8;
        shift_low(c);
    }
}

/* Writes the n low bits of a value, all equally likely, highest first. */
void lq_put_bits(lq_coder *c, uint32_t value, int32_t n)
{
    while (n-- > 0) {
        c->range >>= 1;
        if (value >> n & 1)
            c->low += c->range;
        if (c->range < 0x1000000u) {
            c->range <<= 8;
            shift_low(c);
        }
    }
}

/* Writes as few bytes as tell the range, and returns how many there are; lacking says that some did not fit. */
uint32_t lq_coder_finish(lq_coder *c)
{
    int32_t keep;
    uint32_t size;
    for (keep = 0; keep < 5; keep++) {
        int32_t bits = 32 - 8 * keep;
        uint64_t value = ((c->low + ((uint64_t)1 << bits) - 1) >> bits) << bits;
        if (value < c->low + c->range) {
            c->low = value;
            break;
        }
    }
    for (keep = 0; keep < 5; keep++)
        shift_low(c);
    if (c->lacking)
        return 0;
    for (size = c->at; size > 0 && c->out[size - 1] == 0; size--) {
    }
    return size;
}
