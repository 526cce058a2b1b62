/* Reads samples as int32, all channels of a moment together, and writes a byte for each frame: its state. */
#include <stdio.h>

#include "lq_control.h"

static lq_controller controller;

int main(void)
{
    int32_t sample[LQ_CHANNELS];
    lq_control_start(&controller);
    while (fread(sample, sizeof sample, 1, stdin) == 1)
        if (lq_control_put(&controller, sample))
            putchar(controller.state);
    while (lq_control_end(&controller))
        putchar(controller.state);
    return fflush(stdout) != 0;
}
