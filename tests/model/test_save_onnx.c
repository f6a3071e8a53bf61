/* SPDX-License-Identifier: MIT */
/* What is written as ONNX, without running it: read again by the strict reader, every name given
 * once and before it is used; half weights; and any allocation may fail. That the nodes compute
 * what they shall is for tests/oracles. */
#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "model/onnx_file.h"
#include "model/save.h"
#include "op_nets.h"

enum { SEEDS = 8 };

static char folder[] = "save-onnx.XXXXXX";
static char out_path[64];

static int save(const struct pq_graph *g, bool half, pique_error *err)
{
    char source[] = "random.pth";
    const struct pq_statedict sd = {.map.path = source};
    const struct pq_saving saving = {.sd = &sd, .graph = g, .half = half};
    *err = (pique_error){0};
    return pq_save(&saving, out_path, true, err);
}

/* A file that was written, read again. */
struct written {
    struct pq_statedict sd;
    struct pq_onnx_file file;
};

static void read_again(struct written *w)
{
    pique_error err = {0};
    *w = (struct written){0};
    assert_int_equal(pq_map_open(out_path, &w->sd.map, &err), 0);
    if (pq_onnx_file_read(&w->sd, &w->file, &err))
        fail_msg("%s", err.message);
}

static void forget(struct written *w)
{
    pq_onnx_file_free(&w->file);
    pq_statedict_free(&w->sd);
}

/* ---- names ---- */

static bool same(struct pq_span a, struct pq_span b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

static bool is_text(struct pq_span a, const char *text)
{
    return a.size == strlen(text) && memcmp(a.text, text, a.size) == 0;
}

/* Whether an initializer, or one of the first `nodes` nodes, has that name; how often. */
static int times_named(const struct pq_onnx_file *f, struct pq_span name, size_t nodes)
{
    int times = is_text(name, "input");
    for (size_t i = 0; i < f->tensor_count; i++)
        times += f->tensors[i].initializer && same(f->tensors[i].name, name);
    for (size_t i = 0; i < nodes; i++) {
        for (size_t k = 0; k < f->nodes[i].outs; k++)
            times += same(f->names[f->nodes[i].first_out + k], name);
    }
    return times;
}

static void check_names(const struct pq_onnx_file *f, const char *what)
{
    assert_true(f->node_count > 1);
    for (size_t i = 0; i < f->node_count; i++) {
        const struct pq_onnx_node *n = &f->nodes[i];
        for (size_t k = 0; k < n->ins; k++) {
            const struct pq_span name = f->names[n->first_in + k];
            if (name.size && times_named(f, name, i) != 1)
                fail_msg("%s: node %zu (%.*s) reads %.*s, which is there %d times", what, i,
                         (int)n->op.size, n->op.text, (int)name.size, name.text,
                         times_named(f, name, i));
        }
        for (size_t k = 0; k < n->outs; k++)
            assert_int_equal(times_named(f, f->names[n->first_out + k], f->node_count), 1);
    }
    assert_int_equal(f->opset, 17);
    assert_int_equal(f->output_count, 1);
    assert_true(is_text(f->outputs[0].name, "output"));
    assert_int_equal(times_named(f, f->outputs[0].name, f->node_count), 1);
    for (int d = 2; d < 4; d++) /* of any size */
        assert_int_equal(f->inputs[0].shape[d], -1);
}

static void every_operation_is_written_with_names_that_are_given_once(void **state)
{
    (void)state;
    for (size_t which = 0; which < PQ_COUNT(op_nets); which++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct op_net n = op_net_make(which, seed);
            struct written w;
            pique_error err;
            if (save(n.net.graph, seed % 2, &err))
                fail_msg("%s, seed %d: %s", op_nets[which].name, (int)seed, err.message);
            read_again(&w);
            check_names(&w.file, op_nets[which].name);
            forget(&w);
            net_free(&n.net);
        }
    }
    unlink(out_path);
}

/* ---- weights ---- */

/* A table of biases that no file holds stays as exact as it is; a convolution is half. */
static void half_is_for_weights_that_are_large(void **state)
{
    (void)state;
    struct net net = {0};
    struct rng r = {3};
    struct written w;
    pique_error err;
    int floats = 0, halves = 0;
    op_net_begin(&net, 3);
    int at = net_conv(&net, &r, 0, 4, 3);
    const struct pq_tensor factors = net_tensor(&net, &r, 1, (const int64_t[]){4}, 1);
    at = pq_graph_affine(net.graph, at, &factors, &factors, NULL);
    assert_int_equal(pq_graph_finish(net.graph, at, NULL), 0);
    assert_int_equal(save(net.graph, true, &err), 0);
    read_again(&w);
    for (size_t i = 0; i < w.file.tensor_count; i++) {
        const struct pq_onnx_tensor *t = &w.file.tensors[i];
        halves += t->type == PQ_ONNX_FLOAT16;
        floats += t->type == PQ_ONNX_FLOAT;
        assert_true(t->type != PQ_ONNX_FLOAT16 || t->tensor.dims == 4);
        if (t->type == PQ_ONNX_FLOAT && t->tensor.dims == 3)
            assert_memory_equal(t->tensor.data, factors.data, 4 * sizeof(float));
    }
    assert_int_equal(halves, 1);
    assert_int_equal(floats, 3);
    forget(&w);
    net_free(&net);
    unlink(out_path);
}

/* ---- refusals and faults ---- */

static void keys_that_reach_beyond_on_one_axis_are_refused(void **state)
{
    (void)state;
    const struct pq_attention a = {
        .heads = 1, .height = 2, .width = 2, .key_height = 4, .key_width = 2, .scale = 1};
    struct net net = {0};
    pique_error err;
    op_net_begin(&net, 2);
    const int at = pq_graph_attention(net.graph, 0, 0, 0, &a, NULL, NULL);
    assert_int_equal(pq_graph_finish(net.graph, at, NULL), 0);
    assert_int_equal(save(net.graph, false, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "random.pth: attention"));
    assert_int_not_equal(access(out_path, F_OK), 0);
    net_free(&net);
}

/* Let the n-th allocation fail; whether there was one. What succeeds is the whole file: syncing its
 * folder afterwards may fail unseen. */
static bool fail_one(const struct pq_graph *g, const struct pq_map *want, const char *what, long n)
{
    pique_error err;
    pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
    const int rc = save(g, false, &err);
    const bool reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    if (rc && rc != PIQUE_ENOMEM)
        fail_msg("%s, allocation %ld: %d '%s'", what, n, rc, err.message);
    if (rc) {
        assert_int_not_equal(access(out_path, F_OK), 0);
        return true;
    }
    struct pq_map map;
    assert_int_equal(pq_map_open(out_path, &map, &err), 0);
    if (map.size != want->size || memcmp(map.data, want->data, map.size) != 0)
        fail_msg("%s, allocation %ld fails: another file is written", what, n);
    pq_map_close(&map);
    unlink(out_path);
    return reached;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t which = 0; which < PQ_COUNT(op_nets); which++) {
        struct op_net n = op_net_make(which, 1);
        struct pq_map want;
        pique_error err;
        assert_int_equal(save(n.net.graph, false, &err), 0);
        assert_int_equal(pq_map_open(out_path, &want, &err), 0);
        unlink(out_path);
        long i = 1;
        while (fail_one(n.net.graph, &want, op_nets[which].name, i))
            i++;
        assert_true(i > 50);
        pq_map_close(&want);
        net_free(&n.net);
    }
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(out_path, sizeof out_path, "%s/out.onnx", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_written_with_names_that_are_given_once),
        cmocka_unit_test(half_is_for_weights_that_are_large),
        cmocka_unit_test(keys_that_reach_beyond_on_one_axis_are_refused),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
