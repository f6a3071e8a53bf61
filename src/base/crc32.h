/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32 as zip has it (ISO 3309, polynomial 0xedb88320 reflected). Thread-safety: safe. */
uint32_t pq_crc32(const void *data, size_t bytes);
/* Of what came before, whose sum is given (0: nothing), and this behind it. */
uint32_t pq_crc32_add(uint32_t sum, const void *data, size_t bytes);
