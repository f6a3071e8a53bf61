/* SPDX-License-Identifier: MIT */
/* Any bytes as the JSON of a first waifu2x model. */
#include <stdint.h>

#include "model/waifu2x_json.h"
#include "statedict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_statedict(data, size, pq_waifu2x_json_read);
    return 0;
}
