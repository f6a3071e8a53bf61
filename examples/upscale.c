/* SPDX-License-Identifier: MIT */
/* The whole of libpique in thirty lines:
 *     cc upscale.c $(pkg-config --cflags --libs pique) -o upscale */
#include <stdio.h>

#include <pique/pique.h>

static void show(void *user, const pique_event *event)
{
    if (event->kind == PIQUE_EVENT_PROGRESS)
        fprintf(user, "%3d %%\r", (int)(100 * event->rows_done / event->rows_total));
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fprintf(stderr, "usage: %s MODEL IN.png OUT.png\n", argv[0]), 2;
    pique_error err;
    pique_model *model = NULL;
    pique_engine *engine = NULL;
    pique_engine_options options = {.size = sizeof options, .event = show, .event_user = stderr};
    pique_picture_report report = {.size = sizeof report};
    int rc = pique_model_open(argv[1], &model, &err);
    if (!rc)
        rc = pique_engine_open(model, &options, &engine, &err);
    if (!rc)
        rc = pique_picture_upscale(engine, argv[2], argv[3], NULL, &report, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.message);
    else
        printf("%s: %d x %d\n", argv[3], report.out_width, report.out_height);
    pique_engine_close(&engine);
    pique_model_close(&model);
    return rc ? 1 : 0;
}
