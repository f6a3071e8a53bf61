/* SPDX-License-Identifier: MIT */
/* Settings as a client gives them, {"scale": 2, "model": "...", "tta": true, "enc": ["a=b"]}, into
 * the words of a command, checked by the parser of the command line itself.
 *
 * Only options that concern the picture or film are taken (pq_option_page()), and no value may name
 * a file: a client never names a path. Thread-safety: safe. */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "option/option.h"

/* Check them all. PIQUE_EINVAL with a sentence that names the option. */
int pq_settings_check(const json_t *settings, pique_error *err);
/* The words of those that a command takes ("--scale=2"), appended to an array of strings. */
int pq_settings_words(const json_t *settings, enum pq_command_id command, json_t *words,
                      pique_error *err);

/* The whole number that words of a run have for an option; 0: none. */
int64_t pq_words_whole(const json_t *words, enum pq_option_id id);

/* Words of another kind behind them: from a format; and "--" with the path that the command is for.
 * 0, or -1: out of memory, or it is too long. */
int pq_words_add(json_t *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int pq_words_operand(json_t *words, const char *path);
