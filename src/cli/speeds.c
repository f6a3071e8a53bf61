/* SPDX-License-Identifier: MIT */
#include "cli/speeds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/record.h"

/* What counts as a measurement, and when another one is worth a write. */
static const double LEAST_PIXELS = 250000, ALIKE = 0.03;

/* ---- the machine ---- */

/* "model name	: AMD EPYC 9354" of /proc/cpuinfo; "" where it is not said. */
static void processor_name(char name[128])
{
    char text[4096];
    struct pq_file f;
    size_t got = 0;
    name[0] = '\0';
    if (pq_file_open("/proc/cpuinfo", &f, NULL) != 0)
        return;
    if (pq_file_read(&f, text, sizeof text - 1, &got, NULL) != 0)
        got = 0;
    pq_file_close(&f);
    text[got] = '\0';
    const char *line = strstr(text, "model name");
    const char *value = line ? strchr(line, ':') : NULL;
    if (!value)
        return;
    value += 1 + strspn(value + 1, " \t");
    snprintf(name, 128, "%.*s", (int)PQ_MIN(strcspn(value, "\n"), (size_t)127), value);
}

/* Not the host's name, which a container changes; but where the processor has none. */
static char *machine_name(void)
{
    char name[128];
    struct utsname host;
    processor_name(name);
    if (!name[0])
        snprintf(name, sizeof name, "%.100s", uname(&host) == 0 ? host.nodename : "unknown");
    return pq_asprintf("%s, %ld cores", name, sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- the record ---- */

int pq_speeds_open(struct pq_speeds *s, pique_error *err)
{
    *s = (struct pq_speeds){.path = pq_cache_path("speeds.json"), .machine = machine_name()};
    s->record = s->path && s->machine ? pq_record_read(s->path, &s->damaged) : NULL;
    if (s->record)
        return 0;
    pq_speeds_close(s);
    return pq_fail_nomem(err, 256);
}

void pq_speeds_close(struct pq_speeds *s)
{
    json_decref(s->record);
    pq_free(s->machine);
    pq_free(s->path);
    *s = (struct pq_speeds){0};
}

static double number_of(const json_t *one, const char *key)
{
    double n = json_number_value(json_object_get(one, key));
    return isfinite(n) && n > 0 ? n : 0;
}

double pq_speeds_find(const struct pq_speeds *s, const char *sha256, const char **key)
{
    json_t *all = json_object_get(json_object_get(s->record, "speeds"), sha256);
    const char *name;
    json_t *one;
    double best = 0, newest = -1;
    if (key)
        *key = NULL;
    json_object_foreach(all, name, one)
    {
        const char *machine = json_string_value(json_object_get(one, "machine"));
        double speed = number_of(one, "mpixels_per_second"), at = number_of(one, "at");
        if (!machine || strcmp(machine, s->machine) != 0 || speed <= 0 || at < newest)
            continue;
        newest = at;
        best = speed;
        if (key)
            *key = json_string_value(json_object_get(one, "numeric_key"));
    }
    return best;
}

bool pq_speeds_worth(double pixels)
{
    return pixels >= LEAST_PIXELS;
}

int pq_speeds_note(struct pq_speeds *s, const char *sha256, const char *key, double pixels,
                   double seconds, pique_error *err)
{
    double speed = seconds > 0 ? pixels / 1e6 / seconds : 0;
    if (!pq_speeds_worth(pixels) || !isfinite(speed) || speed <= 0)
        return 0;
    json_t *speeds = pq_record_section(s->record, "speeds");
    json_t *all = speeds ? pq_record_section(speeds, sha256) : NULL;
    char *name = pq_asprintf("%s @ %s", key, s->machine);
    json_t *one =
        json_pack("{s:s, s:s, s:f, s:f, s:I}", "numeric_key", key, "machine", s->machine,
                  "mpixels_per_second", speed, "pixels", pixels, "at", (json_int_t)time(NULL));
    double before = name ? number_of(json_object_get(all, name), "mpixels_per_second") : 0;
    bool alike = fabs(speed - before) <= ALIKE * speed;
    /* It takes one, whatever comes of it. */
    int rc = name && json_object_set_new(all, name, one) == 0 ? 0 : pq_fail_nomem(err, 512);
    if (!name)
        json_decref(one);
    pq_free(name);
    return rc || alike ? rc : pq_record_write(s->path, s->record, err);
}
