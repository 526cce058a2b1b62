#include "lq_control.h"

#define LIMIT ((int64_t)1 << 27)
#define INPUT_LIMIT ((int64_t)1 << 24)

static const int32_t lq_sections[LQ_SECTIONS][5] = LQ_SECTION_VALUES;
static const int32_t lq_mean[LQ_FEATURES] = LQ_MEAN_VALUES;
static const int32_t lq_gain[LQ_FEATURES] = LQ_GAIN_VALUES;
static const uint16_t lq_logs[64] = LQ_LOG_VALUES;

static int64_t clip(int64_t value, int64_t limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

static int64_t floor_div(int64_t value, int64_t by)
{
    int64_t q = value / by;
    return q - (value % by != 0 && value < 0);
}

/* About 256 * log2 of a number from 1. */
static int32_t lg(uint64_t value)
{
    uint64_t rest = value;
    int exponent = 0, shift;
    for (shift = 32; shift; shift >>= 1)
        if (rest >> shift) {
            rest >>= shift;
            exponent += shift;
        }
    value = exponent >= 6 ? value >> (exponent - 6) : value << (6 - exponent);
    return 256 * exponent + lq_logs[value & 63];
}

static int64_t filtered(lq_channel *h, int n, int64_t x)
{
    const int32_t *c = lq_sections[n];
    int32_t *s = h->section[n];
    int64_t total = c[0] * x + (int64_t)c[1] * s[0] + (int64_t)c[2] * s[1] - (int64_t)c[3] * s[2] -
                    (int64_t)c[4] * s[3] + s[4];
    int64_t y = total >> 24;
    s[4] = (int32_t)(total - y * (1 << 24));
    y = clip(y, LIMIT);
    s[1] = s[0];
    s[0] = (int32_t)x;
    s[3] = s[2];
    s[2] = (int32_t)y;
    return y;
}

static int64_t squared(int64_t y)
{
    return (y >> 2) * (y >> 2);
}

static void add_likeness(lq_channel *h, int64_t y)
{
    int64_t z = clip(y >> 4, 1 << 17);
    int i;
    for (i = LQ_LAGS - 1; i > 0; i--)
        h->past[i] = h->past[i - 1];
    h->past[0] = (int32_t)z;
    for (i = 0; i < LQ_LAGS; i++)
        h->likeness[i] += z * h->past[i] - (h->likeness[i] >> 6);
    h->likeness[LQ_LAGS] += z * z * z - (h->likeness[LQ_LAGS] >> 6);
}

static void add_sample(lq_channel *h, int64_t *sums, int at_rhythm)
{
    int64_t v = clip(h->sum, INPUT_LIMIT) * 64, w, y;
    int band;
    h->sum = 0;
    w = filtered(h, 0, v);
    sums[0] += squared(filtered(h, 1, w));
    for (band = 1; band < 5; band++)
        sums[band] += squared(filtered(h, 2 * band + 1, filtered(h, 2 * band, w)));
    sums[5] += v > h->before ? v - h->before : h->before - v;
    h->before = (int32_t)v;
    y = filtered(h, 11, filtered(h, 10, w));
    sums[6] += squared(y);
    sums[7] += squared(w);
    if (at_rhythm)
        add_likeness(h, y);
}

static int32_t rhythm(const int64_t *r)
{
    int64_t best = 0;
    int lag;
    for (lag = 4; lag <= 19; lag++) {
        int64_t one = r[lag] < r[0] ? r[lag] : r[0], both = (one >> 1) + (r[2 * lag] >> 1);
        if (both > best)
            best = both;
    }
    return (int32_t)(best * 256 / (r[0] + 1));
}

static uint32_t pace_of(uint32_t frames, uint32_t least)
{
    uint32_t pace = 65536 / (frames + 1);
    return pace > least ? pace : least;
}

static int32_t sign(int64_t value)
{
    return (value > 0) - (value < 0);
}

/* The numbers of a channel at the end of a frame. */
static void measure(lq_channel *h, uint32_t frames)
{
    int64_t total[LQ_SUMS], z, excess;
    int32_t f, slow = 0, loud;
    int i, k;
    for (i = 0; i < LQ_SUMS; i++) {
        total[i] = 0;
        for (k = 0; k < LQ_WINDOW; k++)
            total[i] += h->ring[k][i];
    }
    h->live = total[5] > 0;
    if (!h->live)
        return;
    for (i = 0; i < 7; i++) {
        f = lg((uint64_t)total[i] + 1) * 256 * (i == 5 ? 2 : 1);
        if (!h->seen)
            h->base[i] = f;
        z = f - h->base[i];
        h->base[i] += (int32_t)((clip(z, 65536) * pace_of(frames, 524)) >> 16);
        if (i < 6)
            h->number[i] = (int32_t)(z >> 8);
        else
            slow = (int32_t)(z >> 8);
    }
    h->number[6] = rhythm(h->likeness);
    z = h->likeness[LQ_LAGS];
    z = lg((uint64_t)(z < 0 ? -z : z) + 1) - 3 * lg((uint64_t)h->likeness[0] + 1) / 2 + 768;
    h->number[7] = (int32_t)clip(z, 1024);
    h->number[8] = slow > 0 ? (slow * h->number[6]) >> 8 : 0;
    loud = lg((uint64_t)h->ring[frames % LQ_WINDOW][7] + 1);
    if (!h->seen)
        h->base[7] = loud * 256;
    excess = (int64_t)loud * 256 - h->base[7];
    h->base[7] += sign(excess) * (int32_t)pace_of(frames, 1 << 10);
    h->seen = 1;
    h->loud = loud;
    h->excess = (int32_t)(excess >> 8);
}

static int32_t value_of(const lq_channel *h, int i)
{
    return i < LQ_CHANNEL_NUMBERS ? h->number[i] : h->excess;
}

/* Largest, third largest and mean over the live channels; how many there are. */
static int32_t pool(const lq_controller *c, int i, int32_t pooled[3])
{
    int64_t total = 0;
    int32_t top[3] = {-(1 << 30), -(1 << 30), -(1 << 30)}, live = 0, v;
    int ch;
    for (ch = 0; ch < LQ_CHANNELS; ch++) {
        if (!c->channel[ch].live)
            continue;
        v = value_of(&c->channel[ch], i);
        total += v;
        live++;
        if (v > top[0]) {
            top[2] = top[1];
            top[1] = top[0];
            top[0] = v;
        } else if (v > top[1]) {
            top[2] = top[1];
            top[1] = v;
        } else if (v > top[2])
            top[2] = v;
    }
    pooled[0] = live ? top[0] : 0;
    pooled[1] = live ? top[live > 2 ? 2 : live - 1] : 0;
    pooled[2] = live ? (int32_t)floor_div(total, live) : 0;
    return live;
}

static int32_t calm(lq_controller *c, int32_t loud)
{
    int32_t level = loud * 256, pace = (int32_t)pace_of(c->frames, 1 << 9), found;
    if (c->frames == 0)
        c->percentile = level;
    found = level < c->percentile ? LQ_QUIET : LQ_BASELINE;
    c->percentile += level > c->percentile ? pace * 59 / 100 : -(pace * 41 / 100);
    return found;
}

static int decide_frame(lq_controller *c)
{
    int32_t x[LQ_FEATURES], pooled[3], excess, state, found = LQ_QUIET, class;
    int64_t total = 0, v;
    int32_t live = 0;
    int i, k;
    for (i = 0; i < LQ_CHANNEL_NUMBERS; i++) {
        live = pool(c, i, pooled);
        for (k = 0; k < 3; k++)
            x[k * LQ_CHANNEL_NUMBERS + i] = pooled[k];
    }
    pool(c, LQ_CHANNEL_NUMBERS, pooled);
    excess = pooled[1];
    for (i = 0; i < LQ_CHANNELS; i++)
        total += c->channel[i].live ? c->channel[i].loud : 0;
    for (i = 0; i < LQ_FEATURES; i++) {
        v = ((int64_t)(x[i] - lq_mean[i]) * lq_gain[i]) >> 12;
        x[i] = (int32_t)clip(v, 2047);
    }
    lq_decide(c->unit, x, c->odds);
    if (c->odds[0] >= LQ_CRITICAL_FROM || excess > LQ_FAILSAFE)
        found = LQ_CRITICAL;
    else if (c->odds[0] >= LQ_MAYBE_FROM || c->odds[1] >= LQ_INTERESTING_FROM)
        found = LQ_INTERESTING;
    state = calm(c, live ? (int32_t)floor_div(total, live) : 0);
    for (class = LQ_INTERESTING; class <= LQ_CRITICAL; class++) {
        int64_t *until = &c->until[class - LQ_INTERESTING];
        if (found == class) {
            *until = (int64_t)c->frames + LQ_HOLD;
            for (i = 0; i < c->held; i++)
                if (c->waiting[i] < class)
                    c->waiting[i] = (uint8_t)class;
        }
        if (*until >= (int64_t)c->frames)
            state = class;
    }
    c->frames++;
    c->waiting[c->held++] = (uint8_t)state;
    return c->held > LQ_PREROLL ? lq_control_end(c) : 0;
}

static uint64_t frame_end(uint32_t frame)
{
    return ((uint64_t)frame + 1) * ((uint64_t)LQ_MILLIHERTZ * LQ_FRAME_MS) / 1000000;
}

void lq_control_start(lq_controller *c)
{
    uint8_t *at = (uint8_t *)c;
    uint32_t i;
    for (i = 0; i < sizeof *c; i++)
        at[i] = 0;
    c->until[0] = c->until[1] = -1;
}

int lq_control_end(lq_controller *c)
{
    int32_t i;
    if (c->held == 0)
        return 0;
    c->state = c->waiting[0];
    for (i = 1; i < c->held; i++)
        c->waiting[i - 1] = c->waiting[i];
    c->held--;
    return 1;
}

int lq_control_put(lq_controller *c, const int32_t sample[LQ_CHANNELS])
{
    int whole, at_rhythm = 0, ch, i;
    for (ch = 0; ch < LQ_CHANNELS; ch++) {
        if (c->samples == 0 && c->samples_high == 0)
            c->channel[ch].first = sample[ch];
        c->channel[ch].sum = (int32_t)clip((int64_t)c->channel[ch].sum + sample[ch] - c->channel[ch].first, INT32_MAX);
    }
    if (++c->samples == 0)
        c->samples_high++;
    whole = ++c->group == LQ_GROUP;
    if (whole) {
        c->group = 0;
        at_rhythm = ++c->step == LQ_RHYTHM;
        if (at_rhythm)
            c->step = 0;
        for (ch = 0; ch < LQ_CHANNELS; ch++)
            add_sample(&c->channel[ch], c->channel[ch].ring[c->frames % LQ_WINDOW], at_rhythm);
    }
    if (((uint64_t)c->samples_high << 32 | c->samples) != frame_end(c->frames))
        return 0;
    for (ch = 0; ch < LQ_CHANNELS; ch++) {
        measure(&c->channel[ch], c->frames);
        for (i = 0; i < LQ_SUMS; i++)
            c->channel[ch].ring[(c->frames + 1) % LQ_WINDOW][i] = 0;
    }
    return decide_frame(c);
}
