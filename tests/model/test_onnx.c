/* SPDX-License-Identifier: MIT */
/* The ONNX reader: files that make_onnx.py writes against what they mean, and files that lie. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../sanitized.h"
#include "memory_map.h"
#include "model/container.h"
#include "model/onnx.h"
#include "model/onnx_wire.h"
#include "pique/pique.h"

static const char *files;

static void path_of(char *path, size_t size, const char *folder, const char *name, const char *end)
{
    assert_true(snprintf(path, size, "%s/%s/%s%s", files, folder, name, end) < (int)size);
}

static void *read_all(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

/* ---- the wire ---- */

static void wire_reads_what_is_right_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int more;
        uint32_t number;
        uint64_t value;
    } cases[] = {
        {"\x08\x01", 2, 1, 1, 1},
        {"\x08\xff\x01", 3, 1, 1, 255},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1, 1, UINT64_MAX},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, -1, 0, 0}, /* more than 64 bits */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, -1, 0, 0},
        {"\x08\x80\x00", 3, -1, 0, 0}, /* longer than it must be */
        {"\x08\x81", 2, -1, 0, 0},
        {"\x08", 1, -1, 0, 0},
        {"\x0d\x01\x02\x03\x04", 5, 1, 1, 0x04030201},
        {"\x0d\x01\x02\x03", 4, -1, 0, 0},
        {"\x09\x01\x00\x00\x00\x00\x00\x00\x80", 9, 1, 1, UINT64_C(0x8000000000000001)},
        {"\x09\x01\x00\x00\x00\x00\x00\x00", 8, -1, 0, 0},
        {"\x0a\x02zz", 4, 1, 1, 0},
        {"\x0a\x03zz", 4, -1, 0, 0},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, -1, 0, 0},
        {"\x0b\x0c", 2, -1, 0, 0}, /* a group */
        {"\x0e\x00", 2, -1, 0, 0},
        {"\x0f\x00", 2, -1, 0, 0},
        {"\x00\x01", 2, -1, 0, 0}, /* number 0 */
        {"\xfa\xff\xff\xff\x0f\x00", 6, 1, (1 << 29) - 1, 0},
        {"\x80\x80\x80\x80\x10\x00", 6, -1, 0, 0}, /* number 2^29 */
        {"", 0, 0, 0, 0},
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_map map = memory_map(cases[i].bytes, cases[i].size, "wire");
        struct pq_wire w = {map.data, map.data + map.size};
        struct pq_wire_field f;
        const char *why = NULL;
        if (pq_wire_next(&w, &f, &why) != cases[i].more)
            fail_msg("case %zu: not %d", i, cases[i].more);
        assert_true(cases[i].more >= 0 || why);
        if (cases[i].more > 0) {
            assert_int_equal(f.number, cases[i].number);
            assert_true(f.value == cases[i].value);
            assert_ptr_equal(w.at, w.end);
        }
        memory_unmap(&map);
    }
}

/* ---- what files compute ---- */

struct good {
    char name[96];
    int width, height, channels, scale;
};

static void must(int rc, const char *name, const pique_error *err)
{
    if (rc)
        fail_msg("%s: %s", name, err->message);
}

enum copy { AS_IT_IS, WRITTEN_AGAIN, IN_HALF };

/* The file, or what pique makes of it as ONNX again. */
static pique_model *open_good(const struct good *g, enum copy copy)
{
    char path[4096], again[] = "/tmp/pique.again.XXXXXX.onnx";
    pique_error err = {0};
    pique_model *model = NULL;
    path_of(path, sizeof path, "onnx-good", g->name, ".onnx");
    must(pique_model_open(path, &model, &err), g->name, &err);
    if (copy == AS_IT_IS)
        return model;
    const int fd = mkstemps(again, 5);
    assert_true(fd >= 0);
    close(fd);
    const pique_save_options options = {
        .size = sizeof options, .half = copy == IN_HALF, .overwrite = true};
    must(pique_model_save(model, again, &options, &err), g->name, &err);
    pique_model_close(&model);
    must(pique_model_open(again, &model, &err), g->name, &err);
    unlink(again);
    return model;
}

/* Planes in, planes out. */
static void compute(const struct good *g, enum copy copy, const float *in, float *out)
{
    pique_error err = {0};
    pique_model *model = open_good(g, copy);
    pique_engine *engine = NULL;
    const pique_engine_options options = {
        .size = sizeof options, .precision = PIQUE_PRECISION_FP32, .threads = 1};
    must(pique_engine_open(model, &options, &engine, &err), g->name, &err);
    pique_model_info info = {.size = sizeof info};
    must(pique_model_get_info(model, &info, &err), g->name, &err);
    assert_string_equal(info.container, "onnx");
    assert_int_equal(info.scale_num, g->scale);
    assert_int_equal(info.scale_den, 1);
    const size_t c = (size_t)g->channels, pixels = (size_t)g->width * (size_t)g->height;
    const size_t big = pixels * (size_t)g->scale * (size_t)g->scale;
    float *x = malloc(pixels * c * sizeof *x), *y = malloc(big * c * sizeof *y);
    assert_true(x && y);
    for (size_t i = 0; i < pixels * c; i++)
        x[i] = in[i % c * pixels + i / c];
    const ptrdiff_t row = (ptrdiff_t)((size_t)g->width * c * sizeof *x);
    const pique_rows from = {x, row, row * g->height, PIQUE_SAMPLE_F32};
    const pique_rows to = {y, row * g->scale, row * g->height * g->scale * g->scale,
                           PIQUE_SAMPLE_F32};
    must(pique_batch_run(engine, 1, g->width, g->height, &from, &to, &err), g->name, &err);
    for (size_t i = 0; i < big * c; i++)
        out[i] = y[i / big + i % big * c];
    free(x);
    free(y);
    pique_engine_close(&engine);
    pique_model_close(&model);
}

static double compare(const struct good *g, enum copy copy)
{
    char path[4096];
    size_t in_size, out_size;
    path_of(path, sizeof path, "onnx-good", g->name, ".in");
    float *in = read_all(path, &in_size);
    path_of(path, sizeof path, "onnx-good", g->name, ".out");
    float *want = read_all(path, &out_size), *got = malloc(out_size);
    assert_non_null(got);
    compute(g, copy, in, got);
    double worst = 0;
    for (size_t i = 0; i < out_size / sizeof *got; i++) {
        const double scale = 1 + fabs((double)want[i]);
        const double error = fabs((double)got[i] - (double)want[i]) / scale;
        worst = error <= worst ? worst : error; /* NaN too */
    }
    free(in);
    free(want);
    free(got);
    return worst;
}

static void check_all(enum copy copy, double bound)
{
    enum { MORE_THAN = 60 };
    char path[4096];
    struct good g;
    int count = 0, wrong = 0;
    path_of(path, sizeof path, ".", "onnx-good.txt", "");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fscanf(f, "%95s %d %d %d %d", g.name, &g.width, &g.height, &g.channels, &g.scale) == 5) {
        const double worst = compare(&g, copy);
        if (!(worst < bound)) {
            print_error("%s: differs by %.1e\n", g.name, worst);
            wrong++;
        }
        count++;
    }
    fclose(f);
    assert_true(count > MORE_THAN);
    assert_int_equal(wrong, 0);
}

static void every_operator_computes_what_it_means(void **state)
{
    (void)state;
    check_all(AS_IT_IS, 1e-5);
}

static void written_as_onnx_again_it_computes_the_same(void **state)
{
    (void)state;
    check_all(WRITTEN_AGAIN, 1e-5);
    check_all(IN_HALF, 0.02); /* 11 bits of each weight */
}

static void what_cannot_be_read_is_said_in_a_sentence(void **state)
{
    (void)state;
    char path[4096], line[512];
    int count = 0, wrong = 0;
    path_of(path, sizeof path, ".", "onnx-bad.txt", "");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        pique_error err = {0};
        pique_model *model;
        char *tab = strchr(line, '\t');
        assert_non_null(tab);
        *tab = '\0';
        tab[1 + strcspn(tab + 1, "\n")] = '\0';
        path_of(path, sizeof path, "onnx-bad", line, ".onnx");
        const int rc = pique_model_open(path, &model, &err);
        if ((rc != PIQUE_EUNSUPPORTED && rc != PIQUE_EFORMAT) || !strstr(err.message, tab + 1)) {
            print_error("%s: %d, '%s' does not say '%s'\n", line, rc, err.message, tab + 1);
            wrong++;
        }
        pique_model_close(&model);
        count++;
    }
    fclose(f);
    assert_true(count > 20);
    assert_int_equal(wrong, 0);
}

/* ---- bytes that are wrong ---- */

static int load(const void *data, size_t size, pique_error *err)
{
    struct pq_statedict sd = {.map = memory_map(data, size, "/nowhere/x.onnx")};
    struct pq_graph *graph;
    const int rc = pq_onnx_read(&sd, &graph, err);
    if (rc == 0)
        touch_all(&sd);
    else
        assert_null(graph);
    pq_graph_free(&graph);
    memory_free(&sd);
    return rc;
}

static const char *const damaged[] = {"concat_and_split", "pad_to_a_multiple",
                                      "weights_unpacked", "weights_half-list",
                                      "composite_curves", "attention_in_shifted_windows"};

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < PQ_COUNT(damaged); k++) {
        char path[4096];
        size_t size;
        path_of(path, sizeof path, "onnx-good", damaged[k], ".onnx");
        char *data = read_all(path, &size);
        for (size_t n = 0; n < size; n += (size_t)test_some(3, 5, 97)) {
            pique_error err = {0};
            const int rc = load(data, n, &err);
            if (rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED)
                fail_msg("%s, %zu of %zu bytes: %d %s", damaged[k], n, size, rc, err.message);
            assert_true(err.message[0]);
        }
        pique_error err = {0};
        must(load(data, size, &err), damaged[k], &err);
        data[size] = '\n';
        assert_int_equal(load(data, size + 1, &err), PIQUE_EFORMAT);
        free(data);
    }
}

static void a_byte_that_is_wrong_is_refused_or_harmless(void **state)
{
    (void)state;
    for (size_t k = 0; k < PQ_COUNT(damaged); k++) {
        char path[4096];
        size_t size;
        path_of(path, sizeof path, "onnx-good", damaged[k], ".onnx");
        unsigned char *data = read_all(path, &size);
        for (size_t n = 0; n < size; n += (size_t)test_some(4, 7, 97)) {
            static const unsigned char flips[] = {0x01, 0x80, 0xff};
            for (size_t i = 0; i < sizeof flips; i++) {
                pique_error err = {0};
                data[n] ^= flips[i];
                const int rc = load(data, size, &err);
                data[n] ^= flips[i];
                assert_true(rc == 0 || rc == PIQUE_EFORMAT || rc == PIQUE_EUNSUPPORTED);
            }
        }
        free(data);
    }
}

/* ---- memory ---- */

static void check_memory(const char *name)
{
    char path[4096];
    size_t size;
    path_of(path, sizeof path, "onnx-good", name, ".onnx");
    void *data = read_all(path, &size);
    int failures = 0;
    for (long n = 1;; n++) {
        pique_error err = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        const int rc = load(data, size, &err);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (rc == 0)
            break;
        if (rc != PIQUE_ENOMEM)
            fail_msg("allocation %ld: %d %s", n, rc, err.message);
        failures++;
    }
    assert_true(failures > 20);
    free(data);
}

static void out_of_memory_is_said(void **state)
{
    (void)state;
    check_memory("pad_to_a_multiple");
    check_memory("attention_in_shifted_windows");
}

/* ---- external data ---- */

static size_t put_varint(unsigned char *to, uint64_t value)
{
    size_t n = 0;
    for (; value > 127; value >>= 7)
        to[n++] = (unsigned char)(value & 127) | 128;
    to[n++] = (unsigned char)value;
    return n;
}

/* A growing message. */
struct message {
    unsigned char data[2048];
    size_t size;
};

static void put_number(struct message *m, int field, uint64_t value)
{
    m->size += put_varint(m->data + m->size, (uint64_t)field << 3);
    m->size += put_varint(m->data + m->size, value);
}

static void put_bytes(struct message *m, int field, const void *data, size_t size)
{
    m->size += put_varint(m->data + m->size, (uint64_t)field << 3 | 2);
    m->size += put_varint(m->data + m->size, size);
    memcpy(m->data + m->size, data, size);
    m->size += size;
}

static void put_text(struct message *m, int field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

static void put_pair(struct message *t, const char *key, const char *value)
{
    struct message entry = {.size = 0};
    put_text(&entry, 1, key);
    put_text(&entry, 2, value);
    put_bytes(t, 13, entry.data, entry.size);
}

/* y = Conv(x, w) of one channel, the weight [1, 1, 1, 1] somewhere else. */
static void external_model(struct message *model, const char *location, const char *offset,
                           const char *length)
{
    struct message tensor = {.size = 0}, node = {.size = 0}, graph = {.size = 0};
    struct message type = {.size = 0}, shape = {.size = 0}, dim = {.size = 0}, port = {.size = 0};
    struct message opset = {.size = 0}, outer = {.size = 0};
    for (int i = 0; i < 4; i++)
        put_number(&tensor, 1, 1);
    put_number(&tensor, 2, 1);
    put_text(&tensor, 8, "w");
    put_pair(&tensor, "location", location);
    if (offset)
        put_pair(&tensor, "offset", offset);
    if (length)
        put_pair(&tensor, "length", length);
    put_number(&tensor, 14, 1);
    put_text(&node, 1, "x");
    put_text(&node, 1, "w");
    put_text(&node, 2, "y");
    put_text(&node, 4, "Conv");
    put_number(&dim, 1, 1);
    put_bytes(&shape, 1, dim.data, dim.size);
    put_bytes(&shape, 1, dim.data, dim.size);
    put_bytes(&shape, 1, "", 0);
    put_bytes(&shape, 1, "", 0);
    put_number(&type, 1, 1);
    put_bytes(&type, 2, shape.data, shape.size);
    put_bytes(&outer, 1, type.data, type.size);
    put_text(&port, 1, "x");
    put_bytes(&port, 2, outer.data, outer.size);
    put_bytes(&graph, 1, node.data, node.size);
    put_bytes(&graph, 5, tensor.data, tensor.size);
    put_bytes(&graph, 11, port.data, port.size);
    port.data[2] = 'y';
    put_bytes(&graph, 12, port.data, port.size);
    put_number(&opset, 2, 17);
    *model = (struct message){.size = 0};
    put_number(model, 1, 8);
    put_bytes(model, 7, graph.data, graph.size);
    put_bytes(model, 8, opset.data, opset.size);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static const char *in_folder(char *path, size_t size, const char *folder, const char *name)
{
    assert_true(snprintf(path, size, "%s/%s", folder, name) < (int)size);
    return path;
}

static void weights_beside_the_file_are_read_and_no_others(void **state)
{
    (void)state;
    char folder[] = "/tmp/pique.onnx.XXXXXX", path[256], inside[128], outside[128];
    assert_non_null(mkdtemp(folder));
    snprintf(inside, sizeof inside, "%s/in", folder);
    assert_int_equal(mkdir(inside, 0700), 0);
    const float weights[] = {1, 2, 3, 4};
#define IN(name) in_folder(path, sizeof path, inside, name)
    snprintf(outside, sizeof outside, "%s/secret", folder);
    write_file(outside, weights, sizeof weights);
    write_file(IN("w.bin"), weights, sizeof weights);
    write_file(IN("short"), weights, 3);
    write_file(IN("hard"), weights, sizeof weights);
    assert_int_equal(symlink("../secret", IN("soft")), 0);
    assert_int_equal(symlink("w.bin", IN("soft beside")), 0);
    assert_int_equal(link(outside, IN("second name")), 0);
    assert_int_equal(mkfifo(IN("pipe"), 0600), 0);
    assert_int_equal(mkdir(IN("folder"), 0700), 0);
    static const struct {
        const char *location, *offset, *length;
        int rc;
        const char *says;
    } cases[] = {
        {"w.bin", NULL, NULL, 0, ""},
        {"w.bin", "4", "4", 0, ""},
        {"w.bin", "12", NULL, 0, ""},
        {"w.bin", "13", NULL, PIQUE_EFORMAT, "has 16; the download"},
        {"w.bin", "18446744073709551615", NULL, PIQUE_EFORMAT, "has 16; the download"},
        {"w.bin", "18446744073709551616", NULL, PIQUE_EFORMAT, "no number"},
        {"w.bin", "-4", NULL, PIQUE_EFORMAT, "no number"},
        {"w.bin", "", NULL, PIQUE_EFORMAT, "no number"},
        {"w.bin", "0", "8", PIQUE_EFORMAT, "does not fit its shape"},
        {"w.bin", "0", "0x4", PIQUE_EFORMAT, "no number"},
        {"short", NULL, NULL, PIQUE_EFORMAT, "has 3; the download"},
        {"missing", NULL, NULL, PIQUE_ENOENT, "missing"},
        {"../secret", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {"./w.bin", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {"folder/../w.bin", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {"/etc/passwd", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {"..", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {".", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {"", NULL, NULL, PIQUE_EFORMAT, "does not say where"},
        {"a\nb", NULL, NULL, PIQUE_EFORMAT, "not beside it"},
        {"soft", NULL, NULL, PIQUE_EFORMAT, "is a link"},
        {"soft beside", NULL, NULL, PIQUE_EFORMAT, "is a link"},
        {"second name", NULL, NULL, PIQUE_EFORMAT, "hard link"},
        {"pipe", NULL, NULL, PIQUE_EFORMAT, "not a regular file"},
        {"folder", NULL, NULL, PIQUE_EFORMAT, "not a regular file"},
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct message m;
        struct pq_container c;
        pique_error err = {0};
        external_model(&m, cases[i].location, cases[i].offset, cases[i].length);
        write_file(IN("model.onnx"), m.data, m.size);
        const int rc = pq_container_open(path, &c, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].says))
            fail_msg("'%s' offset %s: %d %s", cases[i].location, cases[i].offset, rc, err.message);
        if (rc == 0) {
            float weight;
            const int expected = cases[i].offset ? atoi(cases[i].offset) / 4 : 0;
            pq_tensor_to_f32(&c.sd.tensors[0].tensor, 0, 1, &weight);
            assert_true(weight == weights[expected]);
            assert_int_equal(c.file_bytes, m.size + sizeof weights);
        }
        pq_container_close(&c);
    }
    static const char *const names[] = {"w.bin",       "short",       "hard", "soft",
                                        "soft beside", "second name", "pipe", "model.onnx"};
    for (size_t i = 0; i < PQ_COUNT(names); i++)
        unlink(IN(names[i]));
    rmdir(IN("folder"));
    rmdir(inside);
    unlink(outside);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_reads_what_is_right_and_nothing_else),
        cmocka_unit_test(every_operator_computes_what_it_means),
        cmocka_unit_test(written_as_onnx_again_it_computes_the_same),
        cmocka_unit_test(what_cannot_be_read_is_said_in_a_sentence),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_byte_that_is_wrong_is_refused_or_harmless),
        cmocka_unit_test(out_of_memory_is_said),
        cmocka_unit_test(weights_beside_the_file_are_read_and_no_others),
    };
    files = getenv("PIQUE_ONNX_FILES");
    if (!files) {
        print_error("PIQUE_ONNX_FILES names the folder of make_onnx.py\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
