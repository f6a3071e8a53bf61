/* SPDX-License-Identifier: MIT */
/* Any bytes as a PyTorch file. Checksums are not looked at here, which would keep the fuzzer out.
 */
#include <stdint.h>

#include "model/pth.h"
#include "statedict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_statedict(data, size, pq_pth_read);
    return 0;
}
