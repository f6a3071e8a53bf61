/* SPDX-License-Identifier: MIT */
/* Ask the server that runs on this machine, as any program could: HTTP/1.1, one request a
 * connection. Thread-safety: safe. */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/file.h"
#include "server/serve.h"

/* body: borrowed; NULL: none. *answer: what came back, or NULL where nothing did; json_decref() it.
 * An answer of 400 or more is a failure with the server's own sentence; PIQUE_EIO where it does not
 * answer. */
int pq_ask(const struct pq_running_server *server, const char *method, const char *path,
           const json_t *body, json_t **answer, pique_error *err);
/* Upload all of a regular file, from its beginning, as the content of an entry. */
int pq_ask_upload(const struct pq_running_server *server, const char *id, struct pq_file *file,
                  pique_error *err);
