/* SPDX-License-Identifier: MIT */
/* Models written and opened again: the same network from every container, and a sentence where that
 * cannot be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "arch/model.h"
#include "base/sha256.h"
#include "dict.h"
#include "pique/pique.h"

static char folder[] = "convert.XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][96];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

static void save_made(const struct maker *m, const char *name)
{
    struct bytes first = {0}, second = {0};
    char file[64];
    if (strcmp(name, "ncnn") == 0) {
        make_ncnn(m, &first, &second);
        bytes_save(&second, in_folder("ncnn.bin"));
        bytes_save(&first, in_folder("ncnn.param"));
    } else {
        make_safetensors(m, &first);
        snprintf(file, sizeof file, "%s.safetensors", name);
        bytes_save(&first, in_folder(file));
    }
    bytes_free(&first);
    bytes_free(&second);
}

static pique_model *open_or_fail(const char *name)
{
    pique_model *m;
    pique_error err = {0};
    if (pique_model_open(in_folder(name), &m, &err))
        fail_msg("%s", err.message);
    return m;
}

static void save_or_fail(const pique_model *m, const char *name, bool half)
{
    pique_save_options o = {.size = sizeof o, .half = half, .overwrite = true};
    pique_error err = {0};
    if (pique_model_save(m, in_folder(name), &o, &err))
        fail_msg("%s", err.message);
}

static const char *metadata(const pique_model *m, const char *wanted)
{
    const char *key, *value;
    for (size_t i = 0; pique_model_get_metadata(m, i, &key, &value) == 0; i++) {
        if (strcmp(key, wanted) == 0)
            return value;
    }
    return NULL;
}

/* ---- the same network ---- */

static const struct maker made[] = {
    {.features = 6, .convs = 2, .scale = 2, .channels = 3, .seed = 5},
    {.features = 6, .convs = 2, .scale = 4, .channels = 3, .seed = 5, .half = true},
    {.features = 3, .convs = 0, .scale = 1, .channels = 1, .seed = 6},
    {.features = 5, .convs = 1, .scale = 3, .channels = 4, .seed = 7, .leaky = true},
    {.features = 4, .growth = 3, .blocks = 1, .scale = 2, .channels = 3, .seed = 8},
    {.features = 4, .growth = 2, .blocks = 2, .scale = 1, .channels = 3, .seed = 9, .half = true},
    {.features = 4, .growth = 3, .blocks = 2, .scale = 16, .channels = 1, .plus = true, .seed = 1},
    {.features = 4, .growth = 3, .blocks = 2, .scale = 4, .channels = 3, .names = NAMES_ESRGAN},
    {.features = 4, .growth = 3, .blocks = 2, .scale = 4, .channels = 3, .names = NAMES_BSRGAN},
};

static void every_container_becomes_the_same_network(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * PQ_COUNT(made); i++) {
        struct maker m = made[i / 2];
        const char *name = i % 2 ? "ncnn" : "m", *file = i % 2 ? "ncnn.bin" : "m.safetensors";
        save_made(&m, name);
        pique_model *a = open_or_fail(file);
        save_or_fail(a, "out.safetensors", false);
        pique_model *b = open_or_fail("out.safetensors");
        pique_model_info x = {.size = sizeof x}, y = {.size = sizeof y};
        assert_int_equal(pique_model_get_info(a, &x, NULL), 0);
        assert_int_equal(pique_model_get_info(b, &y, NULL), 0);
        assert_string_equal(x.architecture, y.architecture);
        assert_int_equal(x.scale_num, y.scale_num);
        assert_int_equal(x.tensor_count, y.tensor_count);
        assert_string_equal(y.dtype, "f32");
        same_graph(pq_model_graph(a), pq_model_graph(b));
        assert_string_equal(metadata(b, "format"), "pt");
        assert_string_equal(metadata(b, "source_sha256"), pique_model_sha256(a));
        assert_string_equal(metadata(b, "pique_version"), pique_version());
        pique_model_close(&b);
        pique_model_close(&a);
    }
}

static void names_and_shapes_stay_and_half_is_half(void **state)
{
    (void)state;
    save_made(&made[0], "m");
    pique_model *a = open_or_fail("m.safetensors");
    save_or_fail(a, "out.safetensors", true);
    pique_model *b = open_or_fail("out.safetensors");
    pique_tensor_info x = {.size = sizeof x}, y = {.size = sizeof y};
    size_t i = 0;
    for (; pique_model_get_tensor(a, i, &x, NULL) == 0; i++) {
        assert_int_equal(pique_model_get_tensor(b, i, &y, NULL), 0);
        assert_string_equal(x.name, y.name);
        assert_string_equal(y.dtype, "f16");
        assert_int_equal(x.dims, y.dims);
        assert_memory_equal(x.shape, y.shape, (size_t)x.dims * sizeof *x.shape);
    }
    assert_int_equal(i, 11);
    assert_int_equal(pique_model_get_tensor(b, i, &y, NULL), PIQUE_EINVAL);
    /* Once more: what is 16-bit already does not change. */
    save_or_fail(b, "again.safetensors", true);
    pique_model *c = open_or_fail("again.safetensors");
    same_graph(pq_model_graph(b), pq_model_graph(c));
    assert_string_equal(metadata(c, "source_sha256"), pique_model_sha256(b));
    assert_int_equal(pique_model_get_metadata(c, 3, &x.name, &y.name), PIQUE_EINVAL);
    pique_model_close(&a);
    pique_model_close(&b);
    pique_model_close(&c);
}

static void notes_of_a_safetensors_file_go_along(void **state)
{
    (void)state;
    static const char json[] =
        "{\"__metadata__\":{\"author\":\"somebody\",\"format\":\"np\"},"
        "\"body.0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,3,3],\"data_offsets\":[0,36]},"
        "\"body.0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[36,40]},"
        "\"body.2.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,3,3],\"data_offsets\":[40,76]},"
        "\"body.2.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[76,80]}}";
    static const unsigned char zeros[80];
    struct bytes file = {0};
    wrap_safetensors(json, zeros, sizeof zeros, &file);
    bytes_save(&file, in_folder("m.safetensors"));
    bytes_free(&file);
    pique_model *a = open_or_fail("m.safetensors");
    save_or_fail(a, "out.safetensors", false);
    pique_model *b = open_or_fail("out.safetensors");
    assert_string_equal(metadata(b, "author"), "somebody");
    assert_string_equal(metadata(b, "format"), "pt");
    pique_model_close(&a);
    pique_model_close(&b);
}

/* ---- networks from ncnn that are not quite what names can say ---- */

static void save_ncnn(const char *param, size_t zeros)
{
    struct bytes b = {0};
    static const unsigned char nothing[1024];
    assert_true(zeros <= sizeof nothing);
    bytes_text(&b, "%s", param);
    bytes_save(&b, in_folder("ncnn.param"));
    bytes_free(&b);
    bytes_add(&b, nothing, zeros);
    bytes_save(&b, in_folder("ncnn.bin"));
    bytes_free(&b);
}

/* One convolution of 1 -> 1 with bias takes 4 + 36 + 4 bytes. */
#define CONV(name, in, out) "Convolution " name " 1 1 " in " " out " 0=1 1=3 4=1 5=1 6=9\n"

static void a_network_that_no_names_can_say_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *param;
        size_t bytes;
        const char *says;
    } cases[] = {
        {"7767517\n2 2\nInput in 0 1 a\n" CONV("c", "a", "b"), 44, "Compact, ESRGAN"},
        /* Compact but for a reduction at the end */
        {"7767517\n8 9\nInput in 0 1 x\nSplit s 1 2 x a p\n" CONV(
             "c0", "a", "b") "ReLU r 1 1 b c 0=0.1\n"
                             "Convolution c1 1 1 c d 0=4 1=3 4=1 5=1 6=36\n"
                             "PixelShuffle ps 1 1 d e 0=2\nInterp i 1 1 p f 0=1 1=2.0 2=2.0\n"
                             "BinaryOp s 2 1 e f g 0=0\n",
         44 + 4 + 144 + 16, NULL},
        {"7767517\n9 10\nInput in 0 1 x\nSplit s 1 2 x a p\n" CONV(
             "c0", "a", "b") "ReLU r 1 1 b c 0=0.1\n"
                             "Convolution c1 1 1 c d 0=4 1=3 4=1 5=1 6=36\n"
                             "PixelShuffle ps 1 1 d e 0=2\nInterp i 1 1 p f 0=1 1=2.0 2=2.0\n"
                             "BinaryOp s 2 1 e f g 0=0\n"
                             "Interp j 1 1 g h 0=3 1=0.5 2=0.5\n",
         44 + 4 + 144 + 16, "ends in bicubic"},
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        pique_error err = {0};
        save_ncnn(cases[i].param, cases[i].bytes);
        pique_model *m = open_or_fail("ncnn.param");
        unlink(in_folder("out.safetensors"));
        int rc = pique_model_save(m, in_folder("out.safetensors"), NULL, &err);
        if (!cases[i].says && rc)
            fail_msg("case %zu: %s", i, err.message);
        if (cases[i].says && (rc != PIQUE_EUNSUPPORTED || !strstr(err.message, cases[i].says)))
            fail_msg("case %zu: %d '%s'", i, rc, err.message);
        assert_int_equal(access(in_folder("out.safetensors"), F_OK) == 0, rc == 0);
        pique_model_close(&m);
    }
}

/* A slope that Compact does not take for granted, and a convolution without bias, become weights.
 */
static void what_names_leave_to_weights_is_written_as_weights(void **state)
{
    (void)state;
    save_ncnn(
        "7767517\n8 9\nInput in 0 1 x\nSplit s 1 2 x a p\n" CONV(
            "c0", "a", "b") "ReLU r 1 1 b c 0=0.25\nConvolution c1 1 1 c d 0=4 1=3 4=1 5=0 6=36\n"
                            "PixelShuffle ps 1 1 d e 0=2\nInterp i 1 1 p f 0=1 1=2.0 2=2.0\n"
                            "BinaryOp s 2 1 f e g 0=0\n",
        44 + 4 + 144);
    pique_model *a = open_or_fail("ncnn.param");
    save_or_fail(a, "out.safetensors", false);
    pique_model *b = open_or_fail("out.safetensors");
    const struct pq_graph *g = pq_model_graph(b);
    float slope = 0, bias = 1;
    assert_true(g->ops[1].act.on && g->ops[1].act.slopes.data);
    pq_tensor_to_f32(&g->ops[1].act.slopes, 0, 1, &slope);
    assert_true(slope == 0.25f);
    assert_non_null(g->ops[2].bias.data);
    pq_tensor_to_f32(&g->ops[2].bias, 3, 1, &bias);
    assert_true(bias == 0);
    pique_model_close(&a);
    pique_model_close(&b);
}

/* ---- blends ---- */

static pique_model *blend_or_fail(const char *a, const char *b, double weight)
{
    pique_model *x = open_or_fail(a), *y = open_or_fail(b), *out;
    pique_error err = {0};
    if (pique_model_blend(x, y, weight, &out, &err))
        fail_msg("%s", err.message);
    pique_model_close(&x); /* the blend needs neither */
    pique_model_close(&y);
    return out;
}

static void a_blend_is_a_model_between_its_two(void **state)
{
    (void)state;
    struct maker m = made[0];
    save_made(&m, "ncnn"); /* one from ncnn: its names are those of the other */
    save_made(&m, "m");
    m.seed++;
    save_made(&m, "n");
    pique_model *a = open_or_fail("m.safetensors"), *b = open_or_fail("n.safetensors");
    for (int i = 0; i < 3; i++) {
        pique_model *c = blend_or_fail("ncnn.param", "n.safetensors", i / 2.0);
        const struct pq_graph *x = pq_model_graph(a), *y = pq_model_graph(b),
                              *z = pq_model_graph(c);
        if (i != 1)
            same_graph(z, i ? x : y); /* all of one */
        float p, q, r;
        pq_tensor_to_f32(&x->ops[2].weight, 7, 1, &p);
        pq_tensor_to_f32(&y->ops[2].weight, 7, 1, &q);
        pq_tensor_to_f32(&z->ops[2].weight, 7, 1, &r);
        assert_true(p != q && (i != 1 || r == 0.5f * p + 0.5f * q));
        pique_model_info info = {.size = sizeof info};
        assert_int_equal(pique_model_get_info(c, &info, NULL), 0);
        assert_string_equal(info.container, "blend");
        assert_string_equal(info.architecture, "Compact");
        assert_non_null(strstr(info.path, i == 1 ? "n.safetensors:0.5" : "+"));
        assert_string_equal(metadata(c, "blend_b_sha256"), pique_model_sha256(b));
        assert_int_equal(strlen(pique_model_sha256(c)), 64);
        save_or_fail(c, "out.safetensors", false);
        pique_model *d = open_or_fail("out.safetensors");
        same_graph(z, pq_model_graph(d));
        assert_string_equal(metadata(d, "blend_weight"), i == 0 ? "0" : i == 1 ? "0.5" : "1");
        assert_null(metadata(d, "source_sha256"));
        pique_model_close(&d);
        pique_model_close(&c);
    }
    pique_model_close(&a);
    pique_model_close(&b);
}

static void two_networks_have_no_blend(void **state)
{
    (void)state;
    pique_error err;
    pique_model *out = (pique_model *)&err;
    struct maker m = made[0];
    save_made(&m, "m");
    m.scale = 3;
    save_made(&m, "n");
    pique_model *a = open_or_fail("m.safetensors"), *b = open_or_fail("n.safetensors");
    assert_int_equal(pique_model_blend(a, b, 0.5, &out, &err), PIQUE_EFORMAT);
    assert_null(out);
    assert_non_null(strstr(err.message, "n.safetensors: tensor 'body.6.weight' has shape [27, "));
    static const double weights[] = {-0.01, 1.01, NAN, INFINITY};
    for (size_t i = 0; i < PQ_COUNT(weights); i++)
        assert_int_equal(pique_model_blend(a, a, weights[i], &out, &err), PIQUE_EINVAL);
    assert_int_equal(pique_model_blend(a, NULL, 0, &out, &err), PIQUE_EINVAL);
    assert_int_equal(pique_model_blend(a, a, 0, NULL, &err), PIQUE_EINVAL);
    /* Neither of the two is written over. */
    pique_model *c = blend_or_fail("m.safetensors", "m.safetensors", 0.5);
    pique_save_options o = {.size = sizeof o, .overwrite = true};
    assert_int_equal(pique_model_save(c, in_folder("m.safetensors"), &o, &err), PIQUE_ECREATE);
    pique_model_close(&a);
    pique_model_close(&b);
    pique_model_close(&c);
}

/* A row of seven layers of one channel in waifu2x's JSON. */
static void save_json(const char *name)
{
    struct bytes b = {0};
    for (int i = 0; i < 7; i++)
        bytes_text(&b,
                   "%s{\"class_name\":\"nn.SpatialConvolutionMM\",\"nInputPlane\":1,"
                   "\"nOutputPlane\":1,\"kW\":3,\"kH\":3,\"dW\":1,\"dH\":1,\"padW\":0,"
                   "\"padH\":0,\"weight\":[[[[0,0,0],[0,1,0],[0,0,0.1]]]],\"bias\":[0.1]}%s",
                   i ? "," : "[", i == 6 ? "]" : "");
    bytes_save(&b, in_folder(name));
    bytes_free(&b);
}

static int scale_of(const pique_model *m)
{
    pique_model_info info = {.size = sizeof info};
    assert_int_equal(pique_model_get_info(m, &info, NULL), 0);
    return info.scale_num;
}

/* What a file notes about its network belongs to it as its tensors do. */
static void what_says_which_network_it_is_goes_along(void **state)
{
    (void)state;
    pique_error err;
    pique_model *none;
    save_json("scale2.0x_model.json");
    save_json("noise1_model.json");
    pique_model *a = open_or_fail("scale2.0x_model.json"), *b = open_or_fail("noise1_model.json");
    save_or_fail(a, "a.safetensors", false);
    pique_model *c = open_or_fail("a.safetensors");
    save_or_fail(c, "b.safetensors", true);
    pique_model *d = open_or_fail("b.safetensors");
    pique_model *e = blend_or_fail("scale2.0x_model.json", "b.safetensors", 0.5);
    assert_int_equal(scale_of(a), 2);
    assert_int_equal(scale_of(b), 1);
    assert_int_equal(scale_of(c), 2);
    assert_int_equal(scale_of(d), 2);
    assert_int_equal(scale_of(e), 2);
    assert_int_equal(pique_model_blend(a, b, 0.5, &none, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "the note 'enlarge first' in them is not the same"));
    pique_model_close(&a);
    pique_model_close(&b);
    pique_model_close(&c);
    pique_model_close(&d);
    pique_model_close(&e);
}

/* ---- failures ---- */

static void senseless_arguments_are_refused(void **state)
{
    (void)state;
    save_made(&made[0], "m");
    pique_model *m = open_or_fail("m.safetensors");
    pique_save_options o = {0};
    pique_error err;
    const char *out = in_folder("none.safetensors");
    assert_int_equal(pique_model_save(NULL, out, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_model_save(m, NULL, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_model_save(m, out, &o, &err), PIQUE_EINVAL);
    o = (pique_save_options){.size = sizeof o, .overwrite = true};
    assert_int_equal(pique_model_save(m, in_folder("./m.safetensors"), &o, &err), PIQUE_ECREATE);
    assert_non_null(strstr(err.message, "is the model itself"));
    o.size = offsetof(pique_save_options, overwrite); /* of an older program */
    save_or_fail(m, "none.safetensors", false);
    assert_int_equal(pique_model_save(m, out, &o, &err), PIQUE_EEXIST);
    pique_model_close(&m);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        save_made(&made[4], "ncnn");
        save_made(&made[0], "m");
        pique_model *m = open_or_fail(i ? "ncnn.param" : "m.safetensors");
        int rc = -1;
        long n = 1;
        for (; rc != 0 && n < 10000; n++) {
            pique_error err = {0};
            unlink(in_folder("out.safetensors"));
            pq_fault_arm(PQ_FAULT_ALLOC, n, 12, n % 2);
            rc = pique_model_save(m, in_folder("out.safetensors"), NULL, &err);
            pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
            if (rc && (rc != PIQUE_ENOMEM || !err.message[0]))
                fail_msg("allocation %ld: %d '%s'", n, rc, err.message);
            assert_int_equal(access(in_folder("out.safetensors"), F_OK) == 0, rc == 0);
        }
        assert_int_equal(rc, 0);
        assert_true(n > 20);
        pique_model_close(&m);
    }
}

static void any_allocation_of_a_blend_may_fail(void **state)
{
    (void)state;
    save_made(&made[4], "ncnn");
    save_made(&made[4], "n");
    pique_model *a = open_or_fail("ncnn.param"), *b = open_or_fail("ncnn.bin");
    int rc = -1;
    long n = 1;
    for (; rc != 0 && n < 10000; n++) {
        pique_error err = {0};
        pique_model *out;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, n % 2);
        rc = pique_model_blend(a, b, 0.5, &out, &err);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (rc && (rc != PIQUE_ENOMEM || !err.message[0]))
            fail_msg("allocation %ld: %d '%s'", n, rc, err.message);
        assert_int_equal(rc == 0, out != NULL);
        pique_model_close(&out);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 50);
    pique_model_close(&a);
    pique_model_close(&b);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {
        "m.safetensors",     "out.safetensors", "again.safetensors", "none.safetensors",
        "ncnn.param",        "ncnn.bin",        "n.safetensors",     "scale2.0x_model.json",
        "noise1_model.json", "a.safetensors",   "b.safetensors"};
    for (size_t i = 0; i < PQ_COUNT(names); i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_container_becomes_the_same_network),
        cmocka_unit_test(names_and_shapes_stay_and_half_is_half),
        cmocka_unit_test(notes_of_a_safetensors_file_go_along),
        cmocka_unit_test(a_network_that_no_names_can_say_is_refused),
        cmocka_unit_test(what_names_leave_to_weights_is_written_as_weights),
        cmocka_unit_test(senseless_arguments_are_refused),
        cmocka_unit_test(a_blend_is_a_model_between_its_two),
        cmocka_unit_test(two_networks_have_no_blend),
        cmocka_unit_test(what_says_which_network_it_is_goes_along),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(any_allocation_of_a_blend_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
