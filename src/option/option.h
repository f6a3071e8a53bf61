/* SPDX-License-Identifier: MIT */
/* Every option of pique, once.
 *
 * option.def holds one row an option and command.def one row a command. From these come the
 * parser, its checks and sentences, the help, the man page, the completions and the JSON schema;
 * whatever else will take options (a job file, a form) reads the same rows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/lang.h"
#include "base/str.h"
#include "pique/engine.h"
#include "pique/film.h"
#include "pique/picture.h"

enum pq_command_id {
#define PQ_COMMAND(id, ...) PQ_CMD_##id,
#include "option/command.def"
#undef PQ_COMMAND
    PQ_CMD_COUNT
};

/* What the user types after "pique". */
struct pq_command {
    const char *words;          /* "models info"; "" for the implicit command */
    const char *operands;       /* "FILE|NAME", for the help */
    const char *operands_fr;    /* in French, where that is another text */
    const char *help, *help_fr; /* one sentence */
    bool hidden;                /* of pique itself; no help names it */
};

extern const struct pq_command pq_commands[PQ_CMD_COUNT];

#define PQ_FOR(id) (UINT64_C(1) << PQ_CMD_##id)
#define PQ_FOR_ALL ((UINT64_C(1) << PQ_CMD_COUNT) - 1)
#define PQ_FOR_QUEUE                                                                               \
    (PQ_FOR(QUEUE_ADD) | PQ_FOR(QUEUE_LS) | PQ_FOR(QUEUE_PAUSE) | PQ_FOR(QUEUE_RESUME) |           \
     PQ_FOR(QUEUE_CANCEL) | PQ_FOR(QUEUE_RETRY) | PQ_FOR(QUEUE_RM))
/* A setting of one item of the queue: an option of the run, of `queue add` and of the page's form.
 * The bit of its own tells it from what the two commands share for other reasons (--json). */
#define PQ_PAGE_BIT 63
#define PQ_FOR_ITEM (UINT64_C(1) << PQ_PAGE_BIT | PQ_FOR(RUN) | PQ_FOR(QUEUE_ADD))
_Static_assert((int)PQ_CMD_COUNT < PQ_PAGE_BIT, "a bit for each command, and one more");

enum pq_option_kind {
    PQ_KIND_FLAG,   /* takes no value */
    PQ_KIND_COUNT,  /* takes no value, may be repeated */
    PQ_KIND_INT,    /* whole number in least .. most */
    PQ_KIND_NUMBER, /* number in least .. most */
    PQ_KIND_SCALE,  /* number above 0 and at most `most`; "4x" and "x4" are fine */
    PQ_KIND_SIZE,   /* WxH, each in least .. most */
    PQ_KIND_CROP,   /* WxH, each in least .. most, or WxH+X+Y, or "auto" */
    PQ_KIND_TIME,   /* seconds, or [HH:]MM:SS with or without a fraction */
    PQ_KIND_RATE,   /* frames a second: 24, 23.976 (which is 24000/1001), 30000/1001 */
    PQ_KIND_BITS,   /* bits a second with k or M, powers of 1000, in least .. most */
    PQ_KIND_PAIR,   /* KEY=VALUE */
    PQ_KIND_BYTES,  /* whole number with K, M, G or T, in least .. most */
    PQ_KIND_ROWS,   /* whole number in least .. most, or "whole" */
    PQ_KIND_CHOICE, /* one of `choices` */
    PQ_KIND_COLOUR, /* RRGGBB, "white" or "black" */
    PQ_KIND_TEXT,   /* anything but "" */
    PQ_KIND_PART,   /* a piece of a file name: no '/', may be "" */
    PQ_KIND_PATH,   /* a file or folder */
    PQ_KIND_MODEL   /* a name of the catalogue or a file */
};

enum pq_option_group {
    PQ_GROUP_FILES,
    PQ_GROUP_SIZE,
    PQ_GROUP_LOOK,
    PQ_GROUP_FORMAT,
    PQ_GROUP_FILM,
    PQ_GROUP_TRACKS,
    PQ_GROUP_JOB,
    PQ_GROUP_ENGINE,
    PQ_GROUP_REPORT,
    PQ_GROUP_MODELS,
    PQ_GROUP_SERVER,
    PQ_GROUP_MEASURE,
    PQ_GROUP_COUNT
};

/* The heading of a group: "Size"; and its name for programs: "size". */
const char *pq_option_group_name(enum pq_option_group group, enum pq_lang lang);
const char *pq_option_group_id(enum pq_option_group group);

struct pq_option {
    const char *name; /* "output", typed --output */
    char letter;      /* 'o', typed -o; 0: none */
    enum pq_option_kind kind;
    double least, most;
    const char *fallback; /* what holds when it is not given, as text; NULL: nothing */
    const char *choices;  /* space-separated */
    const char *value;    /* name of the value in the help; NULL for flags */
    const char *value_fr; /* in French, where that is another text */
    enum pq_option_group group;
    uint64_t commands;              /* PQ_FOR(...) | PQ_FOR(...) */
    bool repeats;                   /* may be given several times, and all of them count */
    bool common;                    /* shown by --help, not only by --help-all */
    const char *help, *help_fr;     /* one sentence, a line of the help */
    const char *detail, *detail_fr; /* further sentences for the manual page and the guide of the
                                       page; NULL only where no run takes the option */
};

enum pq_option_id {
#define PQ_OPTION(id, ...) PQ_OPT_##id,
#include "option/option.def"
#undef PQ_OPTION
    PQ_OPT_COUNT
};

extern const struct pq_option pq_option_table[PQ_OPT_COUNT];

/* The texts of a row in a language. */
const char *pq_option_text_help(const struct pq_option *option, enum pq_lang lang);
const char *pq_option_text_detail(const struct pq_option *option, enum pq_lang lang);
const char *pq_option_text_value(const struct pq_option *option, enum pq_lang lang);
const char *pq_command_text_help(const struct pq_command *command, enum pq_lang lang);
const char *pq_command_text_operands(const struct pq_command *command, enum pq_lang lang);

/* By name without dashes, or by letter; NULL where there is none for the command. */
const struct pq_option *pq_option_find(const char *name, size_t length, enum pq_command_id command);
const struct pq_option *pq_option_find_letter(char letter, enum pq_command_id command);
/* Whether it is a setting of one item of the queue. The server takes no other from a client. */
bool pq_option_page(const struct pq_option *option);
/* Letters put in, left out, replaced and swapped with a neighbour that turn a into b, whatever
 * their case; INT_MAX where one is longer than 63 bytes. */
int pq_edit_distance(const char *a, const char *b);
/* The candidate nearest to what was typed, or NULL where none is near. */
const char *pq_nearest(const char *typed, const char *const *candidates, size_t count);

/* A value, checked. */
struct pq_value {
    bool set;          /* given by the user; false: the fallback */
    double number;     /* NUMBER and SCALE; TIME in seconds */
    int64_t whole;     /* INT, COUNT, FLAG (0, 1), CHOICE (index), ROWS (INT_MAX: whole), BYTES,
                          BITS; CROP (1: auto) */
    int width, height; /* SIZE, CROP; RATE as a fraction */
    int x, y;          /* CROP; -1: not given */
    unsigned char rgb[3];
    const char *text; /* as it was given; borrowed from argv or the table. NULL: nothing */
    /* All that were given of an option that repeats, in order; strings borrowed. */
    const char **all;
    size_t all_count, all_capacity;
};

struct pq_options {
    enum pq_command_id command;
    struct pq_value values[PQ_OPT_COUNT];
    const char **operands; /* what is no option, in order; strings borrowed */
    size_t operand_count;
};

/* Read the words after the command. o is valid, and to be freed, whatever is returned.
 * @return 0; PIQUE_EINVAL with a sentence that names the option; PIQUE_ENOMEM. */
int pq_options_parse(struct pq_options *o, enum pq_command_id command, int count,
                     char *const *words, pique_error *err);
void pq_options_free(struct pq_options *o);
/* Fallbacks only. */
int pq_options_init(struct pq_options *o, enum pq_command_id command, pique_error *err);
/* Set one option from text (NULL for a flag); text is borrowed. */
int pq_options_set(struct pq_options *o, const struct pq_option *option, const char *text,
                   pique_error *err);
/* What no option can see alone: two sizes, a format that cannot do what is asked. */
int pq_options_check(const struct pq_options *o, pique_error *err);
/* The latter for a format that follows from elsewhere; name is what the user called it. */
int pq_options_check_format(const struct pq_options *o, enum pique_format format, const char *name,
                            pique_error *err);

static inline bool pq_given(const struct pq_options *o, enum pq_option_id id)
{
    return o->values[id].set;
}
static inline int64_t pq_whole(const struct pq_options *o, enum pq_option_id id)
{
    return o->values[id].whole;
}
static inline const char *pq_text(const struct pq_options *o, enum pq_option_id id)
{
    return o->values[id].text;
}

/* Into the structures of the library. Everything that has an option is written, callbacks and
 * tokens are left alone. */
void pq_options_to_picture(const struct pq_options *o, pique_picture_options *picture);
void pq_options_to_film(const struct pq_options *o, pique_film_options *film);
/* "mp4", "mkv", "mov", "webm" or "y4m" where --format says one; else NULL. */
const char *pq_options_container(const struct pq_options *o);
void pq_options_to_engine(const struct pq_options *o, pique_engine_options *engine);

/* The generators append to out. The first three speak the language of the thread, pq_lang(). */
void pq_option_help(struct pq_str *out, const char *version);     /* fits 80 x 24 */
void pq_option_help_all(struct pq_str *out, const char *version); /* 80 columns */
void pq_option_man(struct pq_str *out, const char *version);      /* roff, man macros, UTF-8 */
void pq_option_bash(struct pq_str *out);
void pq_option_zsh(struct pq_str *out);
void pq_option_fish(struct pq_str *out);
void pq_option_schema(struct pq_str *out); /* JSON schema of the options of the implicit command */
/* The same options in both languages, with their groups, as the page reads them: one line of JSON,
 * "GET /api/options" in docs/http-api.md. */
void pq_option_list(struct pq_str *out);

/* For the generators: "-o, --output PATH". */
void pq_option_usage(struct pq_str *out, const struct pq_option *option, enum pq_lang lang);
/* Whether it is about the run itself: not --help and what else every command takes. */
bool pq_option_of_run(const struct pq_option *option);
/* Its default with the type that a program expects ("default": 95); `none` says whether an option
 * without one has a member all the same: null, or false for a flag. */
void pq_option_json_default(struct pq_json *j, const struct pq_option *option, bool none);
/* "enum": ["keep", "drop", ...]; [] where there are none. */
void pq_option_json_choices(struct pq_json *j, const char *key, const struct pq_option *option);
/* The next of space-separated words: its length, *word on its first byte; 0 at the end. Start with
 * *word on the first byte and length 0: length = pq_next_word(&word, length). */
size_t pq_next_word(const char **word, size_t length);
