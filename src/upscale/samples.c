/* SPDX-License-Identifier: MIT */
#include "upscale/samples.h"

#include <math.h>
#include <string.h>

size_t pq_sample_size(enum pique_sample sample)
{
    return sample == PIQUE_SAMPLE_U8 ? 1 : sample == PIQUE_SAMPLE_U16 ? 2 : 4;
}

void pq_samples_to_float(enum pique_sample sample, const void *in, size_t count, float *out)
{
    if (sample == PIQUE_SAMPLE_F32) {
        memcpy(out, in, count * sizeof *out);
    } else if (sample == PIQUE_SAMPLE_U8) {
        const uint8_t *u = in;
        for (size_t i = 0; i < count; i++)
            out[i] = (float)u[i] * (1.0f / 255.0f);
    } else {
        const uint16_t *u = in;
        for (size_t i = 0; i < count; i++)
            out[i] = (float)u[i] * (1.0f / 65535.0f);
    }
}

/* The comparisons are written so that NaN fails both and becomes 0. */
static float round_to(float v, float max)
{
    v = floorf(v * max + 0.5f);
    return v >= max ? max : v > 0.0f ? v : 0.0f;
}

void pq_samples_from_float(enum pique_sample sample, const float *in, size_t count, void *out)
{
    if (sample == PIQUE_SAMPLE_F32) {
        memcpy(out, in, count * sizeof *in);
    } else if (sample == PIQUE_SAMPLE_U8) {
        uint8_t *u = out;
        for (size_t i = 0; i < count; i++)
            u[i] = (uint8_t)round_to(in[i], 255.0f);
    } else {
        uint16_t *u = out;
        for (size_t i = 0; i < count; i++)
            u[i] = (uint16_t)round_to(in[i], 65535.0f);
    }
}
