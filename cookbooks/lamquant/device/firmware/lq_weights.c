/* Holds the generated tables, and checks them. */
#include "lq_model.h"
#include "lq_weights.h"

#define CHECK(crc, table) lq_crc(crc, (const uint8_t *)(table), sizeof(table))

int lq_weights_are_sound(void)
{
    uint32_t crc = CHECK(0, lq_digest);
    crc = CHECK(crc, lq_w1);
    crc = CHECK(crc, lq_w2);
    crc = CHECK(crc, lq_w3);
    crc = CHECK(crc, lq_position);
    crc = CHECK(crc, lq_level);
    crc = CHECK(crc, lq_duration);
    crc = CHECK(crc, lq_b2);
    crc = lq_crc(crc, (const uint8_t *)&lq_b3, sizeof(lq_b3));
    crc = CHECK(crc, lq_starts);
    crc = CHECK(crc, lq_price);
    crc = CHECK(crc, lq_window);
    crc = CHECK(crc, lq_twiddles);
    crc = CHECK(crc, lq_angles);
    crc = CHECK(crc, lq_logs);
    crc = CHECK(crc, lq_lg_table);
    crc = CHECK(crc, lq_powers);
    crc = CHECK(crc, lq_shares);
    return crc == lq_weights_crc;
}
