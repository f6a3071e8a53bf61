/* SPDX-License-Identifier: MIT */
/* What pique bench is made of: lists of what is to be measured, ways to measure, and what is said
 * of them. */
#pragma once

#include "base/json.h"
#include "cli/tell.h"
#include "option/option.h"
#include "pique/pique.h"

/* ---- lists (bench_list.c) ---- */

/* Words that stood in an option, separated by commas, or in several of them. */
struct pq_words {
    char **list;
    size_t count;
};

/* Those of an option; `fallback` alone where it is not given. 0 or PIQUE_ENOMEM. */
int pq_words_of(const struct pq_options *o, enum pq_option_id id, const char *fallback,
                struct pq_words *out, pique_error *err);
void pq_words_free(struct pq_words *words);
/* A whole number, or WxH, of an option; a sentence where it is none. */
int pq_word_number(enum pq_option_id id, const char *word, int least, int most, int *out,
                   pique_error *err);
int pq_word_size(enum pq_option_id id, const char *word, int *width, int *height, pique_error *err);
/* A tier that --precision of a run takes. */
int pq_word_tier(enum pq_option_id id, const char *word, enum pique_precision *out,
                 pique_error *err);

/* ---- ways (bench_way.c) ---- */

enum { PQ_WAY_RUNS = 1000 };

/* One model on one device, in one tier, on so many threads, with frames of one size. */
struct pq_way {
    const char *name; /* of the model */
    const pique_model *model;
    uint64_t flops_per_pixel;
    int in_channels, out_channels;
    pique_engine_options engine_options; /* strings borrowed */
    int width, height, batch;

    pique_engine *engine;
    int out_width, out_height;
    int threads;             /* that compute */
    char device_name[192];   /* "Intel Xeon ..., 2 threads, AVX-512" */
    unsigned char *in, *out; /* frames of 8-bit samples */
    uint64_t memory_bytes;   /* the most that the process had in memory while it was alone:
                                program, weights, buffers, frames; 0: not known */
    uint64_t hash;           /* of the samples that came out */
    int runs;
    double seconds[PQ_WAY_RUNS], peak[PQ_WAY_RUNS]; /* of a run; flops a second just before it */
};

bool pq_way_on_cpu(const struct pq_way *way);
/* Run it once, alone, for its memory and its hash; its engine is closed again. */
int pq_way_alone(struct pq_way *way, pique_error *err);
/* Its engine and memory, and one run that warms them up. pq_way_close() whatever is returned. */
int pq_way_open(struct pq_way *way, pique_error *err);
int pq_way_run(struct pq_way *way, double *seconds, pique_error *err);
/* The next run that counts, and the peak before it. */
int pq_way_measure(struct pq_way *way, pique_error *err);
void pq_way_close(struct pq_way *way);

/* What came of it. */
struct pq_figures {
    double seconds, best;                       /* of a run: median, least */
    double frames, best_frames, mpixels, flops; /* a second; mpixels of the input */
    double peak, share; /* medians; flops by the peak just before. 0 where there is no peak */
};
struct pq_figures pq_way_figures(const struct pq_way *way);

/* ---- steps (bench_steps.c) ---- */

/* A few runs more, of which each kind of step is timed; the device must tell. */
int pq_steps_text(struct pq_way *way, struct pq_str *out, pique_error *err);
int pq_steps_json(struct pq_way *way, struct pq_json *j, pique_error *err);
