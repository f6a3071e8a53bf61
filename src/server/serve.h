/* SPDX-License-Identifier: MIT */
/* The server as a whole: store, runner, HTTP. It has no codec and no device; all work is done by
 * processes of their own. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct pq_serve_setup {
    const char *state, *results; /* folders; NULL: the user's own */
    const char *models;          /* the folder of models */
    int port, port_tries;
    const char *listen; /* an address instead of loopback; needs a token */
    const char *token;  /* NULL: a new one */
    const char *const *host_names;
    size_t host_name_count;
    const char *const *folders; /* from which files are taken */
    size_t folder_count;
    const char *ui_folder;
    int parallel; /* 0: as it was */
    char *(*models_text)(void);
    char *(*codecs_text)(void); /* by another thread, which may wait for it */
    int (*open_folder)(const char *path, pique_error *err);
    /* Told once, when it answers: the address that opens the page, with a word that works once. */
    void (*ready)(void *user, const char *address, int port);
    void (*problem)(void *user, const char *text); /* something to say, at the start */
    void *user;
};

/* Serve until *stop is set. PIQUE_EEXIST where another server has the queue. */
int pq_serve(const struct pq_serve_setup *setup, volatile sig_atomic_t *stop, pique_error *err);

/* A server that runs: its port and token, from its folder (NULL: the user's own). PIQUE_ENOENT
 * where none does. */
struct pq_running_server {
    int port;
    char address[64]; /* to connect to */
    char token[65];
};
int pq_running_server(const char *state, struct pq_running_server *out, pique_error *err);

/* The address that opens the page once. pq_free() it; NULL: out of memory. */
char *pq_serve_address(const char *host, int port, const char *word);
