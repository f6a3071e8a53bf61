/* SPDX-License-Identifier: MIT */
/* From named tensors to a network: which architecture the names and shapes belong to, and the graph
 * that it means. One file an architecture, one row each in arch.c. */
#pragma once

#include "graph/graph.h"
#include "model/statedict.h"

struct pq_arch {
    const char *name;
    /* Names that all must be there; NULL ends the list. */
    const char *const *keys;
    /* Decides in place of keys where it is set. */
    bool (*detect)(const struct pq_statedict *sd);
    /* Check every tensor, build and finish the graph; NULL: known, but not yet possible. */
    int (*build)(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
};

/* Recognise sd and build its graph. *name is static. */
int pq_arch_build(const struct pq_statedict *sd, struct pq_graph **graph, const char **name,
                  pique_error *err);

/* Metadata that says what network it is, as tensors do. NULL behind the last. */
extern const char *const pq_arch_notes[];
/* Copy it. */
int pq_arch_copy_notes(const struct pq_statedict *from, struct pq_statedict *to, pique_error *err);

/* The name of a finished graph that came without one, by its structure: "Compact", "ESRGAN",
 * "UpCunet", "UpConv7", "VGG7" or "graph". *features is the width of the body, or 0. */
const char *pq_arch_of_graph(const struct pq_graph *g, int *features);

/* compact.c */
bool pq_compact_detect(const struct pq_statedict *sd);
int pq_compact_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
/* The width of its body where the graph has Compact's structure, else 0. */
int pq_compact_features(const struct pq_graph *g);

/* dat.c */
int pq_dat_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* omnisr.c */
int pq_omnisr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* span.c */
bool pq_span_detect(const struct pq_statedict *sd);
int pq_span_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* spanplus.c */
bool pq_spanplus_detect(const struct pq_statedict *sd);
int pq_spanplus_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* spanf3.c */
bool pq_spanf3_detect(const struct pq_statedict *sd);
int pq_spanf3_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* safmn.c */
int pq_safmn_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* mosr.c */
int pq_mosr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* rcan.c */
bool pq_rcan_detect(const struct pq_statedict *sd);
int pq_rcan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* plksr.c */
bool pq_plksr_detect(const struct pq_statedict *sd);
int pq_plksr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
bool pq_realplksr_detect(const struct pq_statedict *sd);
int pq_realplksr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* cugan.c */
int pq_cugan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* unet.c: whether a finished graph is the two U-Nets, with or without what surrounds them. */
bool pq_unet_is(const struct pq_graph *g);

/* waifu2x.c */
bool pq_vgg7_detect(const struct pq_statedict *sd);
int pq_vgg7_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
bool pq_upconv7_detect(const struct pq_statedict *sd);
int pq_upconv7_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
/* "VGG7" or "UpConv7" where a finished graph has that structure, else NULL. */
const char *pq_waifu2x_chain(const struct pq_graph *g);
bool pq_upcunet_detect(const struct pq_statedict *sd);
int pq_upcunet_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* swinir.c */
int pq_swinir_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* hat.c */
int pq_hat_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* srformer.c */
int pq_srformer_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* swin_unet.c */
int pq_swin_unet_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* atd.c */
int pq_atd_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* drct.c */
int pq_drct_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* esrgan.c */
bool pq_esrgan_detect(const struct pq_statedict *sd);
int pq_esrgan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
/* The width of its body where the graph has ESRGAN's structure, else 0. */
int pq_esrgan_features(const struct pq_graph *g);
