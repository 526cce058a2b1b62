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

#ifdef __SANITIZE_ADDRESS__
/* There is no heap that could leak, and looking for leaks needs rights that a sandbox does not give. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif
