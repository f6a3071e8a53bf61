/* SPDX-License-Identifier: MIT */
#include "film/made.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void pq_made_init(struct pq_made *made)
{
    *made = (struct pq_made){0};
    pthread_mutex_init(&made->lock, NULL);
}

void pq_made_free(struct pq_made *made)
{
    pq_free(made->list);
    pthread_mutex_destroy(&made->lock);
    *made = (struct pq_made){0};
}

int pq_made_key(struct pq_made *made, const char *text, int *key, pique_error *err)
{
    int rc = 0;
    pthread_mutex_lock(&made->lock);
    for (*key = 0; *key < made->key_count; ++*key) {
        if (strcmp(made->keys[*key], text) == 0)
            break;
    }
    if (*key == PQ_MADE_KEYS)
        rc = pq_fail(err, PIQUE_EINVAL, "a film of more than %d numeric keys", PQ_MADE_KEYS);
    else if (*key == made->key_count)
        snprintf(made->keys[made->key_count++], sizeof made->keys[0], "%s", text);
    ++*key;
    pthread_mutex_unlock(&made->lock);
    return rc;
}

/* The first stretch that ends at this frame or behind it. */
static size_t place_of(const struct pq_made *made, int64_t frame)
{
    size_t i = 0;
    while (i < made->count && made->list[i].last < frame)
        i++;
    return i;
}

static int key_of(const struct pq_made *made, int64_t frame)
{
    const size_t i = place_of(made, frame);
    return i < made->count && made->list[i].first <= frame ? made->list[i].key : 0;
}

int pq_made_find(struct pq_made *made, int64_t frame)
{
    pthread_mutex_lock(&made->lock);
    const int key = key_of(made, frame);
    pthread_mutex_unlock(&made->lock);
    return key;
}

static int insert(struct pq_made *made, size_t at, struct pq_stretch s, pique_error *err)
{
    struct pq_stretch *grown = pq_grown(made->list, made->count, &made->capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, sizeof *grown);
    made->list = grown;
    memmove(grown + at + 1, grown + at, (made->count - at) * sizeof *grown);
    grown[at] = s;
    made->count++;
    return 0;
}

static void take_out(struct pq_made *made, size_t at)
{
    memmove(made->list + at, made->list + at + 1, (made->count - at - 1) * sizeof *made->list);
    made->count--;
}

/* A frame that is in a stretch is in none any more. */
static int clear(struct pq_made *made, int64_t frame, pique_error *err)
{
    const size_t i = place_of(made, frame);
    struct pq_stretch *s = &made->list[i];
    const struct pq_stretch whole = *s;
    if (whole.first == whole.last) {
        take_out(made, i);
    } else if (frame == whole.first) {
        s->first++;
    } else if (frame == whole.last) {
        s->last--;
    } else {
        int rc = insert(made, i + 1, (struct pq_stretch){frame + 1, whole.last, whole.key}, err);
        if (rc)
            return rc;
        made->list[i].last = frame - 1;
    }
    return 0;
}

/* A frame that is in no stretch gets into one: that before it, that behind it, both, or its own. */
static int add(struct pq_made *made, int64_t frame, int key, pique_error *err)
{
    const size_t i = place_of(made, frame);
    struct pq_stretch *before = i ? &made->list[i - 1] : NULL;
    struct pq_stretch *behind = i < made->count ? &made->list[i] : NULL;
    const bool joins = before && before->key == key && before->last + 1 == frame;
    const bool leads = behind && behind->key == key && behind->first == frame + 1;
    if (joins && leads) {
        before->last = behind->last;
        take_out(made, i);
    } else if (joins) {
        before->last = frame;
    } else if (leads) {
        behind->first = frame;
    } else {
        return insert(made, i, (struct pq_stretch){frame, frame, key}, err);
    }
    return 0;
}

int pq_made_set(struct pq_made *made, int64_t frame, int key, bool *changed, pique_error *err)
{
    int rc = 0;
    pthread_mutex_lock(&made->lock);
    const int before = key_of(made, frame);
    *changed = before != key;
    if (*changed && before)
        rc = clear(made, frame, err);
    if (*changed && key && !rc)
        rc = add(made, frame, key, err);
    pthread_mutex_unlock(&made->lock);
    return rc;
}

int64_t pq_made_frames(struct pq_made *made)
{
    int64_t sum = 0;
    pthread_mutex_lock(&made->lock);
    for (size_t i = 0; i < made->count; i++)
        sum += made->list[i].last - made->list[i].first + 1;
    pthread_mutex_unlock(&made->lock);
    return sum;
}

/* ---- JSON ---- */

json_t *pq_made_to_json(struct pq_made *made)
{
    json_t *list = json_array();
    pthread_mutex_lock(&made->lock);
    for (size_t i = 0; list && i < made->count; i++) {
        const struct pq_stretch *s = &made->list[i];
        json_t *stretch = json_pack("{s:I, s:I, s:s}", "first", (json_int_t)s->first, "last",
                                    (json_int_t)s->last, "numeric_key", made->keys[s->key - 1]);
        if (json_array_append_new(list, stretch) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    pthread_mutex_unlock(&made->lock);
    return list;
}

int pq_made_from_json(struct pq_made *made, const json_t *list, pique_error *err)
{
    size_t i;
    const json_t *stretch;
    int64_t end = 0;
    int rc = json_is_array(list) ? 0 : PIQUE_EFORMAT;
    json_array_foreach(list, i, stretch)
    {
        const char *text = json_string_value(json_object_get(stretch, "numeric_key"));
        struct pq_stretch s = {.first = json_integer_value(json_object_get(stretch, "first")),
                               .last = json_integer_value(json_object_get(stretch, "last"))};
        if (!rc && (!text || s.first < end || s.last < s.first || s.last > INT64_MAX / 2))
            rc = PIQUE_EFORMAT;
        if (!rc)
            rc = pq_made_key(made, text, &s.key, err);
        if (!rc)
            rc = insert(made, made->count, s, err);
        if (rc)
            break;
        end = s.last + 1;
    }
    return rc;
}
