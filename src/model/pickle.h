/* SPDX-License-Identifier: MIT */
/* An inert pickle machine. A pickle is a program that builds Python objects, and in Python it can
 * call anything. Here it builds values and calls nothing: what it wants called stays as a value
 * that says so, and whoever reads the values knows the few calls that mean a dictionary or a
 * tensor.
 *
 * Protocols 2 to 5. Steps, memory and memo are bounded by constants and by the size of the pickle.
 * A pickle that names something which runs programs or code (os.system, builtins.eval) is refused
 * whole, with a sentence that lists all such names, even though nothing would come of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum pq_pickle_kind {
    PQ_PICKLE_NONE,
    PQ_PICKLE_BOOL,
    PQ_PICKLE_INT,  /* fits an int64_t */
    PQ_PICKLE_LONG, /* does not; its bytes are text */
    PQ_PICKLE_FLOAT,
    PQ_PICKLE_STR, /* UTF-8 where the writer was sound; bytes of Python 2 too */
    PQ_PICKLE_BYTES,
    PQ_PICKLE_TUPLE,
    PQ_PICKLE_LIST,   /* and sets */
    PQ_PICKLE_DICT,   /* and OrderedDict and its like; items are key, value, key, value ... */
    PQ_PICKLE_GLOBAL, /* a name: text is "module.name" */
    PQ_PICKLE_OBJECT, /* what calling a function or class would have given: items are the function
                       * or class, its arguments, and perhaps the state set afterwards */
    PQ_PICKLE_PERSISTENT /* a reference out of the pickle: items are what it says */
};

enum { PQ_OBJECT_CLASS, PQ_OBJECT_ARGS, PQ_OBJECT_STATE, PQ_OBJECT_ITEMS };

/* Values may contain each other in circles. */
struct pq_pickle_value {
    enum pq_pickle_kind kind;
    bool touched; /* an OBJECT that items were put in; they are gone */
    bool busy;    /* for whoever walks: "I am in this one now" */
    union {
        int64_t integer; /* BOOL, INT */
        double number;
        struct {
            const char *text; /* not terminated; in the pickle, or in the arena for GLOBAL */
            size_t bytes;
        };
        struct {
            struct pq_pickle_value **items;
            uint32_t count, capacity;
        };
    };
};

/* What a GLOBAL is a part of: a name that the pickle takes, and how often it takes it. */
struct pq_pickle_global {
    struct pq_pickle_value value; /* first, so that the address of one is that of the other */
    uint64_t uses;
    bool dangerous; /* it runs programs or code; then the pickle is refused in the end */
};

struct pq_pickle_block; /* of the arena */

/* Strings lie in the bytes that were read, which must stay. */
struct pq_pickle {
    const struct pq_pickle_value *root;
    size_t bytes;                        /* the pickle itself had; what follows is not looked at */
    struct pq_pickle_global **globals;   /* each once, in order */
    struct pq_pickle_value **persistent; /* every one */
    size_t global_count, global_capacity, persistent_count, persistent_capacity;
    struct pq_pickle_block *blocks;
};

/* Run the pickle at the start of data. path is for messages. On failure *out is empty. */
int pq_pickle_read(const char *path, const unsigned char *data, size_t bytes, struct pq_pickle *out,
                   pique_error *err);
void pq_pickle_free(struct pq_pickle *pickle); /* {0} is fine */

/* Whether a value is there and is this text, or the GLOBAL of this name. */
bool pq_pickle_is(const struct pq_pickle_value *v, const char *text);
/* Whether a GLOBAL is a class that gives a DICT. */
bool pq_pickle_is_dict_class(const struct pq_pickle_value *v);
/* The value of a key in a DICT, or NULL; where a key is there twice, the last. */
struct pq_pickle_value *pq_pickle_get(const struct pq_pickle_value *dict, const char *key);

/* Whether a name is one that runs programs or code. Neither text is terminated. */
bool pq_pickle_dangerous(const char *module, size_t module_bytes, const char *name,
                         size_t name_bytes);
/* PIQUE_EFORMAT with a sentence that lists the dangerous ones among the globals, where there are.
 */
int pq_pickle_check_names(const char *path, const struct pq_pickle *pickle, pique_error *err);
