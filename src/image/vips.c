/* SPDX-License-Identifier: MIT */
#include "image/vips.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/pool.h"
#include "base/str.h"
#include "image/compat.h"

enum { MAX_THREADS = 4 }; /* of an encoder; each holds buffers */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int start_status;

/* libvips warns through GLib, which would write to the terminal of whoever uses the library. What
 * matters comes back as an error. */
static void swallow(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer user)
{
}

static void start(void)
{
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION, swallow, NULL);
    start_status = vips_init("pique");
    if (start_status)
        return;
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignSaveJxl", FALSE);
    /* Pictures pass once: a cache would only keep files open and memory in use. */
    vips_cache_set_max(0);
    vips_cache_set_max_mem(0);
    vips_cache_set_max_files(0);
    vips_concurrency_set(PQ_MIN(pq_cores(), MAX_THREADS));
}

int pq_vips_start(pique_error *err)
{
    pthread_once(&once, start);
    return start_status ? pq_vips_fail(err, PIQUE_EUNSUPPORTED, "libvips", "cannot be started") : 0;
}

void pq_vips_allow_jxl(void)
{
    vips_operation_block_set("VipsForeignLoadJxl", FALSE);
}

/* Lines become "; ", so that the sentence stays one line, and control characters vanish: part of
 * the text may come from the file. */
static char *one_line(const char *text)
{
    struct pq_str s = {0};
    for (const char *p = text; *p; p++) {
        if (*p == '\n') {
            if (p[1] && s.length)
                pq_str_add(&s, "; ");
        } else if ((unsigned char)*p >= ' ' && *p != 0x7f) {
            pq_str_add_n(&s, p, 1);
        }
    }
    while (s.length && (s.data[s.length - 1] == '.' || s.data[s.length - 1] == ' '))
        s.data[--s.length] = '\0';
    return pq_str_take(&s);
}

static int code_of(const char *text)
{
    if (strcasestr(text, "out of memory") || strcasestr(text, "unable to malloc"))
        return PIQUE_ENOMEM;
    if (strcasestr(text, "unsupported") || strcasestr(text, "not supported"))
        return PIQUE_EUNSUPPORTED;
    return PIQUE_EFORMAT;
}

int pq_vips_fail(pique_error *err, int code, const char *path, const char *what)
{
    char *raw = vips_error_buffer_copy();
    char *line = one_line(raw ? raw : "");
    if (code == 0)
        code = code_of(raw ? raw : "");
    if (line && *line && g_utf8_validate(line, -1, NULL))
        pq_fail(err, code, "%s: %s: %s", path, pq_tr(what), line);
    else
        pq_fail(err, code, "%s: %s", path, pq_tr(what));
    pq_free(line);
    g_free(raw);
    return code;
}

bool pq_vips_has(const char *name)
{
    return vips_type_find("VipsOperation", name) != 0;
}

bool pq_op_knows(VipsOperation *op, const char *option)
{
    return g_object_class_find_property(G_OBJECT_GET_CLASS(op), option) != NULL;
}

int pq_op_run(VipsOperation *op, VipsImage **out)
{
    int rc = vips_cache_operation_buildp(&op);
    if (!rc && out)
        g_object_get(op, "out", out, NULL);
    vips_object_unref_outputs(VIPS_OBJECT(op));
    g_object_unref(op);
    return rc;
}
