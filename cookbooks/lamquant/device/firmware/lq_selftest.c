/* Encodes known signals, and compares the bytes with those that the reference gave. To be run at boot, or on a bench. */
#include "lq_encode.h"
#include "port.h"

enum { CROP, CONSTANT, SQUARE, NOISE };

typedef struct {
    int32_t kind, samples;
    lq_setup setup;
    uint32_t size, crc;
} vector;

#include "lq_vectors.h"

static lq_encoder encoder;
static uint32_t size, crc;

static void sink(void *to, const uint8_t *bytes, uint32_t n)
{
    (void)to;
    crc = lq_crc(crc, bytes, n);
    size += n;
}

static int32_t sample(const vector *v, int32_t t, int32_t p, uint32_t *seed)
{
    if (v->kind == CROP)
        return lq_crop[t * v->setup.channels + p];
    if (v->kind == CONSTANT)
        return v->setup.high / 3;
    if (v->kind == SQUARE)
        return t / (37 + p) % 2 ? v->setup.high : v->setup.low;
    *seed = *seed * 1664525u + 1013904223u;
    return (int32_t)(*seed >> 16 & 1023) - 512;
}

static int encodes(const vector *v)
{
    int32_t samples[LQ_CHANNELS], t, p;
    uint32_t seed = 1;
    size = 0;
    crc = 0;
    lq_start(&encoder, &v->setup, sink, 0);
    for (t = 0; t < v->samples; t++) {
        for (p = 0; p < v->setup.channels; p++)
            samples[p] = sample(v, t, p, &seed);
        lq_put(&encoder, samples);
    }
    lq_end(&encoder);
    return size == v->size && crc == v->crc;
}

int lq_main(void)
{
    int failed = 0;
    uint32_t i;
    if (!lq_weights_are_sound()) {
        port_say("the CRC of the weights does not match\n");
        return 2;
    }
    for (i = 0; i < sizeof(lq_vectors) / sizeof(lq_vectors[0]); i++)
        if (!encodes(&lq_vectors[i])) {
            port_say("a vector gives other bytes than the reference\n");
            failed = 1;
        }
    if (!failed)
        port_say("all vectors give the bytes of the reference\n");
    return failed;
}
