/* SPDX-License-Identifier: MIT */
/* The settings of an encoder: options of libav as a dictionary, and as the text that a job keeps.
 * What is set by hand is checked before anything is opened. */
#pragma once

#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>

#include "base/error.h"

/* "key=value key=value", as pq_settings_text() made it, added to *settings. */
int pq_settings_parse(const char *text, AVDictionary **settings, pique_error *err);
int pq_settings_text(const AVDictionary *settings, char *text, size_t bytes, pique_error *err);

/* One option by hand, "key=value", for this encoder. PIQUE_EINVAL where it has none of that name
 * or does not take the value, and for options that would name files, or settle what is settled by
 * the film. */
int pq_settings_by_hand(const AVCodec *codec, const char *option, AVDictionary **settings,
                        pique_error *err);
/* Add "key=value" to a list of parameters ("x265-params") that may be there. */
int pq_settings_param(AVDictionary **settings, const char *list, const char *param);
