/* SPDX-License-Identifier: MIT */
/* Which tiers a network is safe in, over the networks of tests/golden: their folder is the
 * argument. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/model.h"
#include "base/alloc.h"
#include "base/str.h"

static const char *folder;

static bool has_group_norm(const pique_model *m)
{
    const struct pq_graph *g = pq_model_graph(m);
    for (int i = 0; i < g->count; i++) {
        if (g->ops[i].kind == PQ_OP_GROUP_NORM)
            return true;
    }
    return false;
}

static bool starts_with_one_of(const char *name, const char *const *starts)
{
    for (; *starts; starts++) {
        if (pq_starts_with(name, *starts))
            return true;
    }
    return false;
}

/* In int16, with trained weights: docs/numerics.md. */
static bool is_measured(const char *architecture)
{
    static const char *const names[] = {"Compact", "ESRGAN",  "OmniSR",
                                        "UpConv7", "UpCunet", "VGG7"};
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        if (strcmp(names[i], architecture) == 0)
            return true;
    }
    return false;
}

/* What the public programs do not run in fp16, and no more; and nothing that can be run was
 * forgotten. */
static void every_network_says_what_it_is_safe_in(void **state)
{
    (void)state;
    static const char *const kept_out[] = {"atd-",   "dat-",      "drct-",   "hat-", "rcan-",
                                           "safmn-", "srformer-", "swinir-", NULL};
    DIR *d = opendir(folder);
    assert_non_null(d);
    int count = 0, group_norms = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        size_t length = strlen(e->d_name);
        bool pth = length > 4 && strcmp(e->d_name + length - 4, ".pth") == 0;
        if (!pth && !(length > 12 && strcmp(e->d_name + length - 12, ".safetensors") == 0))
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        pique_model *m = NULL;
        pique_error err;
        if (pique_model_open(path, &m, &err))
            continue; /* a network of tomorrow; nets_test.c tells */
        pique_model_info info = {.size = sizeof info};
        assert_int_equal(pique_model_get_info(m, &info, NULL), 0);
        const bool norm = has_group_norm(m);
        const bool unsafe = norm || starts_with_one_of(e->d_name, kept_out);
        if ((info.fp16_unsafe != NULL) != unsafe)
            fail_msg("%s, %s: fp16 is %s", e->d_name, info.architecture,
                     info.fp16_unsafe ? info.fp16_unsafe : "safe");
        if (info.bf16_unsafe)
            fail_msg("%s, %s: bf16: %s", e->d_name, info.architecture, info.bf16_unsafe);
        if ((info.int16_unsafe == NULL) != is_measured(info.architecture))
            fail_msg("%s, %s: int16 is %s", e->d_name, info.architecture,
                     info.int16_unsafe ? info.int16_unsafe : "safe");
        if (norm && !starts_with_one_of(e->d_name, kept_out))
            assert_non_null(strstr(info.fp16_unsafe, "group norm"));
        group_norms += norm;
        count++;
        pique_model_close(&m);
    }
    closedir(d);
    assert_true(count > 50);
    assert_true(group_norms > 3);
}

static void a_network_that_nobody_measured_stays_in_fp32(void **state)
{
    (void)state;
    struct pq_graph g = {0};
    struct pq_tiers tiers = {0};
    pq_tiers_of("graph", &g, &tiers);
    assert_non_null(tiers.fp16);
    assert_non_null(tiers.bf16);
    assert_non_null(tiers.int16);
    pq_tiers_of("Compact", &g, &tiers);
    assert_null(tiers.fp16);
    assert_null(tiers.bf16);
    assert_null(tiers.int16);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network_says_what_it_is_safe_in),
        cmocka_unit_test(a_network_that_nobody_measured_stays_in_fp32),
    };
    if (argc != 2)
        return 64;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
