/* No library: a Cortex-M33 that boots, and semihosting, as qemu's board mps2-an505 and debug probes answer it. */
#include "port.h"

enum { OPEN = 1, WRITE = 5, READ = 6, EXIT = 0x20, SAY = 4, STOPPED = 0x20026 };
enum { TO_READ = 0, TO_WRITE = 4 };

extern uint32_t lq_stack_top, lq_zero_start, lq_zero_end;

static int32_t call(int32_t operation, const void *about)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = about;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Opens the console if it is not open yet; a handle is above 0. */
static int32_t console(int32_t *file, uint32_t mode)
{
    static const char name[] = ":tt";
    uint32_t about[3];
    if (*file > 0)
        return *file;
    about[0] = (uint32_t)name;
    about[1] = mode;
    about[2] = 3;
    *file = call(OPEN, about);
    return *file;
}

/* Returns how many bytes of n were read or written: the answer is how many were not. */
static uint32_t moved(int32_t operation, int32_t file, const void *bytes, uint32_t n)
{
    uint32_t about[3];
    about[0] = (uint32_t)file;
    about[1] = (uint32_t)bytes;
    about[2] = n;
    return n - (uint32_t)call(operation, about);
}

uint32_t port_read(void *to, uint32_t n)
{
    static int32_t file;
    uint32_t got = 0, some;
    while (got < n && (some = moved(READ, console(&file, TO_READ), (char *)to + got, n - got)) > 0)
        got += some;
    return got;
}

void port_write(const uint8_t *bytes, uint32_t n)
{
    static int32_t file;
    uint32_t some;
    for (; n > 0 && (some = moved(WRITE, console(&file, TO_WRITE), bytes, n)) > 0; n -= some)
        bytes += some;
}

void port_say(const char *text)
{
    call(SAY, text);
}

static void end(int32_t status)
{
    int32_t about[2];
    about[0] = STOPPED;
    about[1] = status;
    call(EXIT, about);
    for (;;) {
    }
}

static void fault(void)
{
    port_say("the processor reports a fault\n");
    end(5);
}

void _start(void)
{
    uint32_t *word;
    for (word = &lq_zero_start; word < &lq_zero_end; word++)
        *word = 0;
    end(lq_main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &lq_stack_top, (const void *)_start, (const void *)fault, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault,
};
