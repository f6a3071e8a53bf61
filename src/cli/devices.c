/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/lang.h"
#include "cli/commands.h"
#include "pique/pique.h"

static void add_text(struct pq_str *s, const pique_device_info *d)
{
    pq_str_printf(s, "%-8s %s\n", d->id, d->name);
    if (!d->usable) {
        pq_str_printf(s, pq_tr("%-8s cannot be used: %s\n"), "",
                      d->reason ? pq_tr(d->reason) : pq_tr("unknown reason"));
        return;
    }
    char unused[24], all[24];
    const char *whole = pq_size_text(d->memory_total, all);
    if (strncmp(d->id, "cuda", 4) == 0)
        pq_str_printf(s, pq_tr("%-8s %d multiprocessors, %s of memory\n"), "", d->threads, whole);
    else
        pq_str_printf(s, pq_tr("%-8s %d thread%s, %s of %s memory free\n"), "", d->threads,
                      d->threads == 1 ? "" : "s", pq_size_text(d->memory_free, unused), whole);
}

static void add_json(struct pq_json *j, const pique_device_info *d)
{
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "id", d->id);
    pq_json_string(j, "name", d->name);
    pq_json_int(j, "threads", d->threads);
    pq_json_uint(j, "memory_total", d->memory_total);
    pq_json_uint(j, "memory_free", d->memory_free);
    pq_json_bool(j, "usable", d->usable);
    pq_json_string(j, "reason", d->reason);
    pq_json_close(j, '}');
}

int pq_cli_devices(const struct pq_options *o)
{
    struct pq_str text = {0};
    struct pq_json j = {0};
    bool json = pq_given(o, PQ_OPT_JSON);
    pq_json_open(&j, NULL, '[');
    for (size_t i = 0;; i++) {
        pique_device_info d = {.size = sizeof d};
        if (pique_device_get(i, &d, NULL) != 0)
            break;
        if (json)
            add_json(&j, &d);
        else
            add_text(&text, &d);
    }
    pq_json_close(&j, ']');
    if (json)
        pq_json_take_line(&j, &text);
    pq_str_free(&j.text);
    return pq_cli_print(&text);
}
