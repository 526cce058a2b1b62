/* libfaketime up to 0.9.10 spoils sleeping until a moment of the monotonic clock, as Python's time.sleep does
   it, when it is told to leave that clock alone. This one, loaded before it, asks the kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
