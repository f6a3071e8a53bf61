/* SPDX-License-Identifier: MIT */
/* Any bytes as a safetensors file. */
#include <stdint.h>

#include "model/safetensors.h"
#include "statedict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_statedict(data, size, pq_safetensors_read);
    return 0;
}
