/* SPDX-License-Identifier: MIT */
/* Reads Protocol Buffers' wire format where it lies, without a schema and without copying.
 *
 *     message = field*      field = varint tag (number << 3 | type), then
 *     type 0: varint        1: 8 bytes        2: varint length, bytes        5: 4 bytes
 *
 * A field of type 2 is a message, text or packed numbers; its reader opens it as a pq_wire of its
 * own. Nothing here recurses. Refused: groups (types 3 and 4, long out of use), types 6 and 7,
 * number 0, what ends behind its message, and a varint that is longer than it must be, so that one
 * message has one spelling. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pq_wire_type { PQ_WIRE_VARINT = 0, PQ_WIRE_64 = 1, PQ_WIRE_BYTES = 2, PQ_WIRE_32 = 5 };

/* What is left of a message. */
struct pq_wire {
    const unsigned char *at, *end;
};

/* Bytes of a file, not ended by a zero: a name. */
struct pq_span {
    const char *text;
    size_t size;
};

struct pq_wire_field {
    uint32_t number;
    enum pq_wire_type type;
    uint64_t value;       /* of types 0, 1 and 5, as bits */
    struct pq_wire bytes; /* of type 2 */
};

/* The next field: 1; 0 at the end of the message; -1 where it is damaged, and then *why is the rest
 * of a sentence. */
int pq_wire_next(struct pq_wire *w, struct pq_wire_field *field, const char **why);

/* A varint: false where it is damaged; w is then where it was. */
bool pq_wire_varint(struct pq_wire *w, uint64_t *value, const char **why);

static inline struct pq_span pq_wire_span(struct pq_wire bytes)
{
    return (struct pq_span){(const char *)bytes.at, (size_t)(bytes.end - bytes.at)};
}

bool pq_span_is(struct pq_span span, const char *text);
