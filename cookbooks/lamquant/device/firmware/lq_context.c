/* Says by which table a coefficient is coded: a small network sees coded neighbours, in integers. */
#include "lq_inside.h"

static int32_t ilog(int32_t value)
{
    uint32_t n = (uint32_t)lq_least(value, 65535) + 1;
    int32_t octave = lq_length(n) - 1;
    return 16 * octave + lq_logs[(n << 5 >> octave) & 31];
}

/* Goes to the first bin of a plane's frame. */
void lq_place_open(lq_encoder *e, lq_place *at, int32_t level)
{
    const lq_rate *rate = &lq_rates[e->setup.rate];
    int32_t o, k;
    for (o = 0; o < LQ_HIDDEN; o++)
        at->bias[o] = lq_level[level][o] + lq_duration[rate->duration][o];
    at->before = 0;
    at->lower = 0;
    at->wide = 0;
    at->level = level;
    for (k = 0; k <= 2 * LQ_MARGIN; k++)
        at->before += e->work.row[LQ_ONE][k];
    if (e->still_level != level)
        for (k = 0; k < LQ_BINS; k++)
            e->still[k] = 255;
    e->still_level = level;
}

/* Goes from bin k, which is coded, to the next one. */
void lq_place_next(const lq_encoder *e, lq_place *at, int32_t k)
{
    int32_t j = k + LQ_MARGIN;
    if (k + 1 < LQ_BINS)
        at->before += e->work.row[LQ_ONE][j + 9] - e->work.row[LQ_ONE][j - 8];
    at->lower += e->work.row[LQ_SLOW][j] - e->work.row[LQ_SLOW][j - 8];
    at->wide += e->work.row[LQ_NOW][j] - e->work.row[LQ_NOW][j - 8];
}

/* Fills the inputs of the network, and says whether any of them is not zero. */
static int look(const lq_encoder *e, const lq_place *at, int32_t k, int32_t *x)
{
    const int32_t (*row)[LQ_ROW] = e->work.row;
    const int32_t j = k + LQ_MARGIN;
    const int32_t *now = row[LQ_NOW] + j, *one = row[LQ_ONE] + j, *two = row[LQ_TWO] + j;
    const int32_t *slow = row[LQ_SLOW] + j, *envelope = row[LQ_ENVELOPE] + j;
    int32_t slows = slow[-1] + slow[1], envelopes = (envelope[-1] + envelope[1]) >> 4;
    int32_t some = at->wide | at->before | two[0] | (two[-1] + two[1]) | envelope[0] >> 4 | envelopes;
    if (!some && (slow[0] + slows + at->lower) >> 2 == 0)
        return 0;
    x[0] = ilog(now[-1]);
    x[1] = ilog(now[-2]);
    x[2] = ilog(now[-3] + now[-4]);
    x[3] = ilog(at->wide);
    x[4] = ilog(one[0]);
    x[5] = ilog(one[-1] + one[1]);
    x[6] = ilog(one[-2] + one[2]);
    x[7] = ilog(at->before);
    x[8] = ilog(two[0]);
    x[9] = ilog(two[-1] + two[1]);
    x[10] = ilog(slow[0] >> 2);
    x[11] = ilog(slows >> 2);
    x[12] = ilog(at->lower >> 2);
    x[13] = ilog(envelope[0] >> 4);
    x[14] = ilog(envelopes);
    return 1;
}

static int32_t network(const lq_encoder *e, const lq_place *at, int32_t k, const int32_t *x)
{
    const int32_t *position = lq_position[lq_rates[e->setup.rate].position[k]];
    int32_t hidden[LQ_HIDDEN], i, o;
    int64_t out = lq_b3;
    for (o = 0; o < LQ_HIDDEN; o++)
        hidden[o] = at->bias[o] + position[o];
    if (x)
        for (i = 0; i < LQ_INPUTS; i++)
            for (o = 0; o < LQ_HIDDEN; o++)
                hidden[o] += lq_w1[i][o] * x[i];
    for (o = 0; o < LQ_HIDDEN; o++)
        hidden[o] = lq_within(hidden[o] >> 10, 0, 4095);
    for (o = 0; o < LQ_HIDDEN; o++) {
        int32_t sum = lq_b2[o];
        for (i = 0; i < LQ_HIDDEN; i++)
            sum += lq_w2[o][i] * hidden[i];
        out += lq_w3[o] * lq_within(sum >> 10, 0, 4095);
    }
    return lq_least((lq_within((int32_t)(out >> 10) + 80, 0, 255) + 2) >> 2, LQ_TABLES - 1);
}

/* Returns the table of bin k, once all bins below it are coded. Where all is zero it is found once a level. */
int32_t lq_place_table(lq_encoder *e, const lq_place *at, int32_t k)
{
    int32_t x[LQ_INPUTS];
    if (look(e, at, k, x))
        return network(e, at, k, x);
    if (e->still[k] == 255)
        e->still[k] = (uint8_t)network(e, at, k, 0);
    return e->still[k];
}
