/* SPDX-License-Identifier: MIT */
/* pique models convert and blend: a model, or what lies between two, written as another file. */
#include "base/alloc.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/signals.h"
#include "pique/pique.h"

static int tell(const char *path)
{
    struct pq_file f;
    struct pq_str s = {0};
    pique_error err;
    char size[24];
    if (pq_file_open(path, &f, &err) == 0) {
        int64_t bytes = pq_file_size(&f);
        pq_str_add_shown(&s, path);
        pq_str_printf(&s, " (%s)\n", pq_size_text(bytes < 0 ? 0 : (uint64_t)bytes, size));
        pq_file_close(&f);
    }
    return s.data || s.failed ? pq_cli_print(&s) : PQ_EXIT_OK;
}

/* Write a model to where and as the options say; its exit status. */
static int save(const struct pq_options *o, const pique_model *model, const char *path)
{
    pique_error err;
    pique_cancel *cancel = pique_cancel_new();
    pique_save_options save = {.size = sizeof save,
                               .half = pq_given(o, PQ_OPT_HALF),
                               .overwrite = pq_given(o, PQ_OPT_OVERWRITE),
                               .cancel = cancel};
    int rc = cancel ? 0 : pq_fail_nomem(&err, 64);
    if (!rc) {
        pq_watch_signals(cancel);
        rc = pique_model_save(model, path, &save, &err);
        pq_unwatch_signals();
    }
    pique_cancel_free(&cancel);
    if (rc == PIQUE_EEXIST)
        pq_fail(&err, rc, "%s: exists already; --overwrite replaces it", path);
    return rc ? pq_cli_fail(&err) : tell(path);
}

int pq_cli_models_convert(const struct pq_options *o)
{
    pique_model *model;
    pique_error err;
    int status = 0;
    if (pq_cli_model_open(o->operands[0], &model, &status, &err))
        pq_cli_fail(&err);
    else
        status = save(o, model, o->operands[1]);
    pique_model_close(&model);
    return status;
}

int pq_cli_models_blend(const struct pq_options *o)
{
    const char *const *words = o->operands;
    pique_model *model = NULL;
    pique_error err;
    double weight;
    int status = 0;
    if (!pq_cli_weight(words[2], &weight)) {
        pq_fail(&err, PIQUE_EINVAL,
                "the weight of the first model is a number from 0 to 1, not '%s'", words[2]);
        return pq_cli_fail(&err);
    }
    if (pq_cli_model_blend(words[0], words[1], weight, &model, &status, &err))
        pq_cli_fail(&err);
    else
        status = save(o, model, words[3]);
    pique_model_close(&model);
    return status;
}
