/* SPDX-License-Identifier: MIT */
/* damaged_test NETS PTH ONNX: more than twenty thousand damaged model files, all containers, each
 * opened as trial.h says. NETS are the small networks of tests/golden, so that lies about shapes
 * reach the code of every architecture; PTH and ONNX are what make_pth.py and make_onnx.py wrote.
 *
 * The list is the same everywhere. Builds with a sanitizer take every eighth case, all with
 * PIQUE_TEST_FULL=1. A case that fails is printed with its number: `damaged_test NETS PTH ONNX N
 * FILE` writes its file. */
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../sanitized.h"
#include "base/alloc.h"
#include "damage.h"
#include "trial.h"

static const uint64_t seed = UINT64_C(0x70697175650001);

/* ---- seeds ---- */

enum { MOST = 256, MADE = 10 };

struct files {
    struct bytes items[MOST];
    char *names[MOST];
    int count;
};

static struct files sound_st, sound_zip, sound_legacy, sound_ncnn, sound_bin, sound_onnx,
    sound_json;
static struct dict dicts[MOST];
static char *dict_names[MOST];
static int dict_count;

static void add(struct files *f, struct bytes b, const char *name)
{
    if (f->count == MOST)
        abort();
    f->names[f->count] = strdup(name);
    f->items[f->count++] = b;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void load(const char *folder, const char *pattern, void (*take)(const char *path))
{
    char text[4096];
    glob_t found;
    snprintf(text, sizeof text, "%s/%s", folder, pattern);
    if (glob(text, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            take(found.gl_pathv[i]);
        globfree(&found);
    }
}

static void take_net(const char *path)
{
    if (dict_count == MOST)
        abort();
    dict_names[dict_count] = strdup(last_part(path));
    dicts[dict_count++] = dict_load(path);
}

static void take_pth(const char *path)
{
    struct bytes b = bytes_load(path);
    add(b.size > 2 && memcmp(b.data, "PK", 2) == 0 ? &sound_zip : &sound_legacy, b,
        last_part(path));
}

static void take_onnx(const char *path)
{
    add(&sound_onnx, bytes_load(path), last_part(path));
}

static struct bytes waifu2x(void);

static void make_seeds(const char *nets, const char *pth, const char *onnx)
{
    for (int i = 0; i < MADE; i++) {
        const struct maker m = maker_of_series(i, MADE);
        struct bytes st = {0}, param = {0}, bin = {0};
        make_safetensors(&m, &st);
        make_ncnn(&m, &param, &bin);
        char name[32];
        snprintf(name, sizeof name, "made-%d", i);
        add(&sound_st, st, name);
        add(&sound_ncnn, param, name);
        add(&sound_bin, bin, name);
    }
    add(&sound_json, waifu2x(), "vgg_7");
    load(nets, "*.safetensors", take_net);
    load(nets, "*.pth", take_net);
    load(pth, "*.pth", take_pth);
    load(onnx, "*.onnx", take_onnx);
    for (int i = 0; i < dict_count; i += 9) { /* and some as an archive of our own */
        struct bytes b = {0};
        dict_pth(&dicts[i], &b);
        add(&sound_zip, b, dict_names[i]);
    }
}

/* ---- families ---- */

/* A way to damage, and how often it is done. The r that make() gets follows from family and i. */
struct family {
    const char *name;
    long count;
    void (*make)(struct rng *r, long i, struct hostile *out);
    const struct files *needs; /* nothing is done where these are missing */
};

static const struct bytes *pick(struct rng *r, const struct files *f)
{
    return &f->items[rng_below(r, f->count)];
}

static size_t header_end(const struct bytes *st)
{
    return (size_t)bytes_get(st, 0, 8) + 8;
}

static void st_cut(struct rng *r, long i, struct hostile *out)
{
    (void)r;
    out->first = bytes_copy(&sound_st.items[i % sound_st.count]);
    bytes_cut(&out->first, (size_t)(i / sound_st.count * 3));
}

static void st_bytes(struct rng *r, long i, struct hostile *out)
{
    (void)i;
    out->first = bytes_copy(pick(r, &sound_st));
    for (int n = 1 + rng_below(r, 3); n > 0; n--)
        damage_bytes(r, &out->first, 0,
                     rng_below(r, 4) ? header_end(&out->first) : out->first.size);
}

/* A number of the header after another, each in every way; the length of the header is made right
 * again. */
static void st_numbers(struct rng *r, long i, struct hostile *out)
{
    (void)r;
    long way = i % (2 * DAMAGE_NUMBERS);
    const struct bytes *sound = &sound_st.items[i / (2 * DAMAGE_NUMBERS) % sound_st.count];
    long which = i / (2 * DAMAGE_NUMBERS) / sound_st.count * 2;
    out->first = bytes_copy(sound);
    size_t end = header_end(sound);
    if (!damage_digits(&out->first, 8, end, which, damage_numbers[way / 2], way % 2))
        bytes_put(&out->first, 0, 8, damage_numbers[way / 2] - (uint64_t)(way % 2));
    else
        bytes_put(&out->first, 0, 8, end - 8 + (out->first.size - sound->size));
}

static void st_words(struct rng *r, long i, struct hostile *out)
{
    static const char *const words[] = {
        "[",       "]",       "{",       "}",           ",",         ":",
        "\"\"",    "null",    "true",    "1e99",        "-0",        "\"__metadata__\":{}",
        "[[[[[[",  "\\u0000", "\\ud800", "\"F8_E4M3\"", "\"shape\"", "\"data_offsets\":[0,0]",
        "\x1b[2J", "\xff",    "1.5",     "\"../../x\"", " ",         "\"dtype\":\"F32\""};
    (void)i;
    const struct bytes *sound = pick(r, &sound_st);
    size_t end = header_end(sound);
    out->first = bytes_copy(sound);
    for (int n = 1 + rng_below(r, 3); n > 0; n--) {
        const char *word = words[rng_below(r, (int)PQ_COUNT(words))];
        size_t at = 8 + (size_t)rng_below(r, (int)end - 8);
        bytes_splice(&out->first, at, (size_t)rng_below(r, 8), word, strlen(word));
    }
    bytes_put(&out->first, 0, 8, end - 8 + (out->first.size - sound->size));
}

/* Each field of each header of an archive, in every way: local, central, the three end records. */
static void zip_fields(struct rng *r, long i, struct hostile *out)
{
    static const struct {
        const char *magic;
        int at, width;
    } fields[] = {
        {"\3\4", 4, 2},  {"\3\4", 6, 2},  {"\3\4", 8, 2},  {"\3\4", 14, 4}, {"\3\4", 18, 4},
        {"\3\4", 22, 4}, {"\3\4", 26, 2}, {"\3\4", 28, 2}, {"\3\4", 30, 4}, {"\1\2", 8, 2},
        {"\1\2", 10, 2}, {"\1\2", 16, 4}, {"\1\2", 20, 4}, {"\1\2", 24, 4}, {"\1\2", 28, 2},
        {"\1\2", 30, 2}, {"\1\2", 32, 2}, {"\1\2", 34, 2}, {"\1\2", 42, 4}, {"\1\2", 46, 4},
        {"\5\6", 4, 2},  {"\5\6", 6, 2},  {"\5\6", 8, 2},  {"\5\6", 10, 2}, {"\5\6", 12, 4},
        {"\5\6", 16, 4}, {"\5\6", 20, 2}, {"\6\6", 4, 8},  {"\6\6", 16, 4}, {"\6\6", 24, 8},
        {"\6\6", 32, 8}, {"\6\6", 40, 8}, {"\6\6", 48, 8}, {"\6\7", 4, 4},  {"\6\7", 8, 8},
        {"\6\7", 16, 4}, {"\7\10", 4, 4}, {"\7\10", 8, 4}, {"\7\10", 12, 4}};
    enum { WAYS = DAMAGE_NUMBERS + 2 };
    long field = i / WAYS % (long)PQ_COUNT(fields), way = i % WAYS;
    out->first = bytes_copy(pick(r, &sound_zip));
    /* The n-th header of this kind, for a random n. */
    size_t found[64], count = 0;
    for (size_t k = 0; k + 4 < out->first.size && count < PQ_COUNT(found); k++) {
        const unsigned char *p = out->first.data + k;
        if (p[0] == 'P' && p[1] == 'K' && p[2] == (unsigned char)fields[field].magic[0] &&
            p[3] == (unsigned char)fields[field].magic[1])
            found[count++] = k;
    }
    if (!count)
        return;
    size_t at = found[rng_below(r, (int)count)] + (size_t)fields[field].at;
    uint64_t old = bytes_get(&out->first, at, fields[field].width);
    bytes_put(&out->first, at, fields[field].width,
              way < DAMAGE_NUMBERS    ? damage_numbers[way]
              : way == DAMAGE_NUMBERS ? old + 1
                                      : old - 1);
}

static void zip_bytes(struct rng *r, long i, struct hostile *out)
{
    (void)i;
    out->first = bytes_copy(pick(r, &sound_zip));
    size_t size = out->first.size, tail = PQ_MIN(size, (size_t)700);
    bool whole = rng_below(r, 2);
    damage_bytes(r, &out->first, whole ? 0 : size - tail, size);
}

/* The pickle is another, and its sum is right. */
static void zip_pickle(struct rng *r, long i, struct hostile *out)
{
    static const struct {
        const char *bytes;
        size_t size;
    } ops[] = {{"2", 1},
               {"(", 1},
               {"1", 1},
               {"t", 1},
               {"l", 1},
               {"]", 1},
               {"}", 1},
               {"a", 1},
               {"e", 1},
               {"s", 1},
               {"u", 1},
               {"R", 1},
               {"b", 1},
               {"\x81", 1},
               {"\x85", 1},
               {"\x86", 1},
               {"\x87", 1},
               {"h\0", 2},
               {"q\1", 2},
               {"\x94", 1},
               {"Q", 1},
               {"0", 1},
               {"N", 1},
               {")", 1},
               {".", 1},
               {"j\0\0\0\1", 5},
               {"r\xff\xff\xff\xff", 5},
               {"\x8a\xff", 2},
               {"X\xff\xff\xff\x7f", 5},
               {"\x8b\xff\xff\xff\xff", 5},
               {"\x8e\xff\xff\xff\xff\xff\xff\xff\xff", 9},
               {"\x95\xff\xff\xff\xff\xff\xff\xff\xff", 9},
               {"cos\nsystem\n", 11}};
    (void)i;
    out->first = bytes_copy(pick(r, &sound_zip));
    size_t at, size;
    if (!zip_find_pickle(&out->first, &at, &size) || size < 16)
        return;
    for (int n = 1 + rng_below(r, 3); n > 0; n--) {
        size_t here = at + (size_t)rng_below(r, (int)size - 12);
        if (rng_below(r, 2)) {
            int op = rng_below(r, (int)PQ_COUNT(ops));
            memcpy(out->first.data + here, ops[op].bytes, ops[op].size);
        } else {
            struct bytes part = {0};
            bytes_add(&part, out->first.data + at, size);
            damage_bytes(r, &part, 0, size);
            memcpy(out->first.data + at, part.data, PQ_MIN(part.size, size));
            bytes_free(&part);
        }
    }
    zip_mend(&out->first, at);
}

static void legacy_bytes(struct rng *r, long i, struct hostile *out)
{
    (void)i;
    out->first = bytes_copy(pick(r, &sound_legacy));
    for (int n = 1 + rng_below(r, 3); n > 0; n--)
        damage_bytes(r, &out->first, rng_below(r, 8) ? 0x60 : 0, out->first.size);
}

static void legacy_cut(struct rng *r, long i, struct hostile *out)
{
    (void)r;
    out->first = bytes_copy(&sound_legacy.items[i % sound_legacy.count]);
    bytes_cut(&out->first, (size_t)(i / sound_legacy.count * 5));
}

static void ncnn_pair(struct rng *r, struct hostile *out)
{
    int k = rng_below(r, sound_ncnn.count);
    out->is_ncnn = true;
    out->named_bin = rng_below(r, 8) == 0;
    out->first = bytes_copy(&sound_ncnn.items[k]);
    out->second = bytes_copy(&sound_bin.items[k]);
}

static void ncnn_numbers(struct rng *r, long i, struct hostile *out)
{
    ncnn_pair(r, out);
    int way = rng_below(r, 2 * DAMAGE_NUMBERS);
    damage_digits(&out->first, 0, out->first.size, i % 400, damage_numbers[way / 2], way % 2);
}

static void ncnn_text(struct rng *r, long i, struct hostile *out)
{
    static const char *const words[] = {"Convolution",
                                        "Deconvolution",
                                        "PReLU",
                                        "ReLU",
                                        "Interp",
                                        "Split",
                                        "Concat",
                                        "Eltwise",
                                        "BinaryOp",
                                        "PixelShuffle",
                                        "Crop",
                                        "Input",
                                        "\n",
                                        " ",
                                        "-23310=3,1,2,3",
                                        "-23301=999999999,1",
                                        "0=",
                                        "=1",
                                        "6=-1",
                                        "11=31",
                                        "1e38",
                                        "nan",
                                        "\x1b[2J",
                                        "data",
                                        "MemoryData"};
    (void)i;
    ncnn_pair(r, out);
    for (int n = 1 + rng_below(r, 3); n > 0; n--) {
        size_t at = (size_t)rng_below(r, (int)out->first.size);
        const char *word = words[rng_below(r, (int)PQ_COUNT(words))];
        if (rng_below(r, 2))
            damage_bytes(r, &out->first, 8, out->first.size);
        else
            bytes_splice(&out->first, at, (size_t)rng_below(r, 12), word, strlen(word));
    }
}

static void ncnn_weights(struct rng *r, long i, struct hostile *out)
{
    (void)i;
    ncnn_pair(r, out);
    damage_bytes(r, &out->second, 0, rng_below(r, 2) ? 16 : out->second.size);
}

/* A sound file of a network that is another one. */
static void network(struct rng *r, long i, struct hostile *out)
{
    struct dict d = dict_copy(&dicts[i % dict_count]);
    dict_damage(r, &d);
    if (d.count && rng_below(r, 6) == 0)
        dict_pth(&d, &out->first);
    else
        dict_safetensors(&d, &out->first);
    dict_free(&d);
}

static void onnx_bytes(struct rng *r, long i, struct hostile *out)
{
    (void)i;
    out->first = bytes_copy(pick(r, &sound_onnx));
    for (int n = 1 + rng_below(r, 3); n > 0; n--)
        damage_bytes(r, &out->first, 0, out->first.size);
}

/* A varint in place of whatever stands there, so that a length or a number is another. */
static void onnx_varints(struct rng *r, long i, struct hostile *out)
{
    (void)i;
    out->first = bytes_copy(pick(r, &sound_onnx));
    for (int n = 1 + rng_below(r, 2); n > 0; n--) {
        unsigned char text[12];
        size_t size = 0, at = (size_t)rng_below(r, (int)out->first.size);
        uint64_t v = damage_numbers[rng_below(r, DAMAGE_NUMBERS)];
        do {
            text[size++] = (unsigned char)((v & 127) | (v > 127 ? 128 : 0));
            v >>= 7;
        } while (v);
        bytes_splice(&out->first, at, rng_below(r, 2) ? size : 1, text, size);
    }
}

/* A vgg_7 of widths 1 and 2, as waifu2x wrote them. */
static struct bytes waifu2x(void)
{
    struct bytes b = {0};
    static const int planes[] = {3, 2, 1, 2, 1, 2, 1, 3};
    for (int l = 0; l < 7; l++) {
        int in = planes[l], out = planes[l + 1];
        bytes_text(&b,
                   "%s{\"class_name\":\"nn.SpatialConvolutionMM\",\"nInputPlane\":%d,"
                   "\"nOutputPlane\":%d,\"kW\":3,\"kH\":3,\"dW\":1,\"dH\":1,\"padW\":0,"
                   "\"padH\":0,\"weight\":[",
                   l ? "," : "[", in, out);
        for (int i = 0; i < in * out; i++)
            bytes_text(&b, "%s%s[[0.1,-2e-1,0.3],[0,1,0],[0.5,0,-1]]%s", i ? "," : "",
                       i % in ? "" : "[", i % in == in - 1 ? "]" : "");
        bytes_text(&b, "],\"bias\":[");
        for (int i = 0; i < out; i++)
            bytes_text(&b, "%s0.0%d", i ? "," : "", i);
        bytes_text(&b, "]}");
    }
    bytes_text(&b, "]");
    return b;
}

static void json_bytes(struct rng *r, long i, struct hostile *out)
{
    out->first = bytes_copy(pick(r, &sound_json));
    if (i % 2)
        damage_digits(&out->first, 0, out->first.size, rng_below(r, 900),
                      damage_numbers[rng_below(r, DAMAGE_NUMBERS)], rng_below(r, 2));
    else
        damage_bytes(r, &out->first, 3, out->first.size);
}

static const struct family families[] = {
    {"safetensors, cut", 1500, st_cut, &sound_st},
    {"safetensors, bytes", 2000, st_bytes, &sound_st},
    {"safetensors, numbers", 2800, st_numbers, &sound_st},
    {"safetensors, words", 1500, st_words, &sound_st},
    {"zip, fields", 4368, zip_fields, &sound_zip},
    {"zip, bytes", 1500, zip_bytes, &sound_zip},
    {"zip, pickle", 4000, zip_pickle, &sound_zip},
    {"older pth, bytes", 2500, legacy_bytes, &sound_legacy},
    {"older pth, cut", 1000, legacy_cut, &sound_legacy},
    {"ncnn, numbers", 2000, ncnn_numbers, &sound_ncnn},
    {"ncnn, text", 2000, ncnn_text, &sound_ncnn},
    {"ncnn, weights", 500, ncnn_weights, &sound_ncnn},
    {"networks", 6000, network, NULL},
    {"waifu2x, JSON", 1500, json_bytes, &sound_json},
    {"onnx, bytes", 2500, onnx_bytes, &sound_onnx},
    {"onnx, varints", 2500, onnx_varints, &sound_onnx},
};

static long family_count(const struct family *f)
{
    return f->needs && f->needs->count == 0 ? 0 : f->count;
}

static const struct family *family_of(long *i)
{
    for (size_t f = 0; f < PQ_COUNT(families); f++) {
        if (*i < family_count(&families[f]))
            return &families[f];
        *i -= family_count(&families[f]);
    }
    return NULL;
}

static void make(void *context, long i, struct hostile *out)
{
    (void)context;
    struct rng r = {seed ^ (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15)};
    const struct family *f = family_of(&i);
    f->make(&r, i, out);
}

static void name(void *context, long i, char *text, size_t size)
{
    (void)context;
    const struct family *f = family_of(&i);
    snprintf(text, size, "%s %ld", f->name, i);
}

static int write_case(long number, const char *path)
{
    struct hostile h = {0};
    make(NULL, number, &h);
    bytes_save(&h.first, path);
    if (h.is_ncnn) {
        char bin[4096];
        snprintf(bin, sizeof bin, "%.*s.bin", (int)(strlen(path) - strlen(".param")), path);
        bytes_save(&h.second, bin);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 6) {
        fputs("usage: damaged_test NETS PTH ONNX [NUMBER FILE]\n", stderr);
        return 64;
    }
    make_seeds(argv[1], argv[2], argv[3]);
    if (argc == 6)
        return write_case(atol(argv[4]), argv[5]);
    long count = 0;
    for (size_t f = 0; f < PQ_COUNT(families); f++)
        count += family_count(&families[f]);
    const long step = test_some(3, 8, 8);
    struct trial_sums s;
    printf("seed %" PRIx64 ", %ld cases, every %ldth is tried\n", seed, count, step);
    fflush(stdout);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    long wrong = trial_all((count + step - 1) / step, step, make, name, NULL, &s);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%ld tried, %ld opened (%ld ran), %ld refused, %ld wrong; %.1f s\n", s.tried, s.opened,
           s.ran, s.refused, wrong,
           (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
    printf("the slowest took %.3f s to open (case %ld), %.3f s to run; the most memory beside its "
           "file %.1f MiB (case %ld)\n",
           s.slowest_open, s.slowest_case, s.slowest_run, (double)s.most_memory / (1 << 20),
           s.most_memory_case);
    if (count < 20000 || s.opened * 50 < s.tried || s.ran * 100 < s.tried) {
        puts("too few cases, or none that opens: the damage is not what it should be");
        return 1;
    }
    return wrong != 0;
}
