/* SPDX-License-Identifier: MIT */
/* The text is copied once and cut into words in place. Every table is sized by what the text can
 * hold at most, never by the counts that it states; those must only agree in the end. */
#include "model/ncnn_param.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "graph/graph.h"
#include "model/statedict.h"

enum {
    MAX_TEXT_BYTES = 4 << 20,
    ARRAY_ID = -23300, /* an array with id i is written as ARRAY_ID - i */
    MAX_ARRAY = 64
};

static const char magic[] = "7767517";

struct parser {
    struct pq_ncnn_net *net;
    char *at; /* rest of the line */
    char *next_line; /* NULL behind the last one */
    const char *end; /* of the text */
    int line;
    const char **link_names; /* names of the blobs that links will index, while reading */
    int link_count, value_count;
    pique_error *err;
};

static int fail_line(struct parser *p, const char *what, const char *word)
{
    return pq_fail(p->err, PIQUE_EFORMAT, "%s: line %d: %s%s%s%s", p->net->path, p->line,
                   pq_tr(what), word ? " '" : "", word ? word : "", word ? "'" : "");
}

/* ---- words and numbers ---- */

/* Go to the next line that is not blank; false at the end. */
static bool next_line(struct parser *p)
{
    while (p->next_line) {
        p->at = p->next_line;
        char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
        p->next_line = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        p->line++;
        p->at += strspn(p->at, " \t\r");
        if (*p->at)
            return true;
    }
    return false;
}

/* The next word of the line, or NULL. */
static char *next_word(struct parser *p)
{
    if (*p->at == '\0')
        return NULL;
    char *word = p->at;
    p->at += strcspn(p->at, " \t\r");
    if (*p->at) {
        *p->at++ = '\0';
        p->at += strspn(p->at, " \t\r");
    }
    return word;
}

/* All of a word as a decimal integer that fits an int. */
static bool parse_int(const char *word, int *out)
{
    const char *s = word + (*word == '-');
    int64_t v = 0;
    if (*s == '\0')
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (*s - '0');
        if (v > INT_MAX)
            return false;
    }
    *out = *word == '-' ? -(int)v : (int)v;
    return true;
}

/* As written by "%d" or "%e", whatever the user's language says of decimal points. */
static bool parse_value(const char *word, struct pq_ncnn_value *out)
{
    *out = (struct pq_ncnn_value){0};
    if (parse_int(word, &out->whole)) {
        out->integer = true;
        out->number = (float)out->whole;
        return true;
    }
    if (strspn(word, "0123456789+-.eE") != strlen(word) || strlen(word) > 64)
        return false;
    if (!strpbrk(word, ".eE")) /* an integer that does not fit an int */
        return false;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* static in glibc: cannot fail */
    if (!c)
        return false;
    char *end;
    out->number = strtof_l(word, &end, c);
    freelocale(c);
    return end != word && *end == '\0' && isfinite(out->number);
}

/* ---- one layer ---- */

static int read_blob_names(struct parser *p, int count)
{
    for (int i = 0; i < count; i++) {
        char *word = next_word(p);
        if (!word)
            return fail_line(p, "fewer blob names than the line says", NULL);
        if (!pq_name_ok(word))
            return fail_line(p, "a blob's name is too long or has control characters", NULL);
        p->link_names[p->link_count++] = word;
    }
    return 0;
}

static int add_value(struct parser *p, const char *word)
{
    if (!parse_value(word, &p->net->values[p->value_count]))
        return fail_line(p, "not a number:", pq_name_ok(word) ? word : "");
    p->value_count++;
    return 0;
}

/* "n,v,v,..." */
static int read_array(struct parser *p, struct pq_ncnn_param *param, char *text)
{
    char *rest = strchr(text, ',');
    if (rest)
        *rest++ = '\0';
    if (!parse_int(text, &param->count) || param->count < 0 || param->count > MAX_ARRAY)
        return fail_line(p, "an array's length is not a number from 0 to 64", NULL);
    for (int i = 0; i < param->count; i++) {
        char *word = rest;
        if (!word)
            return fail_line(p, "an array is shorter than it says", NULL);
        rest = strchr(word, ',');
        if (rest)
            *rest++ = '\0';
        int rc = add_value(p, word);
        if (rc)
            return rc;
    }
    return rest ? fail_line(p, "an array is longer than it says", NULL) : 0;
}

/* "id=value" */
static int read_param(struct parser *p, struct pq_ncnn_layer *layer, char *word)
{
    char *value = strchr(word, '=');
    if (value)
        *value++ = '\0';
    struct pq_ncnn_param param = {.first = p->value_count, .count = 1};
    if (!value || !parse_int(word, &param.id))
        return fail_line(p,
                         "a parameter is not written as id=value:", pq_name_ok(word) ? word : "");
    if (param.id <= ARRAY_ID) {
        param.array = true;
        param.id = ARRAY_ID - param.id;
    }
    if (param.id < 0 || param.id >= PQ_NCNN_PARAM_IDS)
        return fail_line(p, "a parameter's number is not from 0 to 31:", word);
    for (int i = layer->first_param; i < p->net->param_count; i++) {
        if (p->net->params[i].id == param.id)
            return fail_line(p, "a parameter is given twice:", word);
    }
    int rc = param.array ? read_array(p, &param, value) : add_value(p, value);
    if (!rc) {
        p->net->params[p->net->param_count++] = param;
        layer->params++;
    }
    return rc;
}

static int read_layer(struct parser *p, struct pq_ncnn_layer *layer)
{
    char *type = next_word(p), *name = next_word(p);
    char *inputs = next_word(p), *outputs = next_word(p);
    if (!outputs)
        return fail_line(p, "a layer needs a type, a name and two counts", NULL);
    if (!pq_name_ok(type) || !pq_name_ok(name))
        return fail_line(p, "a layer's type or name is too long or has control characters", NULL);
    *layer = (struct pq_ncnn_layer){.type = type, .name = name, .line = p->line};
    if (!parse_int(inputs, &layer->inputs) || !parse_int(outputs, &layer->outputs) ||
        layer->inputs < 0 || layer->outputs < 0)
        return fail_line(p, "a count of blobs is not a number from 0 on in layer", name);
    layer->first_param = p->net->param_count;
    int rc = read_blob_names(p, layer->inputs);
    if (!rc)
        rc = read_blob_names(p, layer->outputs);
    for (char *word; !rc && (word = next_word(p));)
        rc = read_param(p, layer, word);
    return rc;
}

/* ---- joining ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pq_ncnn_blob *)a)->name, ((const struct pq_ncnn_blob *)b)->name);
}

/* The table of all that layers make, sorted; each layer learns where its names stand in links. */
static int collect_blobs(struct parser *p)
{
    struct pq_ncnn_net *net = p->net;
    int link = 0, made = 0;
    for (int i = 0; i < net->layer_count; i++)
        made += net->layers[i].outputs;
    if (made != net->blob_count)
        return pq_fail(p->err, PIQUE_EFORMAT, "%s: line 2 promises %d blobs, the layers make %d",
                       net->path, net->blob_count, made);
    made = 0;
    for (int i = 0; i < net->layer_count; i++) {
        struct pq_ncnn_layer *layer = &net->layers[i];
        layer->in = net->links + link;
        layer->out = layer->in + layer->inputs;
        link += layer->inputs;
        for (int k = 0; k < layer->outputs; k++)
            net->blobs[made++] = (struct pq_ncnn_blob){.name = p->link_names[link++], .layer = i};
    }
    qsort(net->blobs, (size_t)made, sizeof *net->blobs, by_name);
    for (int i = 1; i < made; i++) {
        if (by_name(&net->blobs[i - 1], &net->blobs[i]) == 0)
            return pq_fail(p->err, PIQUE_EFORMAT, "%s: two layers make blob '%s'", net->path,
                           net->blobs[i].name);
    }
    return 0;
}

/* Blob names become indices into that table. */
static int join(struct parser *p)
{
    struct pq_ncnn_net *net = p->net;
    int rc = collect_blobs(p);
    for (int i = 0, at = 0; i < net->layer_count && !rc; i++) {
        const struct pq_ncnn_layer *layer = &net->layers[i];
        for (int k = 0; k < layer->inputs + layer->outputs; k++, at++) {
            const struct pq_ncnn_blob key = {.name = p->link_names[at]};
            struct pq_ncnn_blob *blob =
                bsearch(&key, net->blobs, (size_t)net->blob_count, sizeof key, by_name);
            bool input = k < layer->inputs;
            if (!blob || (input && blob->layer >= i))
                return pq_fail(p->err, PIQUE_EFORMAT,
                               "%s: layer '%s' reads '%s', which no layer before it makes",
                               net->path, layer->name, key.name);
            net->links[at] = (int)(blob - net->blobs);
            blob->readers += input;
        }
    }
    return rc;
}

/* ---- the whole ---- */

static int read_head(struct parser *p, int max_layers, int max_blobs)
{
    struct pq_ncnn_net *net = p->net;
    char *word = next_line(p) ? next_word(p) : NULL;
    if (!word || strcmp(word, magic) != 0 || next_word(p))
        return pq_fail(p->err, PIQUE_EFORMAT, "%s: not an ncnn .param file", net->path);
    char *layers = next_line(p) ? next_word(p) : NULL;
    char *blobs = layers ? next_word(p) : NULL;
    if (!blobs || next_word(p) || !parse_int(layers, &net->layer_count) ||
        !parse_int(blobs, &net->blob_count) || net->layer_count < 1 || net->blob_count < 1)
        return fail_line(p, "two counts, of layers and of blobs, are expected", NULL);
    if (net->layer_count > max_layers || net->blob_count > max_blobs)
        return pq_fail(p->err, PIQUE_EFORMAT,
                       "%s: line 2 promises %d layers and %d blobs, more than the file can hold",
                       net->path, net->layer_count, net->blob_count);
    return 0;
}

static int read_layers(struct parser *p)
{
    struct pq_ncnn_net *net = p->net;
    int read = 0;
    while (next_line(p)) {
        if (read == net->layer_count)
            return fail_line(p, "more layers than line 2 says", NULL);
        int rc = read_layer(p, &net->layers[read++]);
        if (rc)
            return rc;
    }
    if (read != net->layer_count)
        return pq_fail(p->err, PIQUE_EFORMAT,
                       "%s: line 2 promises %d layers, the file has %d; it may be incomplete",
                       net->path, net->layer_count, read);
    return join(p);
}

/* Upper bounds from the text alone. */
struct bounds {
    size_t lines, words, numbers;
};

static struct bounds bound(const char *text)
{
    struct bounds b = {.lines = 1, .words = 1, .numbers = 1};
    for (const char *s = text; *s; s++) {
        b.lines += *s == '\n';
        b.words += *s == ' ' || *s == '\t' || *s == '\r' || *s == '\n';
        b.numbers += *s == '=' || *s == ',';
    }
    return b;
}

static int allocate(struct parser *p, const struct bounds *b)
{
    struct pq_ncnn_net *net = p->net;
    net->layers = pq_calloc((size_t)net->layer_count, sizeof *net->layers);
    net->blobs = pq_calloc((size_t)net->blob_count, sizeof *net->blobs);
    net->links = pq_calloc(b->words, sizeof *net->links);
    net->params = pq_calloc(b->numbers, sizeof *net->params);
    net->values = pq_calloc(b->numbers, sizeof *net->values);
    p->link_names = pq_calloc(b->words, sizeof *p->link_names);
    if (!net->layers || !net->blobs || !net->links || !net->params || !net->values ||
        !p->link_names)
        return pq_fail_nomem(p->err, b->words * 64);
    return 0;
}

static int copy_text(const struct pq_map *map, struct pq_ncnn_net *net, pique_error *err)
{
    net->path = pq_strdup(map->path);
    if (!net->path)
        return pq_fail_nomem(err, strlen(map->path) + 1);
    if (map->size > MAX_TEXT_BYTES)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: %zu bytes; an ncnn .param has at most %d",
                       map->path, map->size, MAX_TEXT_BYTES);
    if (map->size && memchr(map->data, 0, map->size))
        return pq_fail(err, PIQUE_EFORMAT, "%s: has zero bytes and is no text", map->path);
    net->text = pq_strndup(map->size ? (const char *)map->data : "", map->size);
    return net->text ? 0 : pq_fail_nomem(err, map->size + 1);
}

int pq_ncnn_net_read(const struct pq_map *map, struct pq_ncnn_net *net, pique_error *err)
{
    *net = (struct pq_ncnn_net){0};
    struct parser p = {.net = net, .err = err};
    int rc = copy_text(map, net, err);
    if (!rc) {
        struct bounds b = bound(net->text);
        p.next_line = net->text;
        p.end = net->text + strlen(net->text);
        int max_layers = (int)PQ_MIN(b.lines, (size_t)PQ_MAX_OPS);
        rc = read_head(&p, max_layers, (int)b.words);
        if (!rc)
            rc = allocate(&p, &b);
        if (!rc)
            rc = read_layers(&p);
    }
    pq_free(p.link_names);
    if (rc)
        pq_ncnn_net_free(net);
    return rc;
}

void pq_ncnn_net_free(struct pq_ncnn_net *net)
{
    pq_free(net->path);
    pq_free(net->text);
    pq_free(net->layers);
    pq_free(net->blobs);
    pq_free(net->links);
    pq_free(net->params);
    pq_free(net->values);
    *net = (struct pq_ncnn_net){0};
}

const struct pq_ncnn_param *pq_ncnn_param(const struct pq_ncnn_net *net,
                                          const struct pq_ncnn_layer *layer, int id)
{
    for (int i = 0; i < layer->params; i++) {
        if (net->params[layer->first_param + i].id == id)
            return &net->params[layer->first_param + i];
    }
    return NULL;
}
