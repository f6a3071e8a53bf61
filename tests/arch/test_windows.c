/* SPDX-License-Identifier: MIT */
/* Networks of shifted windows, from the files that PyTorch made: what does not fit is refused by
 * name, whichever tensor it is, and so is every failed allocation. That the networks compute what
 * PyTorch does is seen in tests/golden. */
#include "refuse.h"

#include <math.h>

static const char *folder;

/* One file an architecture and a way of enlarging. */
static const struct {
    const char *file, *name;
} files[] = {
    {"swinir-x4.pth", "SwinIR"},
    {"swinir-x3-direct.safetensors", "SwinIR"},
    {"swinir-x4-nearest-3conv.pth", "SwinIR"},
    {"swinir-x1-grey.pth", "SwinIR"},
    {"swinir-x2-unshuffle.pth", "SwinIR"},
    {"hat-x2.pth", "HAT"},
    {"hat-x1-identity.pth", "HAT"},
    {"drct-x2.pth", "DRCT"},
    {"srformer-x2-direct.pth", "SRFormer"},
    {"srformer-x3-shift3.safetensors", "SRFormer"},
    {"atd-x2.pth", "ATD"},
    {"atd-x1-nonorm.safetensors", "ATD"},
    {"atd-x3-light-f16.pth", "ATD"},
    {"swin-unet-2x.pth", "SwinUNet"},
    {"swin-unet-4x-norm.pth", "SwinUNet"},
};

static int build(const struct pq_statedict *sd, const char **name, pique_error *err)
{
    struct pq_graph *g = NULL;
    int rc = pq_arch_build(sd, &g, name, err);
    assert_true(rc == 0 || !g);
    pq_graph_free(&g);
    return rc;
}

/* Buffers that follow from the sizes; a file may hold them or not. */
static bool is_buffer(const char *name)
{
    return strstr(name, "attn_mask") || strstr(name, "relative_position_index");
}

/* By its presence networks are told apart, so that without it another tensor is the one that does
 * not fit. */
static bool tells_apart(const char *name)
{
    static const char *const parts[] = {"conv_first.1.weight",
                                        "conv_before_upsample.0.weight",
                                        "upsample.",
                                        "conv_up",
                                        "blocks.0.attn.q.bias",
                                        "0.attn.qkv.bias",
                                        "swin1.attn.qkv.bias",
                                        "conv.0.weight",
                                        "layers.0.wqkv.bias",
                                        "no_norm",
                                        "conv_after_body.",
                                        "block.0.norm1.weight",
                                        "proj2.weight"};
    for (size_t i = 0; i < PQ_COUNT(parts); i++) {
        if (strstr(name, parts[i]))
            return true;
    }
    return false;
}

static void each_file_is_known_for_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(files); i++) {
        struct pq_container c;
        const char *name;
        pique_error err;
        golden_open(folder, files[i].file, &c);
        if (build(&c.sd, &name, &err))
            fail_msg("%s", err.message);
        assert_string_equal(name, files[i].name);
        pq_container_close(&c);
    }
}

/* Whether the sentence names this tensor; NULL: any. */
static bool names_it(const char *sentence, const char *name)
{
    char quoted[300];
    snprintf(quoted, sizeof quoted, "'%s'", name ? name : "");
    return strstr(sentence, name ? quoted : "tensor '") != NULL;
}

static void a_missing_tensor_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t f = 0; f < PQ_COUNT(files); f++) {
        struct pq_container c;
        golden_open(folder, files[f].file, &c);
        for (size_t i = 0; i < c.sd.count; i++) {
            char *name = c.sd.tensors[i].name;
            const char *arch;
            pique_error err = {0};
            if (is_buffer(name))
                continue;
            c.sd.tensors[i].name = (char *)"~";
            int rc = build(&c.sd, &arch, &err);
            c.sd.tensors[i].name = name;
            if ((rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED) ||
                (!tells_apart(name) && !names_it(err.message, name)))
                fail_msg("%s without '%s': %d, %s", files[f].file, name, rc, err.message);
        }
        pq_container_close(&c);
    }
}

static void a_misshapen_tensor_is_refused(void **state)
{
    (void)state;
    for (size_t f = 0; f < PQ_COUNT(files); f++) {
        struct pq_container c;
        golden_open(folder, files[f].file, &c);
        for (size_t i = 0; i < c.sd.count; i++) {
            struct pq_tensor *t = &c.sd.tensors[i].tensor;
            const struct pq_tensor good = *t;
            const char *arch;
            const char *name = c.sd.tensors[i].name;
            /* One head less may be possible. */
            const bool table = strstr(name, "relative_position_bias_table") != NULL;
            const bool ignored = strstr(name, "attn_mask") || strstr(name, "no_norm");
            const int dims = ignored ? 0 : table ? 1 : good.dims;
            for (int dim = 0; dim < dims; dim++) {
                pique_error err = {0};
                t->shape[dim]--; /* still within its memory */
                int rc = build(&c.sd, &arch, &err);
                *t = good;
                if ((rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED) ||
                    !names_it(err.message, NULL))
                    fail_msg("%s with one less in dimension %d of '%s': %d, %s", files[f].file, dim,
                             name, rc, err.message);
            }
        }
        pq_container_close(&c);
    }
}

/* One entry of a stored index is another one. */
static void an_index_that_is_not_by_distance_is_refused(void **state)
{
    (void)state;
    int seen = 0;
    for (size_t f = 0; f < PQ_COUNT(files); f++) {
        struct pq_container c;
        golden_open(folder, files[f].file, &c);
        for (size_t i = 0; i < c.sd.count; i++) {
            struct pq_tensor *t = &c.sd.tensors[i].tensor;
            size_t count;
            if (!strstr(c.sd.tensors[i].name, "relative_position_index"))
                continue;
            assert_int_equal(t->dtype, PQ_I64);
            assert_true(pq_tensor_count(t, &count));
            int64_t *copy = malloc(count * sizeof *copy);
            assert_non_null(copy);
            memcpy(copy, t->data, count * sizeof *copy);
            copy[count - 2]++;
            const void *good = t->data;
            const char *arch;
            pique_error err = {0};
            t->data = copy;
            assert_int_equal(build(&c.sd, &arch, &err), PIQUE_EUNSUPPORTED);
            assert_true(names_it(err.message, c.sd.tensors[i].name));
            t->data = good;
            free(copy);
            seen++;
        }
        pq_container_close(&c);
    }
    assert_true(seen > 20);
}

static void a_tensor_too_many_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t f = 0; f < PQ_COUNT(files); f++) {
        struct pq_container c;
        const char *arch;
        pique_error err;
        const float one = 1;
        const struct pq_tensor t = {.dtype = PQ_F32, .dims = 1, .shape = {1}, .data = &one};
        golden_open(folder, files[f].file, &c);
        assert_int_equal(pq_statedict_add(&c.sd, "conv_more.weight", &t, NULL), 0);
        assert_int_equal(build(&c.sd, &arch, &err), PIQUE_EFORMAT);
        assert_true(names_it(err.message, "conv_more.weight"));
        pq_container_close(&c);
    }
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t f = 0; f < PQ_COUNT(files); f++)
        every_failed_allocation_is_a_status(folder, files[f].file);
}

/* Less than a window, and less than what is reflected. */
static void a_picture_of_any_size_goes_through(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 6}, {5, 1}, {2, 3}, {9, 4}};
    for (size_t f = 0; f < PQ_COUNT(files); f++) {
        struct pq_container c;
        pique_error err;
        golden_open(folder, files[f].file, &c);
        struct pq_graph *g = golden_build(&c.sd, files[f].name, &err);
        assert_non_null(g);
        struct pq_graph_facts facts;
        pq_graph_facts(g, &facts);
        for (size_t i = 0; i < PQ_COUNT(sizes); i++) {
            const struct pq_geometry geometry = {1, sizes[i][0], sizes[i][1], 2};
            struct rng r = {7};
            int width, height, rc;
            float *in = net_picture(&r, &geometry, facts.in_channels);
            float *out = net_run(g, "cpu", 2, &geometry, in, &width, &height, &rc);
            assert_int_equal(rc, 0);
            assert_int_equal(width, sizes[i][0] * facts.num);
            assert_int_equal(height, sizes[i][1] * facts.num);
            for (int k = 0; k < width * height * facts.out_channels; k++)
                assert_true(isfinite(out[k]));
            free(in);
            free(out);
        }
        pq_graph_free(&g);
        pq_container_close(&c);
    }
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_is_known_for_what_it_is),
        cmocka_unit_test(a_missing_tensor_is_refused_by_name),
        cmocka_unit_test(a_misshapen_tensor_is_refused),
        cmocka_unit_test(an_index_that_is_not_by_distance_is_refused),
        cmocka_unit_test(a_tensor_too_many_is_refused_by_name),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(a_picture_of_any_size_goes_through),
    };
    return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
