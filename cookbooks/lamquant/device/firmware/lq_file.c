/* Writes the file about the chunks: header, records with their checks, index. */
#include "lq_inside.h"

enum { INDEX = 1, CHUNK = 2, KINDS = 4, COPY_SHARE = 256 };

/* Continues the CRC-32 of zlib, which begins with 0. */
uint32_t lq_crc(uint32_t crc, const uint8_t *bytes, uint32_t n)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t i;
    crc = ~crc;
    for (i = 0; i < n; i++) {
        crc ^= bytes[i];
        crc = nibble[crc & 15] ^ crc >> 4;
        crc = nibble[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

static void write(lq_encoder *e, const uint8_t *bytes, uint32_t n)
{
    e->check = lq_crc(e->check, bytes, n);
    e->written += n;
    if (n)
        e->sink(e->to, bytes, n);
}

static void write_check(lq_encoder *e, uint32_t check)
{
    uint8_t bytes[4] = {(uint8_t)check, (uint8_t)(check >> 8), (uint8_t)(check >> 16), (uint8_t)(check >> 24)};
    write(e, bytes, 4);
}

static uint32_t varint(uint8_t *out, uint64_t value)
{
    uint32_t n = 0;
    for (; value >= 128; value >>= 7)
        out[n++] = (uint8_t)(value | 128);
    out[n++] = (uint8_t)value;
    return n;
}

static uint32_t signed_varint(uint8_t *out, int32_t value)
{
    return varint(out, value >= 0 ? (uint64_t)value << 1 : ((uint64_t)(-(int64_t)value) << 1) - 1);
}

static uint32_t group(const lq_encoder *e, uint8_t *out)
{
    const lq_rate *rate = &lq_rates[e->setup.rate];
    uint32_t n = 0, i;
    out[n++] = 1;
    out[n++] = 2;
    for (i = 0; i < rate->length; i++)
        out[n++] = rate->bytes[i];
    n += varint(out + n, (uint64_t)e->setup.channels);
    out[n++] = 0;
    n += varint(out + n, LQ_FRAMES);
    out[n++] = LQ_LOG2_HOP;
    for (i = 0; i < 8; i++)
        out[n++] = lq_digest[i];
    out[n++] = 0;
    return n;
}

static uint32_t about(const lq_encoder *e, int32_t p, uint8_t *out)
{
    int64_t low = e->setup.low;
    uint32_t n = signed_varint(out, e->setup.low);
    n += varint(out + n, (uint64_t)(e->setup.high - low));
    return n + varint(out + n, (uint64_t)(e->channel[p].dc - low));
}

static uint32_t header_size(const lq_encoder *e)
{
    uint8_t out[48];
    uint32_t n = group(e, out);
    int32_t p;
    for (p = 0; p < e->setup.channels; p++)
        n += about(e, p, out);
    return n;
}

void lq_write_header(lq_encoder *e)
{
    static const uint8_t magic[6] = {'B', 'L', 'Q', '2', 2, 0};
    uint8_t out[48];
    int32_t p;
    e->check = 0;
    write(e, magic, sizeof(magic));
    write(e, out, varint(out, header_size(e)));
    write(e, out, group(e, out));
    for (p = 0; p < e->setup.channels; p++)
        write(e, out, about(e, p, out));
    write_check(e, e->check);
}

/* Begins a record; its head is kept for the index while there is room. */
static void begin(lq_encoder *e, uint32_t kind, uint32_t length)
{
    uint8_t out[10];
    uint32_t n = varint(out, (uint64_t)length * KINDS + kind), i;
    e->check = 0;
    write(e, out, n);
    if (kind != INDEX && e->heads_size <= LQ_INDEX) {
        for (i = 0; i < n && e->heads_size + n <= LQ_INDEX; i++)
            e->heads[e->heads_size + i] = out[i];
        e->heads_size += n;
    }
}

/* Writes the chunk whose bytes stand in e->beside and e->out; more than fit there are left out, and counted. */
void lq_write_chunk(lq_encoder *e, uint32_t beside, uint32_t planes, int final)
{
    uint8_t samples[10], size[5], bins[2];
    int fits = !e->coder.lacking;
    uint32_t n_samples = final ? varint(samples, e->samples) : 0, n_size = varint(size, beside);
    uint32_t n_bins = varint(bins, fits ? LQ_BINS : 0), n_planes = fits ? planes : 0;
    uint32_t coded = n_size + beside + n_bins * (uint32_t)e->setup.channels + n_planes;
    int32_t p;
    e->lost += !fits;
    if (e->samples == 0)
        coded = 0;
    begin(e, CHUNK + (uint32_t)(final != 0), n_samples + coded);
    write(e, samples, n_samples);
    if (coded) {
        write(e, size, n_size);
        write(e, e->beside, beside);
        for (p = 0; p < e->setup.channels; p++)
            write(e, bins, n_bins);
        write(e, e->out, n_planes);
    }
    write_check(e, e->check + e->chunk * 0x9E3779B1u);
    e->chunk++;
}

/* Writes the index, and where the file is long the header once more. */
void lq_write_index(lq_encoder *e)
{
    uint64_t size = e->written, start;
    uint8_t out[5];
    uint32_t body = header_size(e), header = 6 + varint(out, body) + body + 4;
    if (e->heads_size > LQ_INDEX)
        return;
    start = e->written;
    begin(e, INDEX, e->heads_size);
    write(e, e->heads, e->heads_size);
    write_check(e, e->check);
    if (((uint64_t)header * COPY_SHARE) <= size)
        lq_write_header(e);
    write_check(e, (uint32_t)(e->written - start));
}
