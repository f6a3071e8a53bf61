/* SPDX-License-Identifier: MIT */
#include "upscale/samples.h"

#include <string.h>

void pq_samples_to_float(enum pique_sample sample, const void *in, size_t count, float *out)
{
    if (sample == PIQUE_SAMPLE_F32) {
        memcpy(out, in, count * sizeof *out);
    } else if (sample == PIQUE_SAMPLE_U8) {
        for (size_t i = 0; i < count; i++)
            out[i] = pq_sample_load(in, i, 8);
    } else {
        for (size_t i = 0; i < count; i++)
            out[i] = pq_sample_load(in, i, 16);
    }
}

void pq_samples_from_float(enum pique_sample sample, const float *in, size_t count, void *out)
{
    if (sample == PIQUE_SAMPLE_F32) {
        memcpy(out, in, count * sizeof *in);
    } else if (sample == PIQUE_SAMPLE_U8) {
        for (size_t i = 0; i < count; i++)
            pq_sample_store(out, i, in[i], 8);
    } else {
        for (size_t i = 0; i < count; i++)
            pq_sample_store(out, i, in[i], 16);
    }
}
