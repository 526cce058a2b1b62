#include "lq_control.h"

#include "lq_control_weights.h"

#define MOST (((int64_t)1 << 20) - 1)

/* A layer's outputs in 1/256; scales are in 1/65536. */
static void linear(const int8_t *weight, const int32_t *scale, const int32_t *bias, int out, int in, const int32_t *x,
                   int32_t *y)
{
    int o, i;
    for (o = 0; o < out; o++) {
        int64_t total = 0;
        for (i = 0; i < in; i++)
            total += (int64_t)weight[o * in + i] * x[i];
        total = ((total * scale[o]) >> 16) + (bias ? bias[o] : 0);
        y[o] = (int32_t)(total > MOST ? MOST : total < -MOST ? -MOST : total);
    }
}

#if LQ_KIND != LQ_KIND_SSM
static void follow(int64_t *held, const int32_t *z, int32_t odds[2])
{
    int o;
    for (o = 0; o < 2; o++) {
        held[o] += (lq_pace[o] * ((int64_t)z[o] * 256 - held[o])) >> 15;
        odds[o] = (int32_t)(held[o] >> 8);
    }
}
#endif

#if LQ_KIND == LQ_KIND_LOGISTIC

void lq_decide(int64_t *unit, const int32_t x[LQ_FEATURES], int32_t odds[2])
{
    int32_t z[2];
    linear(&lq_out_weight[0][0], lq_out_scale, lq_out_bias, 2, LQ_FEATURES, x, z);
    follow(unit, z, odds);
}

#elif LQ_KIND == LQ_KIND_SSM

static int32_t sigmoid(int32_t x)
{
    x = x < -2048 ? -2048 : x > 2047 ? 2047 : x;
    return lq_sigmoid[(x + 2048) >> 3];
}

void lq_decide(int64_t *unit, const int32_t x[LQ_FEATURES], int32_t odds[2])
{
    int32_t in[LQ_WIDEST], u[LQ_WIDTH], g[LQ_WIDTH], k[LQ_WIDTH], z[2 * LQ_WIDTH];
    int n = LQ_FEATURES, b, j;
    for (j = 0; j < n; j++)
        in[j] = x[j];
    for (b = 0; b < LQ_DEPTH; b++) {
        const lq_block *one = &lq_blocks[b];
        int64_t *held = unit + b * LQ_WIDTH;
        linear(one->u_weight, one->u_scale, one->u_bias, LQ_WIDTH, n, in, u);
        linear(one->g_weight, one->g_scale, one->g_bias, LQ_WIDTH, n, in, g);
        linear(one->k_weight, one->k_scale, one->k_bias, LQ_WIDTH, n, in, k);
        for (j = 0; j < LQ_WIDTH; j++) {
            held[j] += (sigmoid(g[j]) * ((int64_t)u[j] * 256 - held[j])) >> 15;
            z[j] = (int32_t)(held[j] >> 8);
            z[LQ_WIDTH + j] = (2 * sigmoid(2 * k[j]) - 32767) >> 7;
        }
        linear(one->m_weight, one->m_scale, one->m_bias, LQ_WIDTH, 2 * LQ_WIDTH, z, in);
        for (j = 0; j < LQ_WIDTH; j++)
            in[j] = in[j] > 0 ? in[j] : 0;
        n = LQ_WIDTH;
    }
    linear(&lq_out_weight[0][0], lq_out_scale, lq_out_bias, 2, LQ_WIDTH, in, odds);
}

#else

static int64_t within(int64_t value)
{
    return value > MOST ? MOST : value < -MOST ? -MOST : value;
}

/* Units of two layers: potentials of the first, of the second, spikes of the first; then the readout. */
void lq_decide(int64_t *unit, const int32_t x[LQ_FEATURES], int32_t odds[2])
{
    int64_t *first = unit, *second = unit + LQ_WIDTH, *spikes = unit + 2 * LQ_WIDTH;
    int32_t a[LQ_WIDTH], back[LQ_WIDTH], fired[LQ_WIDTH], z[2];
    int j;
    linear(&lq_first_weight[0][0], lq_first_scale, lq_first_bias, LQ_WIDTH, LQ_FEATURES, x, a);
    for (j = 0; j < LQ_WIDTH; j++)
        fired[j] = (int32_t)spikes[j];
    linear(&lq_recurrent_weight[0][0], lq_recurrent_scale, 0, LQ_WIDTH, LQ_WIDTH, fired, back);
    for (j = 0; j < LQ_WIDTH; j++) {
        int64_t u = first[j] - (first[j] >> lq_shift[j]) + a[j] + back[j];
        spikes[j] = u > 256 ? 256 : 0;
        fired[j] = (int32_t)spikes[j];
        first[j] = within(u - spikes[j]);
    }
    linear(&lq_second_weight[0][0], lq_second_scale, lq_second_bias, LQ_WIDTH, LQ_WIDTH, fired, back);
    for (j = 0; j < LQ_WIDTH; j++) {
        int64_t v = second[j] - (second[j] >> lq_shift[j]) + back[j];
        fired[j] = v > 256 ? 256 : 0;
        second[j] = within(v - fired[j]);
    }
    linear(&lq_out_weight[0][0], lq_out_scale, lq_out_bias, 2, LQ_WIDTH, fired, z);
    follow(unit + 3 * LQ_WIDTH, z, odds);
}

#endif
