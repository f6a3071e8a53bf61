/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crc32.h"
#include "model/container.h"

const uint64_t damage_numbers[DAMAGE_NUMBERS] = {0,           1,
                                                 2,           0x7f,
                                                 0x80,        0xffff,
                                                 65536,       65537,
                                                 0x7fffffff,  0x80000000,
                                                 0xffffffffu, UINT64_C(0x7fffffffffffffff),
                                                 UINT64_MAX,  UINT64_C(1) << 63};

/* ---- bytes ---- */

struct bytes bytes_load(const char *path)
{
    static char part[1 << 16];
    struct bytes b = {0};
    FILE *f = fopen(path, "rb");
    size_t n;
    if (!f) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        exit(1);
    }
    bytes_add(&b, "", 0);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        bytes_add(&b, part, n);
    fclose(f);
    return b;
}

struct bytes bytes_copy(const struct bytes *b)
{
    struct bytes copy = {0};
    bytes_add(&copy, b->data ? b->data : (const unsigned char *)"", b->size);
    return copy;
}

void bytes_cut(struct bytes *b, size_t size)
{
    if (size < b->size)
        b->size = size;
}

void bytes_splice(struct bytes *b, size_t at, size_t removed, const void *data, size_t size)
{
    struct bytes fresh = {0};
    removed = removed < b->size - at ? removed : b->size - at;
    bytes_add(&fresh, b->data, at);
    bytes_add(&fresh, size ? data : "", size);
    bytes_add(&fresh, b->data + at + removed, b->size - at - removed);
    bytes_free(b);
    *b = fresh;
}

bool bytes_put(struct bytes *b, size_t at, int width, uint64_t value)
{
    if (at > b->size || b->size - at < (size_t)width)
        return false;
    for (int i = 0; i < width; i++)
        b->data[at + (size_t)i] = (unsigned char)(value >> (8 * i));
    return true;
}

uint64_t bytes_get(const struct bytes *b, size_t at, int width)
{
    uint64_t v = 0;
    for (int i = width - 1; i >= 0; i--)
        v = v << 8 | (at + (size_t)i < b->size ? b->data[at + (size_t)i] : 0);
    return v;
}

static size_t below(struct rng *r, size_t n)
{
    return n ? (size_t)(rng_next(r) % n) : 0;
}

static void move_piece(struct rng *r, struct bytes *b, size_t begin, size_t end, int kind)
{
    unsigned char piece[256];
    size_t size = 1 + below(r, PQ_MIN(sizeof piece, end - begin));
    size_t from = begin + below(r, end - begin - size + 1), to = begin + below(r, end - begin);
    memcpy(piece, b->data + from, size);
    switch (kind) {
    case 0: /* written over another */
        memcpy(b->data + to, piece, PQ_MIN(size, b->size - to));
        break;
    case 1: /* once more */
        bytes_splice(b, to, 0, piece, size);
        break;
    case 2: /* gone */
        bytes_splice(b, from, size, NULL, 0);
        break;
    default: /* exchanged */
        to = PQ_MIN(to, b->size - size);
        memmove(b->data + from, b->data + to, size);
        memcpy(b->data + to, piece, size);
        break;
    }
}

void damage_bytes(struct rng *r, struct bytes *b, size_t begin, size_t end)
{
    end = PQ_MIN(end, b->size);
    if (begin >= end) {
        bytes_add(b, "\xff", 1);
        return;
    }
    size_t at = begin + below(r, end - begin);
    int kind = rng_below(r, 10);
    switch (kind) {
    case 0:
    case 1:
        for (int n = 1 + rng_below(r, 4); n > 0; n--)
            b->data[begin + below(r, end - begin)] ^= (unsigned char)(1u << rng_below(r, 8));
        break;
    case 2:
    case 3:
    case 4: {
        int width = 1 << rng_below(r, 4);
        uint64_t value = damage_numbers[rng_below(r, DAMAGE_NUMBERS)];
        if (rng_below(r, 3) == 0) /* off by one, or twice as much */
            value = bytes_get(b, at, width) + (rng_below(r, 2) ? 1 : UINT64_MAX);
        while (width > 1 && at + (size_t)width > b->size)
            width /= 2;
        bytes_put(b, at, width, value);
        break;
    }
    case 5:
        if (rng_below(r, 4) == 0)
            bytes_cut(b, at);
        else
            bytes_cut(b, b->size - 1 - below(r, PQ_MIN(b->size, (size_t)64)));
        break;
    default:
        move_piece(r, b, begin, end, kind - 6);
        break;
    }
}

bool damage_digits(struct bytes *b, size_t begin, size_t end, long which, uint64_t value,
                   bool negative)
{
    char text[32];
    end = PQ_MIN(end, b->size);
    for (size_t i = begin; i < end; i++) {
        size_t n = 0;
        while (i + n < end && b->data[i + n] >= '0' && b->data[i + n] <= '9')
            n++;
        if (n && which-- == 0) {
            int size = snprintf(text, sizeof text, "%s%" PRIu64, negative ? "-" : "", value);
            bytes_splice(b, i, n, text, (size_t)size);
            return true;
        }
        i += n;
    }
    return false;
}

/* ---- state dicts ---- */

static const struct {
    const char *name, *storage;
    enum pq_dtype dtype;
    size_t size;
} dtypes[] = {{"F32", "FloatStorage", PQ_F32, 4},      {"F16", "HalfStorage", PQ_F16, 2},
              {"BF16", "BFloat16Storage", PQ_BF16, 2}, {"F64", "DoubleStorage", PQ_F64, 8},
              {"I64", "LongStorage", PQ_I64, 8},       {"I32", "IntStorage", PQ_I32, 4}};

static size_t dtype_index(const char *name)
{
    for (size_t i = 0; i < PQ_COUNT(dtypes); i++) {
        if (strcmp(dtypes[i].name, name) == 0)
            return i;
    }
    return 0;
}

struct dict dict_load(const char *path)
{
    struct pq_container c;
    pique_error err = {0};
    if (pq_container_open(path, &c, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    struct dict d = {calloc(c.sd.count, sizeof *d.items), c.sd.count};
    if (!d.items)
        abort();
    for (size_t i = 0; i < d.count; i++) {
        const struct pq_named_tensor *t = &c.sd.tensors[i];
        struct entry *e = &d.items[i];
        size_t count = 0;
        snprintf(e->name, sizeof e->name, "%s", t->name);
        for (size_t k = 0; k < PQ_COUNT(dtypes); k++) {
            if (dtypes[k].dtype == t->tensor.dtype)
                strcpy(e->dtype, dtypes[k].name);
        }
        e->dims = t->tensor.dims;
        memcpy(e->shape, t->tensor.shape, (size_t)e->dims * sizeof *e->shape);
        pq_tensor_count(&t->tensor, &count);
        bytes_add(&e->data, count ? t->tensor.data : "", count * pq_dtype_size(t->tensor.dtype));
    }
    pq_container_close(&c);
    return d;
}

struct dict dict_copy(const struct dict *d)
{
    struct dict copy = {malloc((d->count + 1) * sizeof *copy.items), d->count};
    if (!copy.items)
        abort();
    for (size_t i = 0; i < d->count; i++) {
        copy.items[i] = d->items[i];
        copy.items[i].data = bytes_copy(&d->items[i].data);
    }
    return copy;
}

void dict_free(struct dict *d)
{
    for (size_t i = 0; i < d->count; i++)
        bytes_free(&d->items[i].data);
    free(d->items);
    *d = (struct dict){0};
}

/* As many bytes as shape and type ask for, the old ones again and again; more than a few megabytes
 * are left to a lie. */
static void fit(struct entry *e)
{
    enum { MOST = 2 << 20 };
    uint64_t bytes = dtypes[dtype_index(e->dtype)].size;
    for (int i = 0; i < e->dims; i++) {
        if (e->shape[i] < 0 || __builtin_mul_overflow(bytes, (uint64_t)e->shape[i], &bytes))
            return;
    }
    if (bytes > MOST)
        return;
    while (e->data.size < bytes) {
        size_t more = PQ_MIN(e->data.size ? e->data.size : 1, (size_t)bytes - e->data.size);
        struct bytes old = bytes_copy(&e->data);
        bytes_add(&e->data, old.size ? old.data : (unsigned char *)"", more);
        bytes_free(&old);
    }
    bytes_cut(&e->data, (size_t)bytes);
}

static void append(struct dict *d, const struct entry *e, const char *name)
{
    struct entry *items = realloc(d->items, (d->count + 1) * sizeof *items);
    if (!items)
        abort();
    d->items = items;
    d->items[d->count] = *e;
    snprintf(d->items[d->count].name, sizeof e->name, "%s", name);
    d->items[d->count++].data = bytes_copy(&e->data);
}

static void take_out(struct dict *d, size_t i)
{
    bytes_free(&d->items[i].data);
    memmove(&d->items[i], &d->items[i + 1], (d->count - i - 1) * sizeof *d->items);
    d->count--;
}

/* Another number in place of one in a name. */
static void renumber(struct rng *r, const char *name, char *out, size_t size)
{
    static const char *const numbers[] = {
        "0",  "1",  "2",    "3",          "9",          "10",
        "63", "00", "4095", "2147483647", "4294967296", "18446744073709551616"};
    const char *first = strpbrk(name, "0123456789");
    if (first && rng_below(r, 2)) {
        const char *later = strpbrk(first + strspn(first, "0123456789"), "0123456789");
        first = later ? later : first;
    }
    if (!first)
        snprintf(out, size, "%s.0", name);
    else
        snprintf(out, size, "%.*s%s%s", (int)(first - name), name,
                 numbers[rng_below(r, (int)PQ_COUNT(numbers))],
                 first + strspn(first, "0123456789"));
}

/* All layers with a number once more, under the next: a deeper network. */
static void deepen(struct rng *r, struct dict *d)
{
    const struct entry *e = &d->items[below(r, d->count)];
    char prefix[320], name[340];
    const char *digits = strpbrk(e->name, "0123456789");
    if (!digits)
        return;
    size_t before = (size_t)(digits - e->name), count = d->count;
    size_t length = before + strspn(digits, "0123456789");
    memcpy(prefix, e->name, length);
    prefix[length] = '\0';
    int number = atoi(digits), copies = 1 + rng_below(r, 40);
    for (int k = 1; k <= copies; k++) {
        for (size_t i = 0; i < count; i++) {
            if (strncmp(d->items[i].name, prefix, length) != 0 ||
                (d->items[i].name[length] != '.' && d->items[i].name[length] != '_'))
                continue;
            snprintf(name, sizeof name, "%.*s%d%s", (int)before, prefix, number + k,
                     d->items[i].name + length);
            struct entry copy = d->items[i];
            append(d, &copy, name);
        }
    }
}

static int64_t other_extent(struct rng *r, int64_t old)
{
    static const int64_t some[] = {0,    1,     2,     3,     4,  5,         7,        8,
                                   16,   31,    32,    33,    64, 255,       1024,     4096,
                                   4097, 65535, 65536, 65537, -1, INT32_MAX, INT64_MAX};
    switch (rng_below(r, 6)) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    case 2:
        return old * 2;
    case 3:
        return old / 2;
    default:
        return some[rng_below(r, (int)PQ_COUNT(some))];
    }
}

/* Every extent of one value becomes another: a network of another width. */
static void widen(struct rng *r, struct dict *d)
{
    const struct entry *e = &d->items[below(r, d->count)];
    if (e->dims == 0)
        return;
    int64_t old = e->shape[rng_below(r, e->dims)], fresh = other_extent(r, old);
    bool multiples = rng_below(r, 2);
    for (size_t i = 0; i < d->count; i++) {
        struct entry *x = &d->items[i];
        for (int k = 0; k < x->dims; k++) {
            if (x->shape[k] == old)
                x->shape[k] = fresh;
            else if (multiples && old > 1 && x->shape[k] > old && x->shape[k] % old == 0 &&
                     fresh >= 0 && fresh < 65536)
                x->shape[k] = x->shape[k] / old * fresh;
        }
        fit(x);
    }
}

static void spoil_values(struct rng *r, struct entry *e)
{
    static const uint32_t floats[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff,
                                      0,          0x80000000, 1,          0xffffffff};
    uint32_t f = floats[rng_below(r, (int)PQ_COUNT(floats))];
    bool all = rng_below(r, 2);
    for (size_t i = 0; i + 4 <= e->data.size; i += 4) {
        if (all || rng_below(r, 16) == 0)
            memcpy(e->data.data + i, &f, sizeof f);
    }
}

static void reshape(struct rng *r, struct entry *e)
{
    if (e->dims < 9 && rng_below(r, 2)) { /* one more dimension; a ninth is too many */
        int at = rng_below(r, e->dims + 1);
        memmove(e->shape + at + 1, e->shape + at, (size_t)(e->dims - at) * sizeof *e->shape);
        e->shape[at] = rng_below(r, 4) ? 1 : other_extent(r, 1);
        e->dims++;
    } else if (e->dims > 1) {
        e->shape[e->dims - 2] *= e->shape[e->dims - 1];
        e->dims--;
    }
    fit(e);
}

void dict_damage(struct rng *r, struct dict *d)
{
    for (int n = 1 + rng_below(r, 3); n > 0 && d->count; n--) {
        struct entry *a = &d->items[below(r, d->count)], *b = &d->items[below(r, d->count)];
        char name[320];
        switch (rng_below(r, 14)) {
        case 0:
        case 1:
        case 2:
            if (a->dims)
                a->shape[rng_below(r, a->dims)] = other_extent(r, a->shape[rng_below(r, a->dims)]);
            fit(a);
            break;
        case 3:
            if (a->dims > 1) {
                int x = rng_below(r, a->dims), y = rng_below(r, a->dims);
                int64_t t = a->shape[x];
                a->shape[x] = a->shape[y];
                a->shape[y] = t;
            }
            break;
        case 4:
            memcpy(name, a->name, sizeof name);
            memcpy(a->name, b->name, sizeof name);
            memcpy(b->name, name, sizeof name);
            break;
        case 5:
            memcpy(a->shape, b->shape, sizeof a->shape);
            a->dims = b->dims;
            fit(a);
            break;
        case 6:
            take_out(d, (size_t)(a - d->items));
            break;
        case 7: {
            struct entry copy = *a;
            renumber(r, a->name, name, sizeof name);
            append(d, &copy, name);
            break;
        }
        case 8:
            renumber(r, a->name, name, sizeof name);
            memcpy(a->name, name, sizeof name);
            break;
        case 9:
            widen(r, d);
            break;
        case 10:
            reshape(r, a);
            break;
        case 11:
            strcpy(a->dtype, dtypes[rng_below(r, (int)PQ_COUNT(dtypes))].name);
            fit(a);
            break;
        case 12:
            spoil_values(r, a);
            break;
        default:
            deepen(r, d);
            break;
        }
    }
}

static void json_text(struct bytes *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 32 || *c == '"' || *c == '\\')
            bytes_text(out, "\\u%04x", (unsigned char)*c);
        else
            bytes_add(out, c, 1);
    }
}

void dict_safetensors(const struct dict *d, struct bytes *out)
{
    struct bytes json = {0}, data = {0};
    bytes_text(&json, "{");
    for (size_t i = 0; i < d->count; i++) {
        const struct entry *e = &d->items[i];
        bytes_text(&json, "%s\"", i ? "," : "");
        json_text(&json, e->name);
        bytes_text(&json, "\":{\"dtype\":\"%s\",\"shape\":[", e->dtype);
        for (int k = 0; k < e->dims; k++)
            bytes_text(&json, "%s%" PRId64, k ? "," : "", e->shape[k]);
        bytes_text(&json, "],\"data_offsets\":[%zu,%zu]}", data.size, data.size + e->data.size);
        bytes_add(&data, e->data.size ? e->data.data : (unsigned char *)"", e->data.size);
    }
    bytes_text(&json, "}");
    wrap_safetensors((const char *)json.data, data.data, data.size, out);
    bytes_free(&json);
    bytes_free(&data);
}

void dict_pth(const struct dict *d, struct bytes *out)
{
    struct zip_maker z = {0};
    struct bytes p = {0};
    char key[40];
    pickle_begin(&p);
    for (size_t i = 0; i < d->count; i++) {
        const struct entry *e = &d->items[i];
        size_t type = dtype_index(e->dtype);
        struct view v = {.storage = dtypes[type].storage,
                         .key = key,
                         .count = e->data.size / dtypes[type].size,
                         .dims = e->dims};
        snprintf(key, sizeof key, "%zu", i);
        memcpy(v.shape, e->shape, sizeof v.shape);
        int64_t step = 1;
        for (int k = e->dims - 1; k >= 0; k--) {
            v.strides[k] = step;
            if (__builtin_mul_overflow(step, e->shape[k], &step))
                step = INT64_MAX;
        }
        pickle_text(&p, e->name, strlen(e->name));
        pickle_tensor(&p, &v);
    }
    pickle_end(&p);
    zip_add(&z, "a/data.pkl", 10, p.data, p.size);
    for (size_t i = 0; i < d->count; i++) {
        int n = snprintf(key, sizeof key, "a/data/%zu", i);
        zip_add(&z, key, (size_t)n, d->items[i].data.data, d->items[i].data.size);
    }
    zip_end(&z);
    bytes_free(&p);
    *out = z.file;
}

/* ---- pickles ---- */

void pickle_begin(struct bytes *p)
{
    bytes_add(p, "\x80\2}(", 4);
}

void pickle_text(struct bytes *p, const char *text, size_t size)
{
    unsigned char head[5] = {'X'};
    for (int i = 0; i < 4; i++)
        head[i + 1] = (unsigned char)(size >> (8 * i));
    bytes_add(p, head, sizeof head);
    bytes_add(p, text, size);
}

void pickle_int(struct bytes *p, uint64_t value, bool negative)
{
    bool longer = !negative && value > INT64_MAX;
    unsigned char text[11] = {0x8a, longer ? 9 : 8};
    for (int i = 0; i < 8; i++)
        text[i + 2] = (unsigned char)(value >> (8 * i));
    bytes_add(p, text, longer ? 11 : 10);
}

void pickle_global(struct bytes *p, const char *module, const char *name)
{
    bytes_text(p, "c%s\n%s\n", module, name);
}

void pickle_tensor(struct bytes *p, const struct view *v)
{
    pickle_global(p, "torch._utils", "_rebuild_tensor_v2");
    bytes_text(p, "((");
    pickle_text(p, "storage", 7);
    pickle_global(p, "torch", v->storage);
    pickle_text(p, v->key, strlen(v->key));
    pickle_text(p, "cpu", 3);
    pickle_int(p, v->count, false);
    bytes_text(p, "tQ");
    pickle_int(p, v->offset, false);
    bytes_text(p, "(");
    for (int i = 0; i < v->dims; i++)
        pickle_int(p, (uint64_t)v->shape[i], v->shape[i] < 0);
    bytes_text(p, "t(");
    for (int i = 0; i < v->dims; i++)
        pickle_int(p, (uint64_t)v->strides[i], v->strides[i] < 0);
    bytes_text(p, "t\x89");
    pickle_global(p, "collections", "OrderedDict");
    bytes_text(p, ")RtR");
}

void pickle_end(struct bytes *p)
{
    bytes_text(p, "u.");
}

/* ---- zip ---- */

static void put(struct bytes *b, int width, uint64_t value)
{
    unsigned char text[8];
    for (int i = 0; i < width; i++)
        text[i] = (unsigned char)(value >> (8 * i));
    bytes_add(b, text, (size_t)width);
}

/* What both headers have from the flags on: sizes, sum and the length of the name. */
static void put_facts(struct bytes *b, uint32_t crc, size_t size, size_t name_size)
{
    put(b, 2, 0); /* flags */
    put(b, 2, 0); /* stored */
    put(b, 4, 0); /* time */
    put(b, 4, crc);
    put(b, 4, size);
    put(b, 4, size);
    put(b, 2, name_size);
    put(b, 2, 0); /* extra */
}

void zip_add(struct zip_maker *z, const char *name, size_t name_size, const void *data, size_t size)
{
    uint32_t crc = pq_crc32(size ? data : "", size);
    struct zip_place place = {.local = z->file.size, .size = size, .central = z->central.size};
    bytes_add(&z->file, "PK\3\4", 4);
    put(&z->file, 2, 20);
    put_facts(&z->file, crc, size, name_size);
    place.name = z->file.size;
    bytes_add(&z->file, name, name_size);
    place.data = z->file.size;
    bytes_add(&z->file, size ? data : "", size);
    bytes_add(&z->central, "PK\1\2", 4);
    put(&z->central, 2, 20);
    put(&z->central, 2, 20);
    put_facts(&z->central, crc, size, name_size);
    put(&z->central, 2, 0); /* comment */
    put(&z->central, 2, 0); /* disk */
    put(&z->central, 2, 0);
    put(&z->central, 4, 0);
    put(&z->central, 4, place.local);
    bytes_add(&z->central, name, name_size);
    if (z->count < (int)PQ_COUNT(z->places))
        z->places[z->count] = place;
    z->count++;
}

void zip_end(struct zip_maker *z)
{
    size_t at = z->file.size, size = z->central.size;
    bytes_add(&z->file, size ? z->central.data : (unsigned char *)"", size);
    bytes_add(&z->file, "PK\5\6", 4);
    put(&z->file, 4, 0);
    put(&z->file, 2, (uint64_t)z->count);
    put(&z->file, 2, (uint64_t)z->count);
    put(&z->file, 4, size);
    put(&z->file, 4, at);
    put(&z->file, 2, 0);
    for (int i = 0; i < z->count && i < (int)PQ_COUNT(z->places); i++)
        z->places[i].central += at;
    bytes_free(&z->central);
}

/* Walk the directory of a sound archive; call it with the entry that ends beyond `at`, or the first
 * one whose name ends so. */
static bool find_entry(const struct bytes *f, size_t at, const char *suffix, size_t *central,
                       size_t *data, size_t *size)
{
    if (f->size < 22)
        return false;
    size_t end = f->size - 22, c = (size_t)bytes_get(f, end + 16, 4);
    for (uint64_t n = bytes_get(f, end + 10, 2); n > 0 && c + 46 < f->size; n--) {
        size_t local = (size_t)bytes_get(f, c + 42, 4), length = (size_t)bytes_get(f, c + 28, 2);
        *size = (size_t)bytes_get(f, c + 20, 4);
        *data =
            local + 30 + (size_t)bytes_get(f, local + 26, 2) + (size_t)bytes_get(f, local + 28, 2);
        *central = c;
        size_t k = suffix ? strlen(suffix) : 0;
        bool wanted = suffix ? length > k && memcmp(f->data + c + 46 + length - k, suffix, k) == 0
                             : at >= *data && at - *data < *size;
        if (wanted && *data <= f->size && f->size - *data >= *size)
            return true;
        c += 46 + length + (size_t)bytes_get(f, c + 30, 2) + (size_t)bytes_get(f, c + 32, 2);
    }
    return false;
}

bool zip_mend(struct bytes *f, size_t at)
{
    size_t central, data, size;
    if (!find_entry(f, at, NULL, &central, &data, &size))
        return false;
    uint32_t crc = pq_crc32(f->data + data, size);
    size_t local = (size_t)bytes_get(f, central + 42, 4);
    bytes_put(f, central + 16, 4, crc);
    if (bytes_get(f, local + 14, 4))
        bytes_put(f, local + 14, 4, crc);
    if (bytes_get(f, central + 8, 2) & 8) /* its sum stands behind it */
        bytes_put(f, data + size + 4, 4, crc);
    return true;
}

bool zip_find_pickle(const struct bytes *file, size_t *at, size_t *size)
{
    size_t central;
    return find_entry(file, 0, "/data.pkl", &central, at, size);
}
