/* SPDX-License-Identifier: MIT */
#include "model/onnx_wire.h"

#include <string.h>

#include "base/lang.h"

enum { LONGEST_VARINT = 10, MAX_NUMBER = (1 << 29) - 1 };

bool pq_wire_varint(struct pq_wire *w, uint64_t *value, const char **why)
{
    uint64_t v = 0;
    const size_t have = (size_t)(w->end - w->at);
    for (size_t i = 0; i < LONGEST_VARINT; i++) {
        if (i == have) {
            *why = pq_tr("ends in the middle of a number; the download may be incomplete");
            return false;
        }
        const unsigned char byte = w->at[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if ((i && !byte) || (i == LONGEST_VARINT - 1 && byte > 1))
            break;
        *value = v;
        w->at += i + 1;
        return true;
    }
    *why = pq_tr("has a number that is longer than it must be");
    return false;
}

static bool fixed(struct pq_wire *w, size_t bytes, uint64_t *value, const char **why)
{
    if ((size_t)(w->end - w->at) < bytes) {
        *why = pq_tr("ends in the middle of a number; the download may be incomplete");
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < bytes; i++)
        *value |= (uint64_t)w->at[i] << (8 * i);
    w->at += bytes;
    return true;
}

static bool bytes(struct pq_wire *w, struct pq_wire *out, const char **why)
{
    uint64_t length;
    if (!pq_wire_varint(w, &length, why))
        return false;
    if (length > (uint64_t)(w->end - w->at)) {
        *why = pq_tr("has a field that ends behind what it is in; the download may be incomplete");
        return false;
    }
    *out = (struct pq_wire){w->at, w->at + length};
    w->at += length;
    return true;
}

int pq_wire_next(struct pq_wire *w, struct pq_wire_field *field, const char **why)
{
    *field = (struct pq_wire_field){0};
    if (w->at == w->end)
        return 0;
    uint64_t tag;
    if (!pq_wire_varint(w, &tag, why))
        return -1;
    if (tag >> 3 < 1 || tag >> 3 > MAX_NUMBER) {
        *why = pq_tr("has a field with a number that none can have");
        return -1;
    }
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum pq_wire_type)(tag & 7);
    switch (tag & 7) {
    case PQ_WIRE_VARINT:
        return pq_wire_varint(w, &field->value, why) ? 1 : -1;
    case PQ_WIRE_64:
        return fixed(w, 8, &field->value, why) ? 1 : -1;
    case PQ_WIRE_BYTES:
        return bytes(w, &field->bytes, why) ? 1 : -1;
    case PQ_WIRE_32:
        return fixed(w, 4, &field->value, why) ? 1 : -1;
    default:
        *why = pq_tr("has a field of a kind that is not in use (a group, perhaps)");
        return -1;
    }
}

bool pq_span_is(struct pq_span span, const char *text)
{
    return strlen(text) == span.size && (!span.size || memcmp(span.text, text, span.size) == 0);
}
