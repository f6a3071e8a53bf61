/* SPDX-License-Identifier: MIT */
/* The reader of PyTorch files, on those that make_pth.py writes (PIQUE_PTH_FILES names their
 * folder): sound ones in every form, damaged ones and ones that lie. Real ones are read where
 * PIQUE_TEST_MODELS has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/arch.h"
#include "base/crc32.h"
#include "make_model.h"
#include "memory_map.h"
#include "model/container.h"
#include "model/pth.h"
#include "model/safetensors.h"
#include "model/zip.h"

static const char *files_folder;

/* ---- files ---- */

static struct bytes load(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct bytes load(const char *fmt, ...)
{
    char name[200], path[1000], part[4096];
    struct bytes b = {0};
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    snprintf(path, sizeof path, "%s/%s", files_folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: cannot be opened", path);
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        bytes_add(&b, part, n);
    fclose(f);
    return b;
}

static int read_bytes(const void *data, size_t size, struct pq_statedict *sd, pique_error *err)
{
    *sd = (struct pq_statedict){.map = memory_map(data, size, "x.pth")};
    *err = (pique_error){0};
    int rc = pq_pth_read(sd, err);
    if (!rc)
        pq_statedict_canonicalise(sd);
    return rc;
}

/* Read, touch what was read, forget. */
static int try_bytes(const void *data, size_t size, pique_error *err)
{
    struct pq_statedict sd;
    int rc = read_bytes(data, size, &sd, err);
    if (rc == 0)
        touch_all(&sd);
    else if (strncmp(err->message, "x.pth: ", 7) != 0)
        fail_msg("the sentence does not begin with the file: %d '%s'", rc, err->message);
    memory_free(&sd);
    return rc;
}

static const char *metadata(const struct pq_statedict *sd, const char *key)
{
    for (size_t i = 0; i < sd->metadata_count; i++) {
        if (strcmp(sd->metadata[i].key, key) == 0)
            return sd->metadata[i].value;
    }
    return NULL;
}

static bool same_tensors(const struct pq_statedict *a, const struct pq_statedict *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct pq_tensor *x = &a->tensors[i].tensor;
        const struct pq_tensor *y = pq_statedict_find(b, a->tensors[i].name);
        size_t count;
        if (!y || x->dtype != y->dtype || !pq_tensor_is(y, x->dims, x->shape) ||
            !pq_tensor_count(x, &count) ||
            memcmp(x->data, y->data, count * pq_dtype_size(x->dtype)) != 0)
            return false;
    }
    return a->count == b->count;
}

/* ---- sound files ---- */

static void check_good(const char *name)
{
    struct bytes pth = load("good/%s.pth", name), st = load("good/%s.safetensors", name);
    struct pq_statedict a, b = {.map = memory_map(st.data, st.size, "x.safetensors")};
    struct pq_graph *graph = NULL;
    const char *arch = "";
    pique_error err = {0};
    if (read_bytes(pth.data, pth.size, &a, &err) || pq_safetensors_read(&b, &err))
        fail_msg("%s: %s", name, err.message);
    if (!same_tensors(&a, &b))
        fail_msg("%s: is not what the safetensors file says", name);
    assert_true(a.global_count > 0);
    if (pq_statedict_find(&b, "body.0.weight") && b.count == 8) {
        assert_int_equal(pq_arch_build(&a, &graph, &arch, &err), 0);
        assert_string_equal(arch, "Compact");
        pq_graph_free(&graph);
    }
    memory_free(&a);
    memory_free(&b);
    bytes_free(&pth);
    bytes_free(&st);
}

static void every_form_holds_the_same_tensors_as_safetensors(void **state)
{
    (void)state;
    struct bytes list = load("good.txt");
    int tried = 0;
    char *rest = NULL;
    for (char *name = strtok_r((char *)list.data, "\n", &rest); name;
         name = strtok_r(NULL, "\n", &rest), tried++)
        check_good(name);
    assert_true(tried > 30);
    bytes_free(&list);
}

static void only_what_is_out_of_order_is_copied(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t owned;
    } cases[] = {{"zip", 0}, {"legacy", 0}, {"bf16", 0}, {"shapes", 0}, {"expanded", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes file = load("good/%s.pth", cases[i].name);
        struct pq_statedict sd;
        pique_error err;
        assert_int_equal(read_bytes(file.data, file.size, &sd, &err), 0);
        assert_int_equal(sd.owned_count, cases[i].owned);
        memory_free(&sd);
        bytes_free(&file);
    }
}

static void what_stood_beside_the_tensors_is_told(void **state)
{
    (void)state;
    struct bytes file = load("good/lightning.pth");
    struct pq_statedict sd;
    pique_error err;
    assert_int_equal(read_bytes(file.data, file.size, &sd, &err), 0);
    assert_string_equal(metadata(&sd, "epoch"), "7");
    assert_string_equal(metadata(&sd, "global_step"), "1099511627776");
    assert_string_equal(metadata(&sd, "pytorch-lightning_version"), "2.1");
    assert_string_equal(metadata(&sd, "best"), "0.25");
    assert_string_equal(metadata(&sd, "kwargs.scale"), "2");
    assert_null(metadata(&sd, "big"));
    assert_null(metadata(&sd, "kwargs.deep"));
    memory_free(&sd);
    bytes_free(&file);
}

static const struct pq_global *global(const struct pq_statedict *sd, const char *name)
{
    for (size_t i = 0; i < sd->global_count; i++) {
        if (strcmp(sd->globals[i].name, name) == 0)
            return &sd->globals[i];
    }
    return NULL;
}

static void every_name_is_told_with_its_uses_and_its_part(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name;
        uint64_t uses;
        bool interpreted;
    } cases[] = {
        /* 8 tensors, and one in the optimiser */
        {"lightning", "torch._utils._rebuild_tensor_v2", 9, true},
        {"lightning", "torch.FloatStorage", 9, true},
        {"lightning", "omegaconf.DictConfig", 1, false},
        {"zip", "collections.OrderedDict", 9, true},
        {"protocol4", "torch._utils._rebuild_tensor_v2", 8, true},
        {"legacy", "torch._utils._rebuild_tensor_v2", 8, true},
        {"legacy_v1", "torch._utils._rebuild_tensor", 8, true},
        {"f16", "torch.HalfStorage", 8, true},
        {"left_out", "torch._utils._rebuild_sparse_tensor", 1, false},
        {"left_out", "torch.BoolStorage", 1, true},
        {"subclass", "torch._tensor._rebuild_from_type_v2", 8, true},
        {"subclass", "torch.nn.parameter.Parameter", 8, true},
        {"size", "torch.Size", 8, true},
        {"whole_module", "torch._utils._rebuild_parameter", 8, true},
        {"whole_module", "net_arch.Net", 7, false},
        {"script", "__torch__.torch.nn.modules.conv.Conv2d", 1, false},
        {"script", "torch.jit._pickle.build_intlist", 3, false},
        {"named", "whoever.knows.What", 3, false},
        {"named", "another.one", 1, false},
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct bytes file = load("good/%s.pth", cases[i].file);
        struct pq_statedict sd;
        pique_error err;
        if (read_bytes(file.data, file.size, &sd, &err))
            fail_msg("%s", err.message);
        const struct pq_global *g = global(&sd, cases[i].name);
        if (!g || g->uses != cases[i].uses || g->interpreted != cases[i].interpreted)
            fail_msg("%s: %s, %d uses", cases[i].file, cases[i].name, g ? (int)g->uses : -1);
        memory_free(&sd);
        bytes_free(&file);
    }
}

static void tensors_that_cannot_be_used_are_listed(void **state)
{
    (void)state;
    struct bytes file = load("good/left_out.pth");
    struct pq_statedict sd;
    pique_error err;
    assert_int_equal(read_bytes(file.data, file.size, &sd, &err), 0);
    assert_string_equal(metadata(&sd, "tensors left out"),
                        "mask (u8), flag (bool), sparse (sparse_tensor)");
    memory_free(&sd);
    bytes_free(&file);
}

/* ---- files that lie ---- */

static void files_that_lie_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct bytes list = load("bad.txt");
    int tried = 0;
    char *rest = NULL;
    for (char *name = strtok_r((char *)list.data, "\n", &rest); name;
         name = strtok_r(NULL, "\n", &rest), tried++) {
        char *says = strchr(name, '\t');
        assert_non_null(says);
        *says++ = '\0';
        struct bytes file = load("bad/%s.pth", name);
        pique_error err;
        int rc = try_bytes(file.data, file.size, &err);
        if ((rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED) || !strstr(err.message, says))
            fail_msg("%s: %d '%s', not '%s'", name, rc, err.message, says);
        bytes_free(&file);
    }
    assert_true(tried > 100);
    bytes_free(&list);
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"zip", "zip32", "legacy", "legacy_shared"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes file = load("good/%s.pth", names[i]);
        for (size_t size = 0; size <= file.size; size++) {
            pique_error err;
            int rc = try_bytes(file.data, size, &err);
            if ((rc == 0) != (size == file.size))
                fail_msg("%s cut to %zu bytes: %d '%s'", names[i], size, rc, err.message);
        }
        bytes_free(&file);
    }
}

static void put(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

/* Where the pickle lies in a file, and where its sum is written: behind it and in the directory. */
struct place {
    size_t at, size, sums[2];
};

static struct place find_pickle(const struct bytes *file)
{
    struct pq_map map = {.data = file->data, .size = file->size, .path = (char *)"x.pth"};
    struct pq_zip zip;
    pique_error err;
    assert_int_equal(pq_zip_open(&map, &zip, &err), 0);
    struct pq_zip_entry *e = pq_zip_find(&zip, "archive/data.pkl", 16);
    assert_non_null(e);
    struct place p = {.at = (size_t)e->offset, .size = (size_t)e->size};
    p.sums[0] = p.at + p.size + 4;
    static const char name[] = "archive/data.pkl";
    const unsigned char *central = file->data, *end = file->data + file->size;
    do {
        central = memmem(central + 1, (size_t)(end - central - 1), "PK\1\2", 4);
        assert_non_null(central);
    } while (memcmp(central + 46, name, sizeof name - 1) != 0);
    p.sums[1] = (size_t)(central - file->data) + 16;
    pq_zip_close(&zip);
    return p;
}

static int try_pickle(struct bytes *file, const struct place *p)
{
    pique_error err;
    uint32_t crc = pq_crc32(file->data + p->at, p->size);
    for (int i = 0; i < 2; i++)
        put(file->data + p->sums[i], crc, 4);
    int rc = try_bytes(file->data, file->size, &err);
    if (strstr(err.message, "checksum"))
        fail_msg("the sum was not mended");
    return rc;
}

static void a_flipped_bit_in_the_pickle_never_reads_outside(void **state)
{
    (void)state;
    static const char *const names[] = {"zip", "protocol4", "script", "whole_module", "shared"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes file = load("good/%s.pth", names[i]);
        struct place p = find_pickle(&file);
        int refused = 0;
        for (size_t bit = 8 * p.at; bit < 8 * (p.at + p.size); bit++) {
            file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            refused += try_pickle(&file, &p) != 0;
            file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        assert_true(refused > 100);
        assert_int_equal(try_pickle(&file, &p), 0);
        bytes_free(&file);
    }
}

static void a_flipped_bit_in_an_old_file_never_reads_outside(void **state)
{
    (void)state;
    struct bytes file = load("good/legacy.pth");
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        pique_error err;
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        try_bytes(file.data, file.size, &err);
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    bytes_free(&file);
}

static const uint64_t numbers[] = {0,          1,          0x7f,       0xff,
                                   0xffff,     0x7fffffff, 0x80000000, 0xffffffff,
                                   1ull << 62, INT64_MAX,  1ull << 63, UINT64_MAX};

/* Wherever a number may stand, outside of the pickle and the data, a lie is refused or changes
 * nothing of what is read. */
static void a_lie_in_any_field_of_the_archive_changes_no_tensor(void **state)
{
    (void)state;
    struct bytes file = load("good/zip.pth");
    struct place p = find_pickle(&file);
    struct pq_statedict sound, sd;
    pique_error err;
    assert_int_equal(read_bytes(file.data, file.size, &sound, &err), 0);
    int refused = 0, harmless = 0;
    for (size_t at = 0; at < file.size; at += at == p.at ? p.size : 1) {
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            int width = numbers[k] > UINT32_MAX ? 8 : numbers[k] > 0xffff ? 4 : 2;
            unsigned char old[8];
            if (at + (size_t)width > file.size || (at < p.at && at + (size_t)width > p.at))
                continue;
            memcpy(old, file.data + at, 8 - (at + 8 > file.size ? at + 8 - file.size : 0));
            put(file.data + at, numbers[k], width);
            int rc = read_bytes(file.data, file.size, &sd, &err);
            if (rc == 0 && !same_tensors(&sound, &sd))
                fail_msg("%llu at %zu changes what is read", (unsigned long long)numbers[k], at);
            refused += rc != 0;
            harmless += rc == 0;
            memory_free(&sd);
            memcpy(file.data + at, old, (size_t)width);
        }
    }
    assert_true(refused > harmless);
    memory_free(&sound);
    bytes_free(&file);
}

static void a_lie_in_any_number_of_the_pickle_never_reads_outside(void **state)
{
    (void)state;
    struct bytes file = load("good/zip.pth");
    struct place p = find_pickle(&file);
    for (size_t at = p.at; at < p.at + p.size; at++) {
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            int width = numbers[k] > UINT32_MAX ? 8 : numbers[k] > 0xffff ? 4 : 1;
            unsigned char old[8];
            if (at + (size_t)width > p.at + p.size)
                continue;
            memcpy(old, file.data + at, (size_t)width);
            put(file.data + at, numbers[k], width);
            try_pickle(&file, &p);
            memcpy(file.data + at, old, (size_t)width);
        }
    }
    assert_int_equal(try_pickle(&file, &p), 0);
    bytes_free(&file);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const names[] = {"lightning", "legacy_transposed", "left_out", "script"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes file = load("good/%s.pth", names[i]);
        int rc = -1;
        long n = 1;
        for (; rc != 0 && n < 10000; n++) {
            struct pq_statedict sd = {.map = memory_map(file.data, file.size, "x.pth")};
            pique_error err = {0};
            pq_fault_arm(PQ_FAULT_ALLOC, n, 12, n % 2);
            rc = pq_pth_read(&sd, &err);
            pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
            if (rc && (rc != PIQUE_ENOMEM || err.code != rc || !err.message[0]))
                fail_msg("%s, allocation %ld: %d '%s'", names[i], n, rc, err.message);
            memory_free(&sd);
        }
        assert_int_equal(rc, 0);
        assert_true(n > 20);
        bytes_free(&file);
    }
}

/* ---- real files ---- */

static void real_files_are_read_to_the_last_tensor(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t tensors;
        const char *arch;
    } cases[] = {{"2x-AniScale.pth", 53, "Compact"},
                 {"4x-NMKD-YandereNeo-Superlite.pth", 0, "ESRGAN"},
                 {"4x_WTP_descreenton.pth", 0, "OmniSR"}};
    const char *folders = getenv("PIQUE_TEST_MODELS");
    int found = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (const char *s = folders; s && *s; s += strcspn(s, ":"), s += *s == ':') {
            char path[1000];
            struct pq_container c;
            struct pq_graph *graph = NULL;
            const char *arch = "";
            pique_error err = {0};
            snprintf(path, sizeof path, "%.*s/%s", (int)strcspn(s, ":"), s, cases[i].name);
            if (access(path, R_OK) != 0)
                continue;
            found++;
            if (pq_container_open(path, &c, &err))
                fail_msg("%s", err.message);
            assert_string_equal(c.name, "pth");
            assert_true(c.sd.count > 40);
            assert_true(!cases[i].tensors || c.sd.count == cases[i].tensors);
            touch_all(&c.sd);
            int rc = pq_arch_build(&c.sd, &graph, &arch, &err);
            assert_non_null(strstr(rc ? err.message : arch, cases[i].arch));
            pq_graph_free(&graph);
            pq_container_close(&c);
        }
    }
    if (!found) {
        print_message("PIQUE_TEST_MODELS names no folder with real .pth files: skipped\n");
        skip();
    }
}

int main(void)
{
    files_folder = getenv("PIQUE_PTH_FILES");
    if (!files_folder) {
        fputs("PIQUE_PTH_FILES names no folder with the files of make_pth.py\n", stderr);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_holds_the_same_tensors_as_safetensors),
        cmocka_unit_test(only_what_is_out_of_order_is_copied),
        cmocka_unit_test(what_stood_beside_the_tensors_is_told),
        cmocka_unit_test(every_name_is_told_with_its_uses_and_its_part),
        cmocka_unit_test(tensors_that_cannot_be_used_are_listed),
        cmocka_unit_test(files_that_lie_are_refused_with_a_reason),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_flipped_bit_in_the_pickle_never_reads_outside),
        cmocka_unit_test(a_flipped_bit_in_an_old_file_never_reads_outside),
        cmocka_unit_test(a_lie_in_any_field_of_the_archive_changes_no_tensor),
        cmocka_unit_test(a_lie_in_any_number_of_the_pickle_never_reads_outside),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(real_files_are_read_to_the_last_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
