/* SPDX-License-Identifier: MIT */
/* Walking: what is found, in which order, and what happens when memory runs out on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/files.h"

static char folder[] = "pique-walk-XXXXXX";

static void put(const char *name)
{
    pique_error err;
    struct pq_file f;
    char *parent = pq_strdup(name);
    char *slash = strrchr(parent, '/');
    if (slash) {
        *slash = '\0';
        assert_int_equal(pq_make_folders(parent, &err), 0);
    }
    pq_free(parent);
    assert_int_equal(pq_file_create(name, false, &f, &err), 0);
    assert_int_equal(pq_file_write(&f, "x", 1, &err), 0);
    assert_int_equal(pq_file_commit(&f, false, &err), 0);
}

static int make_tree(void **state)
{
    static const char *const names[] = {"in/b.png",          "in/a.JPG",         "in/s/t/c.webp",
                                        "in/s/a.tif",        "in/.hidden/x.png", "in/notes.txt",
                                        "in/__MACOSX/a.png", "in/out/old.png",   "empty/readme.txt",
                                        "named.data"};
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    for (size_t i = 0; i < PQ_COUNT(names); i++)
        put(names[i]);
    if (symlink("..", "in/s/up") != 0 || symlink("gone.png", "in/gone.png") != 0)
        return -1;
    return 0;
}

static int remove_tree(void **state)
{
    if (chdir("..") != 0)
        return -1;
    char command[64];
    snprintf(command, sizeof command, "rm -r ./%s", folder);
    return system(command);
}

/* Everything that is found, "path>name" or "path!" with a problem, one blank between. */
static void expect(const char *const *operands, size_t count, struct pq_walk walk,
                   const char *found)
{
    struct pq_inputs in;
    pique_error err;
    struct pq_str s = {0};
    assert_int_equal(pq_inputs_collect(&in, operands, count, &walk, &err), 0);
    for (size_t i = 0; i < in.count; i++) {
        const struct pq_input *input = &in.list[i];
        pq_str_printf(&s, "%s%s%s%s", i ? " " : "", input->path, input->status ? "!" : ">",
                      input->status ? "" : input->name);
    }
    assert_string_equal(s.data ? s.data : "", found);
    pq_str_free(&s);
    pq_inputs_free(&in);
}

static void test_a_folder_yields_its_pictures_in_order(void **state)
{
    const char *const in[] = {"in"};
    expect(in, 1, (struct pq_walk){.not_inside = "in/out"},
           "in/a.JPG>a.JPG in/b.png>b.png in/s/a.tif>s/a.tif in/s/t/c.webp>s/t/c.webp");
    expect(in, 1, (struct pq_walk){.flat = true}, "in/a.JPG>a.JPG in/b.png>b.png");
    expect(in, 1, (struct pq_walk){.not_inside = "no/such/folder"},
           "in/a.JPG>a.JPG in/b.png>b.png in/out/old.png>out/old.png in/s/a.tif>s/a.tif "
           "in/s/t/c.webp>s/t/c.webp");
}

static void test_several_operands_keep_their_folders_apart(void **state)
{
    const char *const two[] = {"named.data", "in/s/"};
    expect(two, 2, (struct pq_walk){.flat = true}, "named.data>named.data in/s/a.tif>s/a.tif");
}

static void test_the_same_file_is_taken_once(void **state)
{
    const char *const same[] = {"in/b.png", "./in/../in/b.png", "in/s/up/b.png", "in"};
    expect(same, 4, (struct pq_walk){.flat = true}, "in/b.png>b.png in/a.JPG>in/a.JPG");
}

static void test_what_cannot_be_used_stands_in_its_turn(void **state)
{
    const char *const bad[] = {"gone.png", "in/b.png", "empty", ""};
    expect(bad, 4, (struct pq_walk){0}, "gone.png! in/b.png>b.png empty! !");
    const char *const self[] = {"in"};
    expect(self, 1, (struct pq_walk){.not_inside = "./in"}, "in!");
}

static void test_standard_input_is_named_once(void **state)
{
    const char *const twice[] = {"-", "-"};
    struct pq_inputs in;
    pique_error err;
    struct pq_walk walk = {0};
    assert_int_equal(pq_inputs_collect(&in, twice, 1, &walk, &err), 0);
    assert_string_equal(in.list[0].name, "stdin");
    pq_inputs_free(&in);
    assert_int_equal(pq_inputs_collect(&in, twice, 2, &walk, &err), PIQUE_EINVAL);
    pq_inputs_free(&in);
}

static void test_a_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    const char *const operands[] = {"in", "gone.png", "empty", "named.data", "-"};
    struct pq_walk walk = {.not_inside = "in/out"};
    for (long n = 1;; n++) {
        struct pq_inputs in;
        pique_error err = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_inputs_collect(&in, operands, PQ_COUNT(operands), &walk, &err);
        bool reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        pq_inputs_free(&in);
        if (!reached) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, PIQUE_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_yields_its_pictures_in_order),
        cmocka_unit_test(test_several_operands_keep_their_folders_apart),
        cmocka_unit_test(test_the_same_file_is_taken_once),
        cmocka_unit_test(test_what_cannot_be_used_stands_in_its_turn),
        cmocka_unit_test(test_standard_input_is_named_once),
        cmocka_unit_test(test_a_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
