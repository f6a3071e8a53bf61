/* SPDX-License-Identifier: MIT */
/* The first waifu2x models: good ones, damaged ones and ones that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "memory_map.h"
#include "model/waifu2x_json.h"

static int load(const char *text, size_t size, const char *path, struct pq_statedict *sd,
                pique_error *err)
{
    *err = (pique_error){0};
    *sd = (struct pq_statedict){.map = memory_map(text, size, path)};
    int rc = pq_waifu2x_json_read(sd, err);
    if (rc == 0)
        touch_all(sd);
    return rc;
}

#define CLASS  "[{\"class_name\":\"nn.SpatialConvolutionMM\","
#define PLANES "\"nInputPlane\":2,\"nOutputPlane\":1,\"kW\":2,\"kH\":1,"
#define STEPS  "\"dW\":1,\"dH\":1,\"padW\":0,\"padH\":0,"
#define DATA   "\"weight\":[[[[1.5,-2]],[[3,4e-1]]]],\"bias\":[0.25]}"
#define CONFIG                                                                                     \
    ",\"model_config\":{\"arch_name\":\"vgg_7\",\"scale_factor\":1,\"channels\":3,\"offset\":7}}]"
#define GOOD CLASS PLANES STEPS DATA "]"
#define FULL                                                                                       \
    "[{\"class_name\":\"nn.SpatialFullConvolution\",\"nInputPlane\":1,\"nOutputPlane\":2,"         \
    "\"kW\":1,\"kH\":1,\"dW\":2,\"dH\":2,\"padW\":3,\"padH\":3,\"weight\":[[[[1]],[[2]]]],"        \
    "\"bias\":[1,2]}]"

static void layers_become_tensors_named_as_nunif_names_them(void **state)
{
    (void)state;
    static const float weights[] = {1.5f, -2, 3, 0.4f};
    struct pq_statedict sd;
    pique_error err;
    assert_int_equal(load(GOOD, strlen(GOOD), "x.json", &sd, &err), 0);
    const struct pq_tensor *t = pq_statedict_find(&sd, "net.0.weight");
    assert_non_null(t);
    assert_true(pq_tensor_is(t, 4, (const int64_t[]){1, 2, 1, 2}));
    assert_memory_equal(t->data, weights, sizeof weights);
    t = pq_statedict_find(&sd, "net.0.bias");
    assert_true(t && pq_tensor_is(t, 1, (const int64_t[]){1}));
    memory_free(&sd);
    assert_int_equal(load(FULL, strlen(FULL), "x.json", &sd, &err), 0);
    t = pq_statedict_find(&sd, "net.0.weight");
    assert_true(t && pq_tensor_is(t, 4, (const int64_t[]){1, 2, 1, 1}));
    memory_free(&sd);
}

static void the_name_tells_whether_the_picture_is_enlarged_first(void **state)
{
    (void)state;
    static const char config[] =
        CLASS PLANES STEPS "\"weight\":[[[[1,2]],[[3,4]]]],\"bias\":[0]" CONFIG;
    static const struct {
        const char *path;
        bool first;
    } names[] = {{"scale2.0x_model.json", true},
                 {"a/b/scale2.0x_model.json", true},
                 {"scale2.0x/noise1_model.json", false},
                 {"noise1_model.json", false}};
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        struct pq_statedict sd;
        pique_error err;
        assert_int_equal(load(config, strlen(config), names[i].path, &sd, &err), 0);
        assert_string_equal(pq_statedict_note(&sd, "arch_name"), "vgg_7");
        assert_int_equal(pq_statedict_note(&sd, "enlarge first") != NULL, names[i].first);
        memory_free(&sd);
    }
}

static const struct {
    const char *text;
    int rc;
    const char *says;
} cases[] = {
    {"[]", PIQUE_EFORMAT, "no list of 1 to 64 layers"},
    {"{}", PIQUE_EFORMAT, "no list"},
    {"[{\"a\":1,\"a\":2}]", PIQUE_EFORMAT, "no JSON"},
    {"[{\"\033[2J", PIQUE_EFORMAT, "no JSON from line 1 on"},
    {"[1]", PIQUE_EUNSUPPORTED, "layer 0 is no convolution"},
    {"[{\"class_name\":\"nn.ReLU\"}]", PIQUE_EUNSUPPORTED, "is no convolution"},
    {CLASS STEPS DATA "]", PIQUE_EFORMAT, "no planes"},
    {CLASS "\"nInputPlane\":4097,\"nOutputPlane\":1,\"kW\":2,\"kH\":1," STEPS DATA "]",
     PIQUE_EFORMAT, "too many"},
    {CLASS "\"nInputPlane\":2.0,\"nOutputPlane\":1,\"kW\":2,\"kH\":1," STEPS DATA "]",
     PIQUE_EFORMAT, "no planes"},
    {CLASS "\"nInputPlane\":4096,\"nOutputPlane\":4096,\"kW\":31,\"kH\":31," STEPS DATA "]",
     PIQUE_EFORMAT, "more weights"},
    {CLASS "\"nInputPlane\":2,\"nOutputPlane\":1,\"kW\":2,\"kH\":2," STEPS DATA "]", PIQUE_EFORMAT,
     "not numbers of its planes and kernel"},
    {CLASS PLANES "\"dW\":2,\"dH\":2,\"padW\":0,\"padH\":0," DATA "]", PIQUE_EUNSUPPORTED,
     "step of 1"},
    {CLASS PLANES DATA "]", PIQUE_EUNSUPPORTED, "step of 1"},
    {CLASS PLANES STEPS "\"weight\":[[[[1,2]],[[3,\"4\"]]]],\"bias\":[0]}]", PIQUE_EFORMAT,
     "not numbers"},
    {CLASS PLANES STEPS "\"weight\":[[[[1,2]],[[3,1e300]]]],\"bias\":[0]}]", PIQUE_EFORMAT,
     "not numbers"},
    {CLASS PLANES STEPS "\"weight\":[[[[1,2]],[[3,4]]]],\"bias\":[]}]", PIQUE_EFORMAT,
     "not numbers"},
    {CLASS PLANES STEPS "\"weight\":[[[[1,2]],[[3,4]]]]}]", PIQUE_EFORMAT, "not numbers"},
    {CLASS PLANES STEPS DATA ",{}]", PIQUE_EUNSUPPORTED, "layer 1 is no convolution"},
};

static void every_refusal_names_the_file_and_the_cause(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_statedict sd;
        pique_error err;
        int rc = load(cases[i].text, strlen(cases[i].text), "x.json", &sd, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].says) ||
            strncmp(err.message, "x.json: ", 8) != 0 || strchr(err.message, '\033'))
            fail_msg("%s: %d '%s'", cases[i].text, rc, err.message);
        memory_free(&sd);
    }
}

static void a_file_cut_at_any_byte_or_with_a_flipped_bit_never_reads_outside(void **state)
{
    (void)state;
    char text[] = GOOD;
    struct pq_statedict sd;
    pique_error err;
    for (size_t size = 0; size < sizeof text - 1; size++) {
        assert_int_equal(load(text, size, "x.json", &sd, &err), PIQUE_EFORMAT);
        memory_free(&sd);
    }
    for (size_t bit = 0; bit < (sizeof text - 1) * 8; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        int rc = load(text, sizeof text - 1, "x.json", &sd, &err);
        assert_true(rc == 0 || err.message[0]);
        memory_free(&sd);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
}

static void too_many_values_are_refused_before_they_are_read(void **state)
{
    (void)state;
    const size_t size = (size_t)3 << 20;
    char *text = malloc(size);
    struct pq_statedict sd;
    pique_error err;
    memset(text, ',', size);
    assert_int_equal(load(text, size, "x.json", &sd, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "3145729 values"));
    memory_free(&sd);
    memset(text, '[', (size_t)1 << 19); /* deep */
    assert_int_equal(load(text, (size_t)1 << 19, "x.json", &sd, &err), PIQUE_EFORMAT);
    memory_free(&sd);
    free(text);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    int rc = -1;
    for (long n = 1; rc != 0 && n < 100; n++) {
        struct pq_statedict sd;
        pique_error err;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, false);
        rc = load(GOOD, strlen(GOOD), "x.json", &sd, &err);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_true(rc == 0 || rc == PIQUE_ENOMEM);
        memory_free(&sd);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_become_tensors_named_as_nunif_names_them),
        cmocka_unit_test(the_name_tells_whether_the_picture_is_enlarged_first),
        cmocka_unit_test(every_refusal_names_the_file_and_the_cause),
        cmocka_unit_test(a_file_cut_at_any_byte_or_with_a_flipped_bit_never_reads_outside),
        cmocka_unit_test(too_many_values_are_refused_before_they_are_read),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
