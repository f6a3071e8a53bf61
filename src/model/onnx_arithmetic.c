/* SPDX-License-Identifier: MIT */
/* Operators on one number after another. */
#include <math.h>

#include "base/alloc.h"
#include "model/onnx_import.h"

static double add(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a + b;
}
static double sub(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a - b;
}
static double mul(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a * b;
}
static double divide(double a, double b, double c, bool whole)
{
    (void)c;
    return whole ? (b ? trunc(a / b) : 0) : a / b;
}
static double modulo(double a, double b, double c, bool whole)
{
    (void)c;
    if (!whole)
        return fmod(a, b);
    return b ? a - b * floor(a / b) : 0;
}
static double power(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return pow(a, b);
}
static double smaller(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a < b ? a : b;
}
static double larger(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a > b ? a : b;
}
static double equal(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a == b;
}
static double less(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a < b;
}
static double less_equal(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a <= b;
}
static double greater(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a > b;
}
static double greater_equal(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a >= b;
}
static double both(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a != 0 && b != 0;
}
static double either(double a, double b, double c, bool whole)
{
    (void)c, (void)whole;
    return a != 0 || b != 0;
}
static double not(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return a == 0;
}
static double choose(double a, double b, double c, bool whole)
{
    (void)whole;
    return a != 0 ? b : c;
}
static double negate(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return -a;
}
static double absolute(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return fabs(a);
}
static double below(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return floor(a);
}
static double above(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return ceil(a);
}
static double nearest(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return rint(a);
}
static double root(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return sqrt(a);
}
static double exponential(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return exp(a);
}
static double rectified(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return a > 0 ? a : 0;
}
static double inverse(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return 1 / a;
}

/* The type of the result: that of the last input, or bool. */
enum result { AS_INPUT, TRUTH };

static const struct arithmetic {
    const char *op;
    int inputs;
    enum result result;
    pq_number_fn *fn;
} arithmetic[] = {
    {"Add", 2, AS_INPUT, add},
    {"Sub", 2, AS_INPUT, sub},
    {"Mul", 2, AS_INPUT, mul},
    {"Div", 2, AS_INPUT, divide},
    {"Mod", 2, AS_INPUT, modulo},
    {"Pow", 2, AS_INPUT, power},
    {"Min", 2, AS_INPUT, smaller},
    {"Max", 2, AS_INPUT, larger},
    {"Equal", 2, TRUTH, equal},
    {"Less", 2, TRUTH, less},
    {"LessOrEqual", 2, TRUTH, less_equal},
    {"Greater", 2, TRUTH, greater},
    {"GreaterOrEqual", 2, TRUTH, greater_equal},
    {"And", 2, TRUTH, both},
    {"Or", 2, TRUTH, either},
    {"Not", 1, TRUTH, not },
    {"Where", 3, AS_INPUT, choose},
    {"Neg", 1, AS_INPUT, negate},
    {"Abs", 1, AS_INPUT, absolute},
    {"Floor", 1, AS_INPUT, below},
    {"Ceil", 1, AS_INPUT, above},
    {"Round", 1, AS_INPUT, nearest},
    {"Sqrt", 1, AS_INPUT, root},
    {"Exp", 1, AS_INPUT, exponential},
    {"Relu", 1, AS_INPUT, rectified},
    {"Reciprocal", 1, AS_INPUT, inverse},
};

static int fold(struct pq_import *im, const struct arithmetic *a)
{
    struct pq_number in[3], out;
    for (int i = 0; i < a->inputs; i++) {
        const struct pq_value *v = pq_import_in(im, (size_t)i);
        if (v->kind != PQ_VALUE_NUMBER)
            return pq_import_fail(im, PIQUE_EFORMAT, "it lacks an input");
        in[i] = v->number;
    }
    if (im->node->ins != (size_t)a->inputs)
        return pq_import_refuse(im, "with so many numbers, it cannot be computed beforehand");
    const bool whole = a->result == TRUTH || in[a->inputs - 1].whole;
    int rc = pq_import_folded(im, pq_number_map(&im->folder, a->fn, whole, a->inputs, in, &out));
    return rc ? rc : pq_import_set_number(im, 0, &out);
}

int pq_import_fold_arithmetic(struct pq_import *im, bool *known)
{
    *known = true;
    for (size_t i = 0; i < PQ_COUNT(arithmetic); i++) {
        if (pq_span_is(im->node->op, arithmetic[i].op))
            return fold(im, &arithmetic[i]);
    }
    *known = false;
    return 0;
}
