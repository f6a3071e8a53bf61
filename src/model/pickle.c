/* SPDX-License-Identifier: MIT */
/* The machine of CPython's Modules/_pickle.c and pickletools.py, opcode by opcode;
 * pickle_machine.h has what they work on. */
#include "model/pickle.h"

#include <string.h>

#include "base/alloc.h"
#include "model/pickle_machine.h"
#include "model/statedict.h"

enum {
    MAX_GLOBAL_STEPS = 65536, /* writers keep a name in the memo */
    MAX_GLOBALS = 512
};

typedef struct pq_pickle_value value; /* it is in every other line below */

/* ---- reading operands ---- */

static bool has(const struct pq_machine *m, uint64_t bytes)
{
    return bytes <= m->bytes - m->at;
}

static int read_number(struct pq_machine *m, int bytes, uint64_t *out)
{
    if (!has(m, (uint64_t)bytes))
        return pq_pm_broken(m, "is cut short");
    *out = 0;
    for (int i = bytes - 1; i >= 0; i--)
        *out = *out << 8 | m->data[m->at + (size_t)i];
    m->at += (size_t)bytes;
    return 0;
}

static int push_integer(struct pq_machine *m, enum pq_pickle_kind kind, int64_t integer)
{
    value *v = pq_pm_make(m, kind);
    if (v)
        v->integer = integer;
    return pq_pm_push(m, v);
}

static int push_text(struct pq_machine *m, enum pq_pickle_kind kind, const char *text, size_t bytes)
{
    value *v = pq_pm_make(m, kind);
    if (v) {
        v->text = text;
        v->bytes = bytes;
    }
    return pq_pm_push(m, v);
}

/* Text behind its length. */
static int read_text(struct pq_machine *m, enum pq_pickle_kind kind, int length_bytes)
{
    uint64_t bytes = 0;
    int rc = read_number(m, length_bytes, &bytes);
    if (rc)
        return rc;
    if (!has(m, bytes))
        return pq_pm_broken(m, "has a text that is longer than what is left");
    const char *text = (const char *)m->data + m->at;
    m->at += (size_t)bytes;
    return push_text(m, kind, text, (size_t)bytes);
}

/* Two's complement, little endian, of any length. */
static int read_long(struct pq_machine *m, int length_bytes)
{
    uint64_t bytes = 0;
    int rc = read_number(m, length_bytes, &bytes);
    if (rc)
        return rc;
    if (!has(m, bytes))
        return pq_pm_broken(m, "has a number that is longer than what is left");
    const unsigned char *p = m->data + m->at;
    m->at += (size_t)bytes;
    if (bytes > 8)
        return push_text(m, PQ_PICKLE_LONG, (const char *)p, (size_t)bytes);
    uint64_t v = bytes && p[bytes - 1] & 0x80 ? UINT64_MAX : 0;
    for (int i = (int)bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return push_integer(m, PQ_PICKLE_INT, (int64_t)v);
}

static int read_float(struct pq_machine *m)
{
    if (!has(m, 8))
        return pq_pm_broken(m, "is cut short");
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | m->data[m->at++];
    value *v = pq_pm_make(m, PQ_PICKLE_FLOAT);
    if (v)
        memcpy(&v->number, &bits, sizeof bits);
    return pq_pm_push(m, v);
}

/* Up to the end of the line, which is skipped. */
static int read_line(struct pq_machine *m, const char **text, size_t *bytes)
{
    const unsigned char *p = m->data + m->at;
    const unsigned char *end = memchr(p, '\n', m->bytes - m->at);
    if (!end)
        return pq_pm_broken(m, "has a name without an end");
    *text = (const char *)p;
    *bytes = (size_t)(end - p);
    m->at += *bytes + 1;
    return 0;
}

/* ---- names ---- */

static int make_global(struct pq_machine *m, const char *module, size_t module_bytes,
                       const char *name, size_t name_bytes, value **out)
{
    struct pq_pickle *p = m->out;
    if (++m->global_steps > MAX_GLOBAL_STEPS)
        return pq_pm_broken(m, "names more things than any model");
    if (module_bytes > PQ_MAX_NAME || name_bytes > PQ_MAX_NAME)
        return pq_pm_broken(m, "names something with too long a name");
    char text[2 * PQ_MAX_NAME + 2];
    size_t bytes = module_bytes + 1 + name_bytes;
    memcpy(text, module, module_bytes);
    text[module_bytes] = '.';
    memcpy(text + module_bytes + 1, name, name_bytes);
    text[bytes] = '\0';
    if (memchr(text, 0, bytes) || module_bytes == 0 || name_bytes == 0 || !pq_text_ok(text, bytes))
        return pq_pm_broken(m, "names something with control characters");
    for (size_t i = 0; i < p->global_count; i++) {
        value *v = &p->globals[i]->value;
        if (v->bytes == bytes && memcmp(v->text, text, bytes) == 0) {
            *out = v;
            return 0;
        }
    }
    if (p->global_count == MAX_GLOBALS)
        return pq_pm_broken(m, "names more things than any model");
    int rc = pq_pm_grow(m, &p->globals, p->global_count, &p->global_capacity, sizeof *p->globals);
    char *copy = rc ? NULL : pq_pm_take(m, bytes + 1);
    struct pq_pickle_global *g = copy ? pq_pm_take(m, sizeof *g) : NULL;
    if (!g)
        return PIQUE_ENOMEM;
    memcpy(copy, text, bytes + 1);
    *g = (struct pq_pickle_global){
        .value = {.kind = PQ_PICKLE_GLOBAL, .text = copy, .bytes = bytes},
        .dangerous = pq_pickle_dangerous(module, module_bytes, name, name_bytes)};
    p->globals[p->global_count++] = g;
    *out = &g->value;
    return 0;
}

/* GLOBAL: two lines. */
static int read_global(struct pq_machine *m, value **out)
{
    const char *module = NULL, *name = NULL;
    size_t module_bytes = 0, name_bytes = 0;
    int rc = read_line(m, &module, &module_bytes);
    if (!rc)
        rc = read_line(m, &name, &name_bytes);
    return rc ? rc : make_global(m, module, module_bytes, name, name_bytes, out);
}

static int stack_global(struct pq_machine *m)
{
    value *name = pq_pm_pop(m);
    value *module = name ? pq_pm_pop(m) : NULL;
    if (!module)
        return PIQUE_EFORMAT;
    if (name->kind != PQ_PICKLE_STR || module->kind != PQ_PICKLE_STR)
        return pq_pm_broken(m, "names something by what is no text");
    value *v = NULL;
    int rc = make_global(m, module->text, module->bytes, name->text, name->bytes, &v);
    return rc ? rc : pq_pm_push(m, v);
}

/* ---- what would be calls ---- */

bool pq_pickle_is_dict_class(const value *v)
{
    static const char *const names[] = {"collections.OrderedDict", "typing.OrderedDict",
                                        "collections.defaultdict", "collections.Counter",
                                        "builtins.dict",           "__builtin__.dict"};
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        if (pq_pickle_is(v, names[i]))
            return true;
    }
    return false;
}

/* OrderedDict([[key, value], ...]), as Python 2 wrote it. */
static int fill_dict(struct pq_machine *m, value *dict, const value *args)
{
    const value *pairs = args->count ? args->items[0] : NULL;
    if (!pairs || (pairs->kind != PQ_PICKLE_LIST && pairs->kind != PQ_PICKLE_TUPLE))
        return 0;
    /* The same list may be used again and again. */
    m->steps += pairs->count;
    if (m->steps > PQ_PM_MAX_STEPS)
        return pq_pm_broken(m, "takes more steps than any model");
    int rc = 0;
    for (uint32_t i = 0; i < pairs->count && !rc; i++) {
        const value *pair = pairs->items[i];
        if ((pair->kind != PQ_PICKLE_LIST && pair->kind != PQ_PICKLE_TUPLE) || pair->count != 2)
            return pq_pm_broken(m, "makes a dictionary of what is no pair");
        rc = pq_pm_add_item(m, dict, pair->items[0]);
        if (!rc)
            rc = pq_pm_add_item(m, dict, pair->items[1]);
    }
    return rc;
}

/* What class(*args) would give. */
static int push_object(struct pq_machine *m, value *class, value *args)
{
    if (class->kind != PQ_PICKLE_GLOBAL && class->kind != PQ_PICKLE_OBJECT &&
        class->kind != PQ_PICKLE_PERSISTENT)
        return pq_pm_broken(m, "calls what is no function");
    if (args->kind != PQ_PICKLE_TUPLE)
        return pq_pm_broken(m, "calls a function without a list of arguments");
    if (pq_pickle_is_dict_class(class)) {
        value *dict = pq_pm_make(m, PQ_PICKLE_DICT);
        int rc = dict ? fill_dict(m, dict, args) : PIQUE_ENOMEM;
        return rc ? rc : pq_pm_push(m, dict);
    }
    value *parts[] = {class, args};
    return pq_pm_push(m, pq_pm_collect(m, PQ_PICKLE_OBJECT, parts, PQ_COUNT(parts)));
}

static int reduce(struct pq_machine *m)
{
    value *args = pq_pm_pop(m);
    value *class = args ? pq_pm_pop(m) : NULL;
    return class ? push_object(m, class, args) : PIQUE_EFORMAT;
}

/* NEWOBJ_EX has named arguments as well, which nobody here asks for. */
static int newobj_ex(struct pq_machine *m)
{
    return pq_pm_pop(m) ? reduce(m) : PIQUE_EFORMAT;
}

/* OBJ: the class and its arguments lie above a mark. */
static int obj(struct pq_machine *m)
{
    value **items = NULL;
    size_t count = 0;
    int rc = pq_pm_pop_mark(m, &items, &count);
    if (rc)
        return rc;
    if (count == 0)
        return pq_pm_broken(m, "calls what is no function");
    value *class = items[0];
    value *args = pq_pm_collect(m, PQ_PICKLE_TUPLE, items + 1, count - 1);
    return args ? push_object(m, class, args) : PIQUE_ENOMEM;
}

static int inst(struct pq_machine *m)
{
    value *class = NULL, **items = NULL;
    size_t count = 0;
    int rc = read_global(m, &class);
    if (!rc)
        rc = pq_pm_pop_mark(m, &items, &count);
    if (rc)
        return rc;
    pq_pm_count_use(class);
    value *args = pq_pm_collect(m, PQ_PICKLE_TUPLE, items, count);
    return args ? push_object(m, class, args) : PIQUE_ENOMEM;
}

/* BUILD sets the attributes of an object. Those of a dictionary (_metadata) are not looked at. */
static int build(struct pq_machine *m)
{
    value *state = pq_pm_pop(m);
    value *v = state ? pq_pm_top(m) : NULL;
    if (!v)
        return PIQUE_EFORMAT;
    if (v->kind == PQ_PICKLE_DICT)
        return 0;
    if (v->kind != PQ_PICKLE_OBJECT)
        return pq_pm_broken(m, "sets attributes of what has none");
    if (v->count == PQ_OBJECT_ITEMS)
        v->items[PQ_OBJECT_STATE] = state;
    return v->count == PQ_OBJECT_ITEMS ? 0 : pq_pm_add_item(m, v, state);
}

static int persistent(struct pq_machine *m)
{
    struct pq_pickle *p = m->out;
    value *id = pq_pm_pop(m);
    if (!id)
        return PIQUE_EFORMAT;
    if (id->kind != PQ_PICKLE_TUPLE)
        return pq_pm_broken(m, "refers to what is no storage");
    int rc = pq_pm_grow(m, &p->persistent, p->persistent_count, &p->persistent_capacity,
                        sizeof *p->persistent);
    if (rc)
        return rc;
    value *v = pq_pm_make(m, PQ_PICKLE_PERSISTENT);
    if (!v)
        return PIQUE_ENOMEM;
    v->items = id->items;
    v->count = id->count;
    p->persistent[p->persistent_count++] = v;
    return pq_pm_push(m, v);
}

/* ---- containers ---- */

static int push_collected(struct pq_machine *m, enum pq_pickle_kind kind)
{
    value **items = NULL;
    size_t count = 0;
    int rc = pq_pm_pop_mark(m, &items, &count);
    if (rc)
        return rc;
    if (kind == PQ_PICKLE_DICT && count % 2)
        return pq_pm_broken(m, "has a key without a value");
    return pq_pm_push(m, pq_pm_collect(m, kind, items, count));
}

static int push_tuple(struct pq_machine *m, size_t count)
{
    if (pq_pm_above_mark(m) < count)
        return pq_pm_broken(m, "takes a value where there is none");
    value *v = pq_pm_collect(m, PQ_PICKLE_TUPLE, m->stack + m->depth - count, count);
    m->depth -= count;
    return pq_pm_push(m, v);
}

/* Put items into the container on top of the stack. Python would call a method of whatever lies
 * there; here only what really is a list or a dictionary takes any. */
static int put_items(struct pq_machine *m, enum pq_pickle_kind kind, value **items, size_t count)
{
    value *v = pq_pm_top(m);
    if (!v)
        return PIQUE_EFORMAT;
    if (kind == PQ_PICKLE_DICT && count % 2)
        return pq_pm_broken(m, "has a key without a value");
    if (v->kind == PQ_PICKLE_OBJECT) {
        v->touched = true;
        return 0;
    }
    if (v->kind != kind)
        return pq_pm_broken(m, kind == PQ_PICKLE_DICT ? "puts a key into what is no dictionary"
                                                      : "appends to what is no list");
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = pq_pm_add_item(m, v, items[i]);
    return rc;
}

static int put_one(struct pq_machine *m, enum pq_pickle_kind kind, size_t count)
{
    if (pq_pm_above_mark(m) < count + 1)
        return pq_pm_broken(m, "takes a value where there is none");
    m->depth -= count;
    return put_items(m, kind, m->stack + m->depth, count);
}

static int put_many(struct pq_machine *m, enum pq_pickle_kind kind)
{
    value **items = NULL;
    size_t count = 0;
    int rc = pq_pm_pop_mark(m, &items, &count);
    return rc ? rc : put_items(m, kind, items, count);
}

/* ---- opcodes ---- */

static int step_number(struct pq_machine *m, unsigned char op)
{
    uint64_t n = 0;
    int rc;
    switch (op) {
    case 'K': /* BININT1 */
        rc = read_number(m, 1, &n);
        return rc ? rc : push_integer(m, PQ_PICKLE_INT, (int64_t)n);
    case 'M': /* BININT2 */
        rc = read_number(m, 2, &n);
        return rc ? rc : push_integer(m, PQ_PICKLE_INT, (int64_t)n);
    case 'J': /* BININT */
        rc = read_number(m, 4, &n);
        return rc ? rc : push_integer(m, PQ_PICKLE_INT, (int32_t)(uint32_t)n);
    case 0x8a: /* LONG1 */
        return read_long(m, 1);
    case 0x8b: /* LONG4 */
        return read_long(m, 4);
    case 'G': /* BINFLOAT */
        return read_float(m);
    case 'N': /* NONE */
        return pq_pm_push(m, pq_pm_make(m, PQ_PICKLE_NONE));
    default: /* NEWTRUE, NEWFALSE */
        return push_integer(m, PQ_PICKLE_BOOL, op == 0x88);
    }
}

static int step_text(struct pq_machine *m, unsigned char op)
{
    switch (op) {
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING */
        return read_text(m, PQ_PICKLE_STR, 4);
    case 'U':  /* SHORT_BINSTRING */
    case 0x8c: /* SHORT_BINUNICODE */
        return read_text(m, PQ_PICKLE_STR, 1);
    case 0x8d: /* BINUNICODE8 */
        return read_text(m, PQ_PICKLE_STR, 8);
    case 'C': /* SHORT_BINBYTES */
        return read_text(m, PQ_PICKLE_BYTES, 1);
    case 'B': /* BINBYTES */
        return read_text(m, PQ_PICKLE_BYTES, 4);
    default: /* BINBYTES8, BYTEARRAY8 */
        return read_text(m, PQ_PICKLE_BYTES, 8);
    }
}

static int step_container(struct pq_machine *m, unsigned char op)
{
    switch (op) {
    case ')': /* EMPTY_TUPLE */
        return pq_pm_push(m, pq_pm_make(m, PQ_PICKLE_TUPLE));
    case ']':  /* EMPTY_LIST */
    case 0x8f: /* EMPTY_SET */
        return pq_pm_push(m, pq_pm_make(m, PQ_PICKLE_LIST));
    case '}': /* EMPTY_DICT */
        return pq_pm_push(m, pq_pm_make(m, PQ_PICKLE_DICT));
    case 't': /* TUPLE */
        return push_collected(m, PQ_PICKLE_TUPLE);
    case 'l':  /* LIST */
    case 0x91: /* FROZENSET */
        return push_collected(m, PQ_PICKLE_LIST);
    case 'd': /* DICT */
        return push_collected(m, PQ_PICKLE_DICT);
    case 'a': /* APPEND */
        return put_one(m, PQ_PICKLE_LIST, 1);
    case 'e':  /* APPENDS */
    case 0x90: /* ADDITEMS */
        return put_many(m, PQ_PICKLE_LIST);
    case 's': /* SETITEM */
        return put_one(m, PQ_PICKLE_DICT, 2);
    case 'u': /* SETITEMS */
        return put_many(m, PQ_PICKLE_DICT);
    default: /* TUPLE1, TUPLE2, TUPLE3 */
        return push_tuple(m, (size_t)op - 0x84);
    }
}

static int step_memo(struct pq_machine *m, unsigned char op)
{
    uint64_t n = 0;
    int rc = 0;
    if (op == 0x94) /* MEMOIZE */
        return pq_pm_put_memo(m, m->memo_count);
    rc = read_number(m, op == 'q' || op == 'h' ? 1 : 4, &n);
    if (rc)
        return rc;
    return op == 'q' || op == 'r' ? pq_pm_put_memo(m, n) : pq_pm_get_memo(m, n);
}

static int step_call(struct pq_machine *m, unsigned char op)
{
    value *v = NULL;
    int rc;
    switch (op) {
    case 'c': /* GLOBAL */
        rc = read_global(m, &v);
        return rc ? rc : pq_pm_push(m, v);
    case 0x93: /* STACK_GLOBAL */
        return stack_global(m);
    case 'i': /* INST */
        return inst(m);
    case 'o': /* OBJ */
        return obj(m);
    case 'b': /* BUILD */
        return build(m);
    case 'Q': /* BINPERSID */
        return persistent(m);
    case 0x92: /* NEWOBJ_EX */
        return newobj_ex(m);
    default: /* REDUCE, NEWOBJ */
        return reduce(m);
    }
}

static int step_stack(struct pq_machine *m, unsigned char op)
{
    value **items = NULL;
    size_t count = 0;
    switch (op) {
    case '(': /* MARK */
        return pq_pm_push_mark(m);
    case '1': /* POP_MARK */
        return pq_pm_pop_mark(m, &items, &count);
    case '2': { /* DUP */
        value *v = pq_pm_top(m);
        return v ? pq_pm_push(m, v) : PIQUE_EFORMAT;
    }
    default: /* POP, which takes a mark where one is on top */
        if (pq_pm_above_mark(m) == 0)
            return pq_pm_pop_mark(m, &items, &count);
        return pq_pm_pop(m) ? 0 : PIQUE_EFORMAT;
    }
}

static int step_frame(struct pq_machine *m, unsigned char op)
{
    uint64_t n = 0;
    int rc = read_number(m, op == 0x80 ? 1 : 8, &n);
    if (rc)
        return rc;
    if (op == 0x95) /* FRAME: what follows it is read as if it were not there */
        return has(m, n) ? 0 : pq_pm_broken(m, "has a frame that is longer than what is left");
    return n >= 2 && n <= 5 ? 0 : pq_pm_broken(m, "is of a protocol other than 2 to 5");
}

/* Which of the functions above an opcode goes to. Absent: the text forms of protocols 0 and 1,
 * extension registries, and buffers that lie outside the pickle. */
static int step(struct pq_machine *m, unsigned char op)
{
    static const struct {
        const char *ops;
        int (*run)(struct pq_machine *m, unsigned char op);
    } families[] = {{"\x80\x95", step_frame},
                    {"KMJG\x8a\x8bN\x88\x89", step_number},
                    {"XTUCB\x8c\x8d\x8e\x96", step_text},
                    {")]}tldaesu\x85\x86\x87\x8f\x90\x91", step_container},
                    {"qrhj\x94", step_memo},
                    {"c\x93"
                     "iobQR\x81\x92",
                     step_call},
                    {"(012", step_stack}};
    for (size_t i = 0; i < PQ_COUNT(families); i++) {
        if (op && strchr(families[i].ops, (char)op))
            return families[i].run(m, op);
    }
    return pq_fail(m->err, PIQUE_EUNSUPPORTED,
                   "%s: the pickle has an instruction that is not known (0x%02x at byte %zu of it)",
                   m->path, op, m->at - 1);
}

static int run(struct pq_machine *m)
{
    while (m->at < m->bytes) {
        if (++m->steps > PQ_PM_MAX_STEPS)
            return pq_pm_broken(m, "takes more steps than any model");
        unsigned char op = m->data[m->at++];
        if (op == '.') { /* STOP */
            if (m->mark_count || m->depth != 1)
                return pq_pm_broken(m, "does not end with one value");
            m->out->root = m->stack[0];
            m->out->bytes = m->at;
            return 0;
        }
        int rc = step(m, op);
        if (rc)
            return rc;
    }
    return pq_pm_broken(m, "ends before its last instruction; the download may be incomplete");
}

int pq_pickle_read(const char *path, const unsigned char *data, size_t bytes, struct pq_pickle *out,
                   pique_error *err)
{
    struct pq_machine m = {.path = path, .data = data, .bytes = bytes, .out = out, .err = err};
    *out = (struct pq_pickle){0};
    int rc = run(&m);
    /* Whatever else is wrong with it: a file that names what runs code is refused as that. */
    if (rc != PIQUE_ENOMEM && pq_pickle_check_names(path, out, err))
        rc = PIQUE_EFORMAT;
    pq_pm_free(&m);
    if (rc)
        pq_pickle_free(out);
    return rc;
}

/* ---- questions ---- */

bool pq_pickle_is(const struct pq_pickle_value *v, const char *text)
{
    return v && (v->kind == PQ_PICKLE_STR || v->kind == PQ_PICKLE_GLOBAL) &&
           v->bytes == strlen(text) && memcmp(v->text, text, v->bytes) == 0;
}

struct pq_pickle_value *pq_pickle_get(const struct pq_pickle_value *dict, const char *key)
{
    if (!dict || dict->kind != PQ_PICKLE_DICT)
        return NULL;
    for (uint32_t i = dict->count; i >= 2; i -= 2) {
        if (pq_pickle_is(dict->items[i - 2], key))
            return dict->items[i - 1];
    }
    return NULL;
}
