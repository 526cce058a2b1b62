/* A machine with a C library. */
#include <stdio.h>

#include "port.h"

uint32_t port_read(void *to, uint32_t n)
{
    return (uint32_t)fread(to, 1, n, stdin);
}

void port_write(const uint8_t *bytes, uint32_t n)
{
    fwrite(bytes, 1, n, stdout);
}

void port_say(const char *text)
{
    fputs(text, stderr);
}

int main(void)
{
    int failed = lq_main();
    return fflush(stdout) || ferror(stdout) ? 4 : failed;
}
