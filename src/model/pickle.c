/* SPDX-License-Identifier: MIT */
/* The machine of CPython's Modules/_pickle.c and pickletools.py: a stack of values, a stack of
 * marks and a memo. Values live in an arena that is freed as a whole. Every opcode makes at most a
 * few values, so that memory is bounded by MAX_STEPS and by the bytes of the pickle. */
#include "model/pickle.h"

#include <stdalign.h>
#include <string.h>

#include "base/alloc.h"
#include "model/statedict.h"

enum {
    MAX_STEPS = 1 << 21,      /* a large optimiser's checkpoint takes some 200 000 */
    MAX_GLOBAL_STEPS = 65536, /* writers keep a name in the memo */
    MAX_GLOBALS = 512,
    BLOCK_BYTES = 64 << 10
};

typedef struct pq_pickle_value value; /* so that the table of opcodes below fits a screen */

struct pq_pickle_block {
    struct pq_pickle_block *next;
    size_t used, size;
    alignas(16) unsigned char data[];
};

struct machine {
    const char *path;
    const unsigned char *data;
    size_t at, bytes;
    struct pq_pickle *out;
    value **stack, **memo;
    size_t depth, stack_capacity, memo_capacity, memo_count;
    size_t *marks;
    size_t mark_count, mark_capacity;
    size_t steps, global_steps;
    pique_error *err;
};

/* ---- memory ---- */

static void *take(struct machine *m, size_t bytes)
{
    struct pq_pickle_block *b = m->out->blocks;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!b || b->size - b->used < bytes) {
        size_t size = PQ_MAX(bytes, (size_t)BLOCK_BYTES);
        struct pq_pickle_block *fresh = pq_malloc(sizeof *fresh + size);
        if (!fresh) {
            pq_fail_nomem(m->err, sizeof *fresh + size);
            return NULL;
        }
        *fresh = (struct pq_pickle_block){.next = b, .size = size};
        m->out->blocks = b = fresh;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}

/* Room for one more in an array of our own. */
static int grow(struct machine *m, void *array, size_t count, size_t *capacity, size_t item)
{
    if (count < *capacity)
        return 0;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *old, *fresh;
    memcpy(&old, array, sizeof old); /* any pointer; all have one form here */
    fresh = pq_realloc_array(old, more, item);
    if (!fresh)
        return pq_fail_nomem(m->err, more * item);
    memcpy(array, &fresh, sizeof fresh);
    *capacity = more;
    return 0;
}

static value *make(struct machine *m, enum pq_pickle_kind kind)
{
    value *v = take(m, sizeof *v);
    if (v)
        *v = (value){.kind = kind};
    return v;
}

static int add_item(struct machine *m, value *v, value *item)
{
    if (v->count == v->capacity) {
        uint32_t capacity = v->capacity ? v->capacity * 2 : 4;
        value **items = take(m, capacity * sizeof(value *));
        if (!items)
            return PIQUE_ENOMEM;
        if (v->count)
            memcpy(items, v->items, v->count * sizeof *items);
        v->items = items;
        v->capacity = capacity;
    }
    v->items[v->count++] = item;
    return 0;
}

/* ---- failing ---- */

static int broken(struct machine *m, const char *what)
{
    return pq_fail(m->err, PIQUE_EFORMAT, "%s: the pickle %s (byte %zu of it)", m->path, what,
                   m->at);
}

/* ---- the stack ---- */

static int push(struct machine *m, value *v)
{
    if (!v)
        return PIQUE_ENOMEM;
    int rc = grow(m, &m->stack, m->depth, &m->stack_capacity, sizeof *m->stack);
    if (!rc)
        m->stack[m->depth++] = v;
    return rc;
}

/* Values above the last mark; an operation may not reach below it. */
static size_t above_mark(const struct machine *m)
{
    return m->depth - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

static value *pop(struct machine *m)
{
    if (above_mark(m) == 0) {
        broken(m, "takes a value where there is none");
        return NULL;
    }
    return m->stack[--m->depth];
}

static value *top(struct machine *m)
{
    value *v = pop(m);
    m->depth += v != NULL;
    return v;
}

static int push_mark(struct machine *m)
{
    int rc = grow(m, &m->marks, m->mark_count, &m->mark_capacity, sizeof *m->marks);
    if (!rc)
        m->marks[m->mark_count++] = m->depth;
    return rc;
}

/* The values above the last mark leave the stack, and the mark goes. They stay readable until the
 * next push. */
static int pop_mark(struct machine *m, value ***items, size_t *count)
{
    if (m->mark_count == 0)
        return broken(m, "looks for a mark where there is none");
    size_t mark = m->marks[--m->mark_count];
    *items = m->stack + mark;
    *count = m->depth - mark;
    m->depth = mark;
    return 0;
}

static value *collect(struct machine *m, enum pq_pickle_kind kind, value **items, size_t count)
{
    value *v = make(m, kind);
    for (size_t i = 0; v && i < count; i++) {
        if (add_item(m, v, items[i]))
            return NULL;
    }
    return v;
}

/* ---- reading operands ---- */

static bool has(const struct machine *m, uint64_t bytes)
{
    return bytes <= m->bytes - m->at;
}

static int read_number(struct machine *m, int bytes, uint64_t *out)
{
    if (!has(m, (uint64_t)bytes))
        return broken(m, "is cut short");
    *out = 0;
    for (int i = bytes - 1; i >= 0; i--)
        *out = *out << 8 | m->data[m->at + (size_t)i];
    m->at += (size_t)bytes;
    return 0;
}

static int push_integer(struct machine *m, enum pq_pickle_kind kind, int64_t integer)
{
    value *v = make(m, kind);
    if (v)
        v->integer = integer;
    return push(m, v);
}

static int push_text(struct machine *m, enum pq_pickle_kind kind, const char *text, size_t bytes)
{
    value *v = make(m, kind);
    if (v) {
        v->text = text;
        v->bytes = bytes;
    }
    return push(m, v);
}

/* Text behind its length. */
static int read_text(struct machine *m, enum pq_pickle_kind kind, int length_bytes)
{
    uint64_t bytes = 0;
    int rc = read_number(m, length_bytes, &bytes);
    if (rc)
        return rc;
    if (!has(m, bytes))
        return broken(m, "has a text that is longer than what is left");
    const char *text = (const char *)m->data + m->at;
    m->at += (size_t)bytes;
    return push_text(m, kind, text, (size_t)bytes);
}

/* Two's complement, little endian, of any length. */
static int read_long(struct machine *m, int length_bytes)
{
    uint64_t bytes = 0;
    int rc = read_number(m, length_bytes, &bytes);
    if (rc)
        return rc;
    if (!has(m, bytes))
        return broken(m, "has a number that is longer than what is left");
    const unsigned char *p = m->data + m->at;
    m->at += (size_t)bytes;
    if (bytes > 8)
        return push_text(m, PQ_PICKLE_LONG, (const char *)p, (size_t)bytes);
    uint64_t v = bytes && p[bytes - 1] & 0x80 ? UINT64_MAX : 0;
    for (int i = (int)bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return push_integer(m, PQ_PICKLE_INT, (int64_t)v);
}

static int read_float(struct machine *m)
{
    if (!has(m, 8))
        return broken(m, "is cut short");
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | m->data[m->at++];
    value *v = make(m, PQ_PICKLE_FLOAT);
    if (v)
        memcpy(&v->number, &bits, sizeof bits);
    return push(m, v);
}

/* Up to the end of the line, which is skipped. */
static int read_line(struct machine *m, const char **text, size_t *bytes)
{
    const unsigned char *p = m->data + m->at;
    const unsigned char *end = memchr(p, '\n', m->bytes - m->at);
    if (!end)
        return broken(m, "has a name without an end");
    *text = (const char *)p;
    *bytes = (size_t)(end - p);
    m->at += *bytes + 1;
    return 0;
}

/* ---- names ---- */

static int make_global(struct machine *m, const char *module, size_t module_bytes, const char *name,
                       size_t name_bytes, value **out)
{
    struct pq_pickle *p = m->out;
    if (++m->global_steps > MAX_GLOBAL_STEPS)
        return broken(m, "names more things than any model");
    if (module_bytes > PQ_MAX_NAME || name_bytes > PQ_MAX_NAME)
        return broken(m, "names something with too long a name");
    char text[2 * PQ_MAX_NAME + 2];
    size_t bytes = module_bytes + 1 + name_bytes;
    memcpy(text, module, module_bytes);
    text[module_bytes] = '.';
    memcpy(text + module_bytes + 1, name, name_bytes);
    text[bytes] = '\0';
    if (memchr(text, 0, bytes) || module_bytes == 0 || name_bytes == 0 || !pq_text_ok(text, bytes))
        return broken(m, "names something with control characters");
    if (pq_pickle_dangerous(module, module_bytes, name, name_bytes))
        return pq_fail(m->err, PIQUE_EFORMAT,
                       "%s: tries to run code when it is opened (%s). pique runs none; do not open "
                       "this file with other programs",
                       m->path, text);
    for (size_t i = 0; i < p->global_count; i++) {
        if (p->globals[i]->bytes == bytes && memcmp(p->globals[i]->text, text, bytes) == 0) {
            *out = p->globals[i];
            return 0;
        }
    }
    if (p->global_count == MAX_GLOBALS)
        return broken(m, "names more things than any model");
    int rc = grow(m, &p->globals, p->global_count, &p->global_capacity, sizeof *p->globals);
    char *copy = rc ? NULL : take(m, bytes + 1);
    value *v = copy ? make(m, PQ_PICKLE_GLOBAL) : NULL;
    if (!v)
        return PIQUE_ENOMEM;
    memcpy(copy, text, bytes + 1);
    v->text = copy;
    v->bytes = bytes;
    p->globals[p->global_count++] = *out = v;
    return 0;
}

/* GLOBAL: two lines. */
static int read_global(struct machine *m, value **out)
{
    const char *module = NULL, *name = NULL;
    size_t module_bytes = 0, name_bytes = 0;
    int rc = read_line(m, &module, &module_bytes);
    if (!rc)
        rc = read_line(m, &name, &name_bytes);
    return rc ? rc : make_global(m, module, module_bytes, name, name_bytes, out);
}

static int stack_global(struct machine *m)
{
    value *name = pop(m);
    value *module = name ? pop(m) : NULL;
    if (!module)
        return PIQUE_EFORMAT;
    if (name->kind != PQ_PICKLE_STR || module->kind != PQ_PICKLE_STR)
        return broken(m, "names something by what is no text");
    value *v = NULL;
    int rc = make_global(m, module->text, module->bytes, name->text, name->bytes, &v);
    return rc ? rc : push(m, v);
}

/* ---- what would be calls ---- */

static bool is_dict_class(const value *v)
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
static int fill_dict(struct machine *m, value *dict, const value *args)
{
    const value *pairs = args->count ? args->items[0] : NULL;
    if (!pairs || (pairs->kind != PQ_PICKLE_LIST && pairs->kind != PQ_PICKLE_TUPLE))
        return 0;
    /* The same list may be used again and again. */
    m->steps += pairs->count;
    if (m->steps > MAX_STEPS)
        return broken(m, "takes more steps than any model");
    int rc = 0;
    for (uint32_t i = 0; i < pairs->count && !rc; i++) {
        const value *pair = pairs->items[i];
        if ((pair->kind != PQ_PICKLE_LIST && pair->kind != PQ_PICKLE_TUPLE) || pair->count != 2)
            return broken(m, "makes a dictionary of what is no pair");
        rc = add_item(m, dict, pair->items[0]);
        if (!rc)
            rc = add_item(m, dict, pair->items[1]);
    }
    return rc;
}

/* What class(*args) would give. */
static int push_object(struct machine *m, value *class, value *args)
{
    if (class->kind != PQ_PICKLE_GLOBAL && class->kind != PQ_PICKLE_OBJECT &&
        class->kind != PQ_PICKLE_PERSISTENT)
        return broken(m, "calls what is no function");
    if (args->kind != PQ_PICKLE_TUPLE)
        return broken(m, "calls a function without a list of arguments");
    if (is_dict_class(class)) {
        value *dict = make(m, PQ_PICKLE_DICT);
        int rc = dict ? fill_dict(m, dict, args) : PIQUE_ENOMEM;
        return rc ? rc : push(m, dict);
    }
    value *parts[] = {class, args};
    return push(m, collect(m, PQ_PICKLE_OBJECT, parts, PQ_COUNT(parts)));
}

static int reduce(struct machine *m)
{
    value *args = pop(m);
    value *class = args ? pop(m) : NULL;
    return class ? push_object(m, class, args) : PIQUE_EFORMAT;
}

/* NEWOBJ_EX has named arguments as well, which nobody here asks for. */
static int newobj_ex(struct machine *m)
{
    return pop(m) ? reduce(m) : PIQUE_EFORMAT;
}

/* OBJ: the class and its arguments lie above a mark. */
static int obj(struct machine *m)
{
    value **items = NULL;
    size_t count = 0;
    int rc = pop_mark(m, &items, &count);
    if (rc)
        return rc;
    if (count == 0)
        return broken(m, "calls what is no function");
    value *class = items[0];
    value *args = collect(m, PQ_PICKLE_TUPLE, items + 1, count - 1);
    return args ? push_object(m, class, args) : PIQUE_ENOMEM;
}

static int inst(struct machine *m)
{
    value *class = NULL, **items = NULL;
    size_t count = 0;
    int rc = read_global(m, &class);
    if (!rc)
        rc = pop_mark(m, &items, &count);
    if (rc)
        return rc;
    value *args = collect(m, PQ_PICKLE_TUPLE, items, count);
    return args ? push_object(m, class, args) : PIQUE_ENOMEM;
}

/* BUILD sets the attributes of an object. Those of a dictionary (_metadata) are not looked at. */
static int build(struct machine *m)
{
    value *state = pop(m);
    value *v = state ? top(m) : NULL;
    if (!v)
        return PIQUE_EFORMAT;
    if (v->kind == PQ_PICKLE_DICT)
        return 0;
    if (v->kind != PQ_PICKLE_OBJECT)
        return broken(m, "sets attributes of what has none");
    if (v->count == PQ_OBJECT_ITEMS)
        v->items[PQ_OBJECT_STATE] = state;
    return v->count == PQ_OBJECT_ITEMS ? 0 : add_item(m, v, state);
}

static int persistent(struct machine *m)
{
    struct pq_pickle *p = m->out;
    value *id = pop(m);
    if (!id)
        return PIQUE_EFORMAT;
    if (id->kind != PQ_PICKLE_TUPLE)
        return broken(m, "refers to what is no storage");
    int rc = grow(m, &p->persistent, p->persistent_count, &p->persistent_capacity,
                  sizeof *p->persistent);
    if (rc)
        return rc;
    value *v = make(m, PQ_PICKLE_PERSISTENT);
    if (!v)
        return PIQUE_ENOMEM;
    v->items = id->items;
    v->count = id->count;
    p->persistent[p->persistent_count++] = v;
    return push(m, v);
}

/* ---- containers ---- */

static int push_collected(struct machine *m, enum pq_pickle_kind kind)
{
    value **items = NULL;
    size_t count = 0;
    int rc = pop_mark(m, &items, &count);
    if (rc)
        return rc;
    if (kind == PQ_PICKLE_DICT && count % 2)
        return broken(m, "has a key without a value");
    return push(m, collect(m, kind, items, count));
}

static int push_tuple(struct machine *m, size_t count)
{
    if (above_mark(m) < count)
        return broken(m, "takes a value where there is none");
    value *v = collect(m, PQ_PICKLE_TUPLE, m->stack + m->depth - count, count);
    m->depth -= count;
    return push(m, v);
}

/* Put items into the container on top of the stack. Python would call a method of whatever lies
 * there; here only what really is a list or a dictionary takes any. */
static int put_items(struct machine *m, enum pq_pickle_kind kind, value **items, size_t count)
{
    value *v = top(m);
    if (!v)
        return PIQUE_EFORMAT;
    if (kind == PQ_PICKLE_DICT && count % 2)
        return broken(m, "has a key without a value");
    if (v->kind == PQ_PICKLE_OBJECT) {
        v->touched = true;
        return 0;
    }
    if (v->kind != kind)
        return broken(m, kind == PQ_PICKLE_DICT ? "puts a key into what is no dictionary"
                                                : "appends to what is no list");
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = add_item(m, v, items[i]);
    return rc;
}

static int put_one(struct machine *m, enum pq_pickle_kind kind, size_t count)
{
    if (above_mark(m) < count + 1)
        return broken(m, "takes a value where there is none");
    m->depth -= count;
    return put_items(m, kind, m->stack + m->depth, count);
}

static int put_many(struct machine *m, enum pq_pickle_kind kind)
{
    value **items = NULL;
    size_t count = 0;
    int rc = pop_mark(m, &items, &count);
    return rc ? rc : put_items(m, kind, items, count);
}

/* ---- memo ---- */

/* Writers number from 0 on, and each number takes at least two bytes of the pickle. */
static int put_memo(struct machine *m, uint64_t index)
{
    value *v = top(m);
    if (!v)
        return PIQUE_EFORMAT;
    if (index >= m->bytes || index >= MAX_STEPS)
        return broken(m, "numbers a value beyond all that it can hold");
    if (index >= m->memo_capacity) {
        size_t capacity = PQ_MAX((size_t)index + 1, 2 * m->memo_capacity);
        value **memo = pq_realloc_array(m->memo, capacity, sizeof *memo);
        if (!memo)
            return pq_fail_nomem(m->err, capacity * sizeof *memo);
        memset(memo + m->memo_capacity, 0, (capacity - m->memo_capacity) * sizeof *memo);
        m->memo = memo;
        m->memo_capacity = capacity;
    }
    m->memo_count += !m->memo[index];
    m->memo[index] = v;
    return 0;
}

static int get_memo(struct machine *m, uint64_t index)
{
    if (index >= m->memo_capacity || !m->memo[index])
        return broken(m, "asks for a value that it never numbered");
    return push(m, m->memo[index]);
}

/* ---- opcodes ---- */

static int step_number(struct machine *m, unsigned char op)
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
        return push(m, make(m, PQ_PICKLE_NONE));
    default: /* NEWTRUE, NEWFALSE */
        return push_integer(m, PQ_PICKLE_BOOL, op == 0x88);
    }
}

static int step_text(struct machine *m, unsigned char op)
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

static int step_container(struct machine *m, unsigned char op)
{
    switch (op) {
    case ')': /* EMPTY_TUPLE */
        return push(m, make(m, PQ_PICKLE_TUPLE));
    case ']':  /* EMPTY_LIST */
    case 0x8f: /* EMPTY_SET */
        return push(m, make(m, PQ_PICKLE_LIST));
    case '}': /* EMPTY_DICT */
        return push(m, make(m, PQ_PICKLE_DICT));
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

static int step_memo(struct machine *m, unsigned char op)
{
    uint64_t n = 0;
    int rc = 0;
    if (op == 0x94) /* MEMOIZE */
        return put_memo(m, m->memo_count);
    rc = read_number(m, op == 'q' || op == 'h' ? 1 : 4, &n);
    if (rc)
        return rc;
    return op == 'q' || op == 'r' ? put_memo(m, n) : get_memo(m, n);
}

static int step_call(struct machine *m, unsigned char op)
{
    value *v = NULL;
    int rc;
    switch (op) {
    case 'c': /* GLOBAL */
        rc = read_global(m, &v);
        return rc ? rc : push(m, v);
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

static int step_stack(struct machine *m, unsigned char op)
{
    value **items = NULL;
    size_t count = 0;
    switch (op) {
    case '(': /* MARK */
        return push_mark(m);
    case '1': /* POP_MARK */
        return pop_mark(m, &items, &count);
    case '2': { /* DUP */
        value *v = top(m);
        return v ? push(m, v) : PIQUE_EFORMAT;
    }
    default: /* POP, which takes a mark where one is on top */
        if (above_mark(m) == 0)
            return pop_mark(m, &items, &count);
        return pop(m) ? 0 : PIQUE_EFORMAT;
    }
}

static int step_frame(struct machine *m, unsigned char op)
{
    uint64_t n = 0;
    int rc = read_number(m, op == 0x80 ? 1 : 8, &n);
    if (rc)
        return rc;
    if (op == 0x95) /* FRAME: what follows it is read as if it were not there */
        return has(m, n) ? 0 : broken(m, "has a frame that is longer than what is left");
    return n >= 2 && n <= 5 ? 0 : broken(m, "is of a protocol other than 2 to 5");
}

/* Which of the functions above an opcode goes to. Absent: the text forms of protocols 0 and 1,
 * extension registries, and buffers that lie outside the pickle. */
static int step(struct machine *m, unsigned char op)
{
    static const struct {
        const char *ops;
        int (*run)(struct machine *m, unsigned char op);
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

static int run(struct machine *m)
{
    while (m->at < m->bytes) {
        if (++m->steps > MAX_STEPS)
            return broken(m, "takes more steps than any model");
        unsigned char op = m->data[m->at++];
        if (op == '.') { /* STOP */
            if (m->mark_count || m->depth != 1)
                return broken(m, "does not end with one value");
            m->out->root = m->stack[0];
            m->out->bytes = m->at;
            return 0;
        }
        int rc = step(m, op);
        if (rc)
            return rc;
    }
    return broken(m, "ends before its last instruction; the download may be incomplete");
}

int pq_pickle_read(const char *path, const unsigned char *data, size_t bytes, struct pq_pickle *out,
                   pique_error *err)
{
    struct machine m = {.path = path, .data = data, .bytes = bytes, .out = out, .err = err};
    *out = (struct pq_pickle){0};
    int rc = run(&m);
    pq_free(m.stack);
    pq_free(m.memo);
    pq_free(m.marks);
    if (rc)
        pq_pickle_free(out);
    return rc;
}

void pq_pickle_free(struct pq_pickle *pickle)
{
    for (struct pq_pickle_block *b = pickle->blocks, *next; b; b = next) {
        next = b->next;
        pq_free(b);
    }
    pq_free(pickle->globals);
    pq_free(pickle->persistent);
    *pickle = (struct pq_pickle){0};
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
