/* What a program needs of the machine it runs on. Not part of the encoder. */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

/* Returns how many bytes were read: fewer at the end only. */
uint32_t port_read(void *to, uint32_t n);
void port_write(const uint8_t *bytes, uint32_t n);
void port_say(const char *text);

int lq_main(void);

#endif
