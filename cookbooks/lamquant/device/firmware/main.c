/* Reads a setup and samples from its input, and writes the file to its output.
 *
 * The setup is five integers: channels, rate (its number), low, high, ratio. Then come samples, one of each channel
 * for each moment. All are of 32 bits, the lowest byte first.
 */
#include "lq_encode.h"
#include "port.h"

static lq_encoder encoder;

static void sink(void *to, const uint8_t *bytes, uint32_t n)
{
    (void)to;
    port_write(bytes, n);
}

static int fails(const lq_setup *s)
{
    int32_t most = (1 << (LQ_BITS - 1)) - 1;
    return s->channels < 1 || s->channels > LQ_CHANNELS || s->rate < 0 || s->rate >= LQ_RATES || s->low >= s->high
           || s->low < -most - 1 || s->high > most || s->ratio < -4096 || s->ratio > 4096;
}

int lq_main(void)
{
    lq_setup setup;
    int32_t samples[LQ_CHANNELS];
    uint32_t size, got;
    if (!lq_weights_are_sound()) {
        port_say("the tables are damaged: build it again\n");
        return 2;
    }
    if (port_read(&setup, sizeof(setup)) != sizeof(setup) || fails(&setup)) {
        port_say("the setup is cut, or does not fit lq_config.h\n");
        return 3;
    }
    size = 4u * (uint32_t)setup.channels;
    lq_start(&encoder, &setup, sink, 0);
    while ((got = port_read(samples, size)) == size)
        lq_put(&encoder, samples);
    lq_end(&encoder);
    if (got) {
        port_say("the last moment lacks a sample\n");
        return 3;
    }
    if (encoder.lost)
        port_say("a chunk did not fit LQ_BUFFER, and is silent\n");
    return 0;
}
