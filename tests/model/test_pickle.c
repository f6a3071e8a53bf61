/* SPDX-License-Identifier: MIT */
/* The pickle machine by itself: opcodes of each protocol, and programs that are no pickles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/str.h"
#include "make_model.h"
#include "model/pickle.h"

/* On the heap, so that the address sanitizer sees a byte taken beyond the end. */
static int read_bytes(const void *data, size_t size, struct pq_pickle *p, unsigned char **copy,
                      pique_error *err)
{
    *copy = malloc(size ? size : 1);
    assert_non_null(*copy);
    memcpy(*copy, size ? data : "", size);
    *err = (pique_error){0};
    return pq_pickle_read("x", *copy, size, p, err);
}

static void describe(struct pq_str *s, const struct pq_pickle_value *v)
{
    static const char brackets[][2] = {
        [PQ_PICKLE_TUPLE] = {'(', ')'},      [PQ_PICKLE_LIST] = {'[', ']'},
        [PQ_PICKLE_DICT] = {'{', '}'},       [PQ_PICKLE_OBJECT] = {'<', '>'},
        [PQ_PICKLE_PERSISTENT] = {'@', '@'},
    };
    switch (v->kind) {
    case PQ_PICKLE_NONE:
        pq_str_add(s, "none");
        break;
    case PQ_PICKLE_BOOL:
        pq_str_add(s, v->integer ? "true" : "false");
        break;
    case PQ_PICKLE_INT:
        pq_str_printf(s, "%lld", (long long)v->integer);
        break;
    case PQ_PICKLE_FLOAT:
        pq_str_printf(s, "%g", v->number);
        break;
    case PQ_PICKLE_LONG:
        pq_str_printf(s, "long%zu", v->bytes);
        break;
    case PQ_PICKLE_STR:
    case PQ_PICKLE_BYTES:
    case PQ_PICKLE_GLOBAL:
        pq_str_printf(s, "'%.*s'", (int)v->bytes, v->text);
        break;
    default:
        pq_str_printf(s, "%c", brackets[v->kind][0]);
        for (uint32_t i = 0; i < v->count; i++) {
            pq_str_add(s, i ? "," : "");
            describe(s, v->items[i]);
        }
        pq_str_printf(s, "%c", brackets[v->kind][1]);
    }
}

#define BYTES(text) text, sizeof text - 1

static void each_opcode_makes_its_value(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t size;
        const char *value;
    } cases[] = {
        {BYTES("\x80\2N."), "none"},
        {BYTES("\x88."), "true"},
        {BYTES("\x89."), "false"},
        {BYTES("K\xff."), "255"},
        {BYTES("M\xff\xff."), "65535"},
        {BYTES("J\xff\xff\xff\xff."), "-1"},
        {BYTES("\x8a\0."), "0"},
        {BYTES("\x8a\1\x80."), "-128"},
        {BYTES("\x8a\2\x80\0."), "128"},
        {BYTES("\x8a\10\0\0\0\0\0\0\0\x80."), "-9223372036854775808"},
        {BYTES("\x8a\11\0\0\0\0\0\0\0\x80\0."), "long9"},
        {BYTES("\x8b\1\0\0\0\7."), "7"},
        {BYTES("G\x40\x09\x21\xfb\x54\x44\x2d\x18."), "3.14159"},
        {BYTES("X\2\0\0\0hi."), "'hi'"},
        {BYTES("U\2hi."), "'hi'"},
        {BYTES("T\2\0\0\0hi."), "'hi'"},
        {BYTES("\x8c\2hi."), "'hi'"},
        {BYTES("\x8d\2\0\0\0\0\0\0\0hi."), "'hi'"},
        {BYTES("C\2hi."), "'hi'"},
        {BYTES("B\2\0\0\0hi."), "'hi'"},
        {BYTES("\x8e\2\0\0\0\0\0\0\0hi."), "'hi'"},
        {BYTES("\x96\2\0\0\0\0\0\0\0hi."), "'hi'"},
        {BYTES(")."), "()"},
        {BYTES("K\1\x85."), "(1)"},
        {BYTES("K\1K\2\x86."), "(1,2)"},
        {BYTES("K\1K\2K\3\x87."), "(1,2,3)"},
        {BYTES("(K\1K\2K\3K\4t."), "(1,2,3,4)"},
        {BYTES("]K\1a(K\2K\3e."), "[1,2,3]"},
        {BYTES("(K\1K\2l."), "[1,2]"},
        {BYTES("\x8f(K\1\x90."), "[1]"},
        {BYTES("(K\1\x91."), "[1]"},
        {BYTES("}K\1K\2s(K\3K\4u."), "{1,2,3,4}"},
        {BYTES("(K\1K\2d."), "{1,2}"},
        {BYTES("]q\0h\0a0h\0."), "[["}, /* a circle, cut off below */
        {BYTES("K\7q\x05K\1h\x05\x86."), ""},
        {BYTES("K\7r\5\0\0\0"
               "0j\5\0\0\0."),
         "7"},
        {BYTES("\x80\4\x95\3\0\0\0\0\0\0\0K\7\x94"
               "0h\0."),
         "7"},
        {BYTES("K\7(K\1K\2"
               "1."),
         "7"},
        {BYTES("K\7(0."), "7"},
        {BYTES("K\7"
               "2\x86."),
         "(7,7)"},
        {BYTES("ca.b\nc\n."), "'a.b.c'"},
        {BYTES("\x8c\1a\x8c\1b\x93."), "'a.b'"},
        {BYTES("ca\nb\nK\1\x85R."), "<'a.b',(1)>"},
        {BYTES("ca\nb\n)\x81K\5b."), "<'a.b',(),5>"},
        {BYTES("ca\nb\n)}\x92."), "<'a.b',()>"},
        {BYTES("(ca\nb\nK\1o."), "<'a.b',(1)>"},
        {BYTES("(K\1ia\nb\n."), "<'a.b',(1)>"},
        {BYTES("ccollections\nOrderedDict\n)RK\1K\2s}b."), "{1,2}"},
        {BYTES("ccollections\nOrderedDict\n](K\1K\2le\x85R."), ""},
        {BYTES("ccollections\nOrderedDict\n](](K\1K\2ee\x85R."), "{1,2}"},
        {BYTES("(K\1tQ."), "@1@"},
        {BYTES("ca\nb\n)RK\1K\2s."), "<'a.b',()>"}, /* items of what is unknown are dropped */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pq_pickle p;
        unsigned char *copy;
        pique_error err;
        struct pq_str s = {0};
        int rc = read_bytes(cases[i].data, cases[i].size, &p, &copy, &err);
        bool circle = strcmp(cases[i].value, "[[") == 0;
        if (!rc && circle)
            assert_ptr_equal(p.root->items[0], p.root);
        if (!rc && !circle) {
            assert_int_equal(p.bytes, cases[i].size);
            describe(&s, p.root);
        }
        if ((rc == 0) != (cases[i].value[0] != 0) ||
            (!rc && !circle && strcmp(s.data, cases[i].value) != 0))
            fail_msg("case %zu: %d '%s' '%s', not '%s'", i, rc, err.message, s.data ? s.data : "",
                     cases[i].value);
        pq_str_free(&s);
        pq_pickle_free(&p);
        free(copy);
    }
}

static void what_is_no_pickle_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t size;
        const char *says;
    } cases[] = {
        {BYTES(""), "ends before its last instruction"},
        {BYTES("\x80\2"), "ends before its last instruction"},
        {BYTES("\x80\1N."), "protocol other than 2 to 5"},
        {BYTES("\x80\6N."), "protocol other than 2 to 5"},
        {BYTES("."), "one value"},
        {BYTES("NN."), "one value"},
        {BYTES("N(."), "one value"},
        {BYTES("\0."), "not known (0x00 at byte 0"},
        {BYTES("I1\n."), "not known (0x49"},
        {BYTES("\x82\1."), "not known (0x82"},
        {BYTES("\x97."), "not known (0x97"},
        /* SETITEM and APPEND on what takes none: CVE-2026-24747 */
        {BYTES("]K\1K\2s."), "no dictionary"},
        {BYTES("K\7K\1K\2s."), "no dictionary"},
        {BYTES("N(K\1K\2u."), "no dictionary"},
        {BYTES(")(K\1K\2u."), "no dictionary"},
        {BYTES("(K\1tQK\1K\2s."), "no dictionary"},
        {BYTES("ca\nb\nK\1K\2s."), "no dictionary"},
        {BYTES("}K\1a."), "no list"},
        {BYTES("X\1\0\0\0a(K\1e."), "no list"},
        {BYTES("}(K\1u."), "key without a value"},
        {BYTES("(K\1d."), "key without a value"},
        /* a stack that is too short, also because a mark lies in between */
        {BYTES("0."), "mark where there is none"},
        {BYTES("K\1\x86."), "value where there is none"},
        {BYTES("K\1(\x85."), "value where there is none"},
        {BYTES("}K\1(K\2s."), "value where there is none"},
        {BYTES("2."), "value where there is none"},
        {BYTES("q\0."), "value where there is none"},
        {BYTES("\x94."), "value where there is none"},
        {BYTES("t."), "mark where there is none"},
        {BYTES("e."), "mark where there is none"},
        {BYTES("u."), "mark where there is none"},
        {BYTES("1."), "mark where there is none"},
        {BYTES("a."), "value where there is none"},
        {BYTES("R."), "value where there is none"},
        {BYTES("b."), "value where there is none"},
        {BYTES("Q."), "value where there is none"},
        {BYTES("\x93."), "value where there is none"},
        {BYTES("(o."), "no function"},
        /* calls of what cannot be called */
        {BYTES("K\1)R."), "no function"},
        {BYTES("})R."), "no function"},
        {BYTES("ca\nb\nK\1R."), "without a list of arguments"},
        {BYTES("ca\nb\n}b."), "has none"},
        {BYTES("]}b."), "has none"},
        {BYTES("K\1}b."), "has none"},
        {BYTES("K\1K\2\x93."), "no text"},
        {BYTES("K\1Q."), "no storage"},
        /* counts beyond the end */
        {BYTES("X\xff\xff\xff\xffhi."), "longer than what is left"},
        {BYTES("X\3\0\0\0h."), "longer than what is left"},
        {BYTES("X\3\0"), "cut short"},
        {BYTES("U\xffhi."), "longer than what is left"},
        {BYTES("\x8d\xff\xff\xff\xff\xff\xff\xff\xffhi."), "longer than what is left"},
        {BYTES("\x8e\0\0\0\0\0\0\0\x80hi."), "longer than what is left"},
        {BYTES("\x8a\xff."), "longer than what is left"},
        {BYTES("\x8b\xff\xff\xff\x7f."), "longer than what is left"},
        {BYTES("\x80\4\x95\0\0\0\0\0\0\0\x80N."), "longer than what is left"},
        {BYTES("G\1."), "cut short"},
        {BYTES("ca\nb"), "name without an end"},
        {BYTES("c"), "name without an end"},
        {BYTES("c\nb\n."), "control characters"},
        {BYTES("ca\033\nb\n."), "control characters"},
        /* the memo */
        {BYTES("h\0."), "never numbered"},
        {BYTES("j\xff\xff\xff\xff."), "never numbered"},
        {BYTES("Nr\xff\xff\xff\xff."), "beyond all"},
        {BYTES("Nq\x09."), "beyond all"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pq_pickle p;
        unsigned char *copy;
        pique_error err;
        int rc = read_bytes(cases[i].data, cases[i].size, &p, &copy, &err);
        if ((rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED) ||
            !strstr(err.message, cases[i].says))
            fail_msg("case %zu: %d '%s', not '%s'", i, rc, err.message, cases[i].says);
        pq_pickle_free(&p);
        free(copy);
    }
}

/* Each of these would take all memory, the stack or hours in a reader that lets it. */
static void a_small_pickle_cannot_take_much(void **state)
{
    (void)state;
    static const struct {
        const char *head, *again, *tail;
        int times;
        const char *says; /* NULL: it may */
    } cases[] = {
        {"", "]", "N.", 1 << 21, "more steps"},
        {"", "(", "N.", 1 << 21, "more steps"},
        {"N", "2", ".", 1 << 21, "more steps"},
        {"", "(", "N.", 1000, "one value"},
        {"N", "\x85", ".", 500000, NULL}, /* half a million tuples deep, and nothing recurses */
        {"N", "ca\nb\n0", ".", 1 << 17, "names more things"},
        {"", "", "", 0, "ends before"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = {0};
        struct pq_pickle p;
        pique_error err = {0};
        bytes_text(&b, "%s", cases[i].head);
        for (int k = 0; k < cases[i].times; k++)
            bytes_add(&b, cases[i].again, strlen(cases[i].again));
        bytes_text(&b, "%s", cases[i].tail);
        int rc = pq_pickle_read("x", b.data, b.size, &p, &err);
        if (cases[i].says ? rc == 0 || !strstr(err.message, cases[i].says) : rc != 0)
            fail_msg("case %zu: %d '%s'", i, rc, err.message);
        pq_pickle_free(&p);
        bytes_free(&b);
    }
}

/* One list of a thousand pairs, made into a dictionary a hundred thousand times. */
static void a_list_used_again_and_again_counts_each_time(void **state)
{
    (void)state;
    struct bytes b = {0};
    struct pq_pickle p;
    pique_error err = {0};
    bytes_add(&b, BYTES("ccollections\nOrderedDict\nq\0]("));
    for (int i = 0; i < 1000; i++)
        bytes_add(&b, BYTES("NN\x86"));
    bytes_add(&b, BYTES("e\x85q\1"));
    for (int i = 0; i < 100000; i++)
        bytes_add(&b, BYTES("h\0h\1R0"));
    bytes_add(&b, BYTES("0."));
    assert_int_equal(pq_pickle_read("x", b.data, b.size, &p, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "more steps"));
    pq_pickle_free(&p);
    bytes_free(&b);
}

static void names_that_run_code_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *module, *name;
        bool dangerous;
    } cases[] = {
        {"os", "system", true},
        {"posix", "system", true},
        {"nt", "system", true},
        {"os.path", "join", true},
        {"builtins", "eval", true},
        {"__builtin__", "exec", true},
        {"builtins", "getattr", true},
        {"torch.serialization", "os.system", true},
        {"numpy", "builtins.eval", true},
        {"a", "b.__import__", true},
        {"builtins", "set", false},
        {"builtins", "complex", false},
        {"collections", "OrderedDict", false},
        {"torch._utils", "_rebuild_tensor_v2", false},
        {"pathlib", "PosixPath", false},
        {"ossaudiodev", "open", false},
        {"osgeo", "x", false},
        {"net_arch", "Net.Inner", false},
        {"numpy.core.multiarray", "scalar", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *m = cases[i].module, *n = cases[i].name;
        if (pq_pickle_dangerous(m, strlen(m), n, strlen(n)) != cases[i].dangerous)
            fail_msg("%s.%s", m, n);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char data[] = "\x80\2ca\nb\nq\0(X\1\0\0\0aK\1K\2K\3K\4K\5K\6K\7t\x85Rh\0\x86"
                               "(K\1tQ\x86.";
    int rc = -1;
    long n = 1;
    for (; rc != 0 && n < 1000; n++) {
        struct pq_pickle p;
        unsigned char *copy;
        pique_error err;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, n % 2);
        rc = read_bytes(BYTES(data), &p, &copy, &err);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (rc && (rc != PIQUE_ENOMEM || !err.message[0]))
            fail_msg("allocation %ld: %d '%s'", n, rc, err.message);
        pq_pickle_free(&p);
        free(copy);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_opcode_makes_its_value),
        cmocka_unit_test(what_is_no_pickle_is_refused_with_a_reason),
        cmocka_unit_test(a_small_pickle_cannot_take_much),
        cmocka_unit_test(a_list_used_again_and_again_counts_each_time),
        cmocka_unit_test(names_that_run_code_are_known),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
